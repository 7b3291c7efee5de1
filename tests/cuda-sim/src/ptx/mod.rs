//! Reading PTX text: characters to words, words to directives and statements.

pub mod ast;
pub mod lexer;
mod operand;
pub mod parser;
mod variable;
