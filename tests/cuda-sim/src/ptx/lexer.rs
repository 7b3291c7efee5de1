//! PTX text to words.

use super::parser::ParseError;

/// One word of the text.
#[derive(Clone, Debug, PartialEq)]
pub enum Token {
    /// A name, number, directive or opcode with its modifiers.
    Word(String),
    /// A sign.
    Sign(char),
    /// A string's content.
    Text(String),
}

/// A word and where it stands.
#[derive(Clone, Debug)]
pub struct Located {
    /// The word.
    pub token: Token,
    /// Its line, from 1.
    pub line: u32,
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'%' | b'.')
}

/// Splits `text` into words.
pub fn tokens(text: &str) -> Result<Vec<Located>, ParseError> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len() / 4);
    let (mut at, mut line) = (0, 1u32);
    while at < bytes.len() {
        let byte = bytes[at];
        match byte {
            b'\n' => {
                line += 1;
                at += 1;
            }
            0 | b' ' | b'\t' | b'\r' => at += 1,
            b'/' if bytes.get(at + 1) == Some(&b'/') => {
                while at < bytes.len() && bytes[at] != b'\n' {
                    at += 1;
                }
            }
            b'/' if bytes.get(at + 1) == Some(&b'*') => {
                at += 2;
                while at + 1 < bytes.len() && !(bytes[at] == b'*' && bytes[at + 1] == b'/') {
                    line += u32::from(bytes[at] == b'\n');
                    at += 1;
                }
                at += 2;
            }
            b'"' => {
                let start = at + 1;
                at = start;
                while at < bytes.len() && bytes[at] != b'"' {
                    at += 1;
                }
                let content = String::from_utf8_lossy(&bytes[start..at.min(bytes.len())]);
                out.push(Located { token: Token::Text(content.into_owned()), line });
                at += 1;
            }
            _ if is_word(byte) => {
                let start = at;
                at = end_of_word(bytes, at);
                let word = String::from_utf8_lossy(&bytes[start..at]).into_owned();
                push_word(&mut out, word, line);
            }
            _ if byte.is_ascii_graphic() => {
                out.push(Located { token: Token::Sign(byte as char), line });
                at += 1;
            }
            _ => return Err(ParseError { line, message: format!("stray byte {byte:#x}") }),
        }
    }
    Ok(out)
}

/// Directives may stand without a space between them, as in `.reg.b32`.
fn push_word(out: &mut Vec<Located>, word: String, line: u32) {
    match word.strip_prefix('.') {
        Some(directives) if directives.contains('.') => {
            for directive in directives.split('.') {
                out.push(Located { token: Token::Word(format!(".{directive}")), line });
            }
        }
        _ => out.push(Located { token: Token::Word(word), line }),
    }
}

/// Words hold `::` inside (`L1::no_allocate`), but a single `:` ends a label.
fn end_of_word(bytes: &[u8], mut at: usize) -> usize {
    loop {
        match bytes.get(at) {
            Some(&byte) if is_word(byte) => at += 1,
            Some(b':') if bytes.get(at + 1) == Some(&b':') => at += 2,
            _ => return at,
        }
    }
}
