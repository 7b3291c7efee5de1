//! Words to directives and statements.

use super::ast::{Function, Guard, Instruction, Module, Operand, RegisterDecl, Statement};
use super::lexer::{Located, Token, tokens};

/// Why a text is refused.
#[derive(Clone, Debug)]
pub struct ParseError {
    /// The line, from 1.
    pub line: u32,
    /// What is wrong there.
    pub message: String,
}

impl std::fmt::Display for ParseError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ptx line {}: {}", self.line, self.message)
    }
}

impl std::error::Error for ParseError {}

/// Reads a module.
pub fn parse(text: &str) -> Result<Module, ParseError> {
    let mut parser = Parser { tokens: tokens(text)?, at: 0 };
    parser.module()
}

/// The words and how far they are read.
pub struct Parser {
    tokens: Vec<Located>,
    pub(super) at: usize,
}

/// The size of a type's word, without its dot.
pub fn type_bytes(ty: &str) -> Option<usize> {
    Some(match ty {
        "pred" | "b8" | "u8" | "s8" => 1,
        "b16" | "u16" | "s16" | "f16" | "bf16" => 2,
        "b32" | "u32" | "s32" | "f32" | "f16x2" | "bf16x2" => 4,
        "b64" | "u64" | "s64" | "f64" => 8,
        "b128" => 16,
        _ => return None,
    })
}

impl Parser {
    pub(super) fn error(&self, message: impl Into<String>) -> ParseError {
        let last = self.tokens.len().saturating_sub(1);
        let line = self.tokens.get(self.at.min(last)).map_or(0, |located| located.line);
        ParseError { line, message: message.into() }
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|located| &located.token)
    }

    pub(super) fn peek_word(&self) -> Option<&str> {
        match self.peek() {
            Some(Token::Word(word)) => Some(word),
            _ => None,
        }
    }

    pub(super) fn word(&mut self) -> Result<String, ParseError> {
        match self.peek() {
            Some(Token::Word(word)) => {
                let word = word.clone();
                self.at += 1;
                Ok(word)
            }
            other => Err(self.error(format!("a word is wanted, not {other:?}"))),
        }
    }

    pub(super) fn take(&mut self, sign: char) -> bool {
        let there = self.peek() == Some(&Token::Sign(sign));
        self.at += usize::from(there);
        there
    }

    pub(super) fn expect(&mut self, sign: char) -> Result<(), ParseError> {
        if self.take(sign) { Ok(()) } else { Err(self.error(format!("'{sign}' is wanted"))) }
    }

    pub(super) fn number(&mut self) -> Result<i128, ParseError> {
        match self.operand()? {
            Operand::Int(value) => Ok(value),
            _ => Err(self.error("an integer is wanted")),
        }
    }

    fn skip_line(&mut self) {
        let line = self.tokens[self.at].line;
        while self.tokens.get(self.at).is_some_and(|located| located.line == line) {
            self.at += 1;
        }
    }

    fn module(&mut self) -> Result<Module, ParseError> {
        let mut module = Module::default();
        while let Some(token) = self.peek() {
            let Token::Word(word) = token else {
                return Err(self.error("a directive is wanted"));
            };
            match word.as_str() {
                ".version" => {
                    self.at += 1;
                    module.version = self.word()?;
                }
                ".target" => {
                    self.at += 1;
                    module.target = self.word()?;
                    while self.take(',') {
                        self.word()?;
                    }
                }
                ".address_size" => {
                    self.at += 1;
                    if self.number()? != 64 {
                        return Err(self.error("addresses of 64 bits are wanted"));
                    }
                }
                ".file" | ".loc" | ".pragma" => self.skip_line(),
                ".section" => self.skip_section()?,
                _ => self.declaration(&mut module)?,
            }
        }
        if module.version.is_empty() {
            return Err(ParseError { line: 1, message: "the text has no .version".into() });
        }
        Ok(module)
    }

    fn skip_section(&mut self) -> Result<(), ParseError> {
        while !self.take('{') {
            self.at += 1;
            if self.peek().is_none() {
                return Err(self.error("a section has no body"));
            }
        }
        while !self.take('}') {
            self.at += 1;
            if self.peek().is_none() {
                return Err(self.error("a section has no end"));
            }
        }
        Ok(())
    }

    /// A function or a variable of the module, with its linking directives.
    fn declaration(&mut self, module: &mut Module) -> Result<(), ParseError> {
        let mut external = false;
        loop {
            match self.peek_word() {
                Some(".visible" | ".weak" | ".common") => self.at += 1,
                Some(".extern") => {
                    external = true;
                    self.at += 1;
                }
                Some(".entry" | ".func") => {
                    let function = self.function()?;
                    module.functions.push(function);
                    return Ok(());
                }
                Some(word) if word.starts_with('.') => {
                    for variable in self.variables(external)? {
                        module.variables.push(variable);
                    }
                    return Ok(());
                }
                _ => return Err(self.error("an unknown directive")),
            }
        }
    }

    fn function(&mut self) -> Result<Function, ParseError> {
        let mut function = Function { entry: self.word()? == ".entry", ..Function::default() };
        if self.peek_word() == Some(".noreturn") {
            self.at += 1;
        }
        if self.take('(') {
            function.results = self.params()?;
        }
        function.name = self.word()?;
        if self.take('(') {
            function.params = self.params()?;
        }
        loop {
            match self.peek() {
                Some(Token::Sign(';')) => {
                    self.at += 1;
                    return Ok(function);
                }
                Some(Token::Sign('{')) => {
                    self.at += 1;
                    function.body = Some(self.body()?);
                    return Ok(function);
                }
                Some(Token::Word(word)) if word == ".maxntid" || word == ".reqntid" => {
                    self.at += 1;
                    let mut threads = self.number()?;
                    while self.take(',') {
                        threads *= self.number()?;
                    }
                    function.max_threads = u32::try_from(threads).ok();
                }
                Some(Token::Word(word)) if word == ".pragma" => self.skip_line(),
                Some(_) => self.at += 1,
                None => return Err(self.error("a function has no body")),
            }
        }
    }

    fn body(&mut self) -> Result<Vec<Statement>, ParseError> {
        let mut body = Vec::new();
        let mut depth = 0;
        loop {
            match self.peek() {
                None => return Err(self.error("a body has no end")),
                Some(Token::Sign('{')) => {
                    depth += 1;
                    self.at += 1;
                    body.push(Statement::Open);
                }
                Some(Token::Sign('}')) => {
                    self.at += 1;
                    if depth == 0 {
                        return Ok(body);
                    }
                    depth -= 1;
                    body.push(Statement::Close);
                }
                Some(Token::Sign(';')) => self.at += 1,
                Some(Token::Word(word)) if word.starts_with('.') => {
                    self.body_directive(&mut body)?
                }
                Some(Token::Word(_)) if self.next_is_label() => {
                    let name = self.word()?;
                    self.expect(':')?;
                    if self.peek_word() == Some(".branchtargets") {
                        self.at += 1;
                        let mut targets = vec![self.word()?];
                        while self.take(',') {
                            targets.push(self.word()?);
                        }
                        self.expect(';')?;
                        body.push(Statement::Targets(name, targets));
                    } else if self.peek_word() == Some(".callprototype") {
                        while !self.take(';') {
                            self.at += 1;
                        }
                    } else {
                        body.push(Statement::Label(name));
                    }
                }
                Some(_) => {
                    let instruction = self.instruction()?;
                    body.push(Statement::Instruction(instruction));
                }
            }
        }
    }

    fn next_is_label(&self) -> bool {
        matches!(self.tokens.get(self.at + 1), Some(Located { token: Token::Sign(':'), .. }))
    }

    fn body_directive(&mut self, body: &mut Vec<Statement>) -> Result<(), ParseError> {
        match self.peek_word() {
            Some(".reg") => {
                self.at += 1;
                let ty = self.word()?.trim_start_matches('.').to_owned();
                loop {
                    let name = self.word()?;
                    let mut count = None;
                    if self.take('<') {
                        count = u32::try_from(self.number()?).ok();
                        self.expect('>')?;
                    }
                    body.push(Statement::Registers(RegisterDecl { ty: ty.clone(), name, count }));
                    if self.take(';') {
                        return Ok(());
                    }
                    self.expect(',')?;
                }
            }
            Some(".loc" | ".file" | ".pragma") => {
                self.skip_line();
                Ok(())
            }
            _ => {
                for variable in self.variables(false)? {
                    body.push(Statement::Variable(variable));
                }
                Ok(())
            }
        }
    }

    fn instruction(&mut self) -> Result<Instruction, ParseError> {
        let mut guard = None;
        if self.take('@') {
            let negated = self.take('!');
            guard = Some(Guard { name: self.word()?, negated });
        }
        let line = self.tokens.get(self.at).map_or(0, |located| located.line);
        let words: Vec<String> = self.word()?.split('.').map(str::to_owned).collect();
        let mut operands = Vec::new();
        while !self.take(';') {
            operands.push(self.operand()?);
            if !self.take(',') {
                self.expect(';')?;
                break;
            }
        }
        Ok(Instruction { guard, words, operands, line })
    }
}
