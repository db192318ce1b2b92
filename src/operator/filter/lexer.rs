//! The words of the expression grammar.

use super::ast::SyntaxError;

/// One word and where it starts: columns count characters from 1.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub kind: TokenKind,
    pub column: usize,
}

/// What kind of word.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum TokenKind {
    /// Names and keywords, dots included.
    Word(String),
    Int(i128),
    Float(f64),
    Text(String),
    /// Operators, brackets and commas.
    Symbol(&'static str),
    /// Behind the last word.
    End,
}

/// Longer ones first, so that `<=` is not read as `<`.
const SYMBOLS: [&str; 18] = ["&&", "||", "==", "!=", "<=", ">=", "..", "<", ">", "!", "(", ")", "[", "]", ",", "-", "?", "="];

/// Splits `text` into words; the last is [`TokenKind::End`].
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, SyntaxError> {
    let mut lexer = Lexer { rest: text, column: 1 };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_blanks();
        let column = lexer.column;
        let kind = lexer.next().map_err(|problem| SyntaxError { column, problem })?;
        let end = kind == TokenKind::End;
        tokens.push(Token { kind, column });
        if end {
            return Ok(tokens);
        }
    }
}

struct Lexer<'a> {
    rest: &'a str,
    column: usize,
}

impl<'a> Lexer<'a> {
    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at_checked(bytes).unwrap_or((self.rest, ""));
        self.column += taken.chars().count();
        self.rest = rest;
        taken
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        self.take(self.rest.find(|c| !wanted(c)).unwrap_or(self.rest.len()))
    }

    fn skip_blanks(&mut self) {
        self.take_while(char::is_whitespace);
    }

    fn next(&mut self) -> Result<TokenKind, String> {
        let Some(first) = self.rest.chars().next() else { return Ok(TokenKind::End) };
        match first {
            '"' | '\'' => self.quoted(first),
            '`' => self.raw(),
            '0'..='9' => self.number(),
            c if is_word(c) => Ok(TokenKind::Word(self.take_while(|c| is_word(c) || c == '.').to_owned())),
            c => match SYMBOLS.iter().find(|s| self.rest.starts_with(**s)) {
                Some(symbol) => {
                    self.take(symbol.len());
                    Ok(TokenKind::Symbol(symbol))
                }
                None => Err(format!("unexpected {c:?}")),
            },
        }
    }

    fn number(&mut self) -> Result<TokenKind, String> {
        let text = self.take_while(|c| is_word(c) || c == '.').replace('_', "");
        let radix = |prefix: &str, radix| text.strip_prefix(prefix).map(|digits| i128::from_str_radix(digits, radix));
        let integer = radix("0x", 16).or_else(|| radix("0o", 8)).or_else(|| radix("0b", 2)).unwrap_or_else(|| text.parse());
        match (integer, text.parse::<f64>()) {
            (Ok(number), _) => Ok(TokenKind::Int(number)),
            (_, Ok(number)) if number.is_finite() => Ok(TokenKind::Float(number)),
            _ => Err(format!("{text:?} is not a number")),
        }
    }

    fn raw(&mut self) -> Result<TokenKind, String> {
        self.take(1);
        let text = self.take_while(|c| c != '`').to_owned();
        if self.take(1).is_empty() { Err("text is not closed".to_owned()) } else { Ok(TokenKind::Text(text)) }
    }

    fn quoted(&mut self, quote: char) -> Result<TokenKind, String> {
        self.take(1);
        let mut text = String::new();
        loop {
            text.push_str(self.take_while(|c| c != quote && c != '\\'));
            match self.take(1) {
                "" => return Err("text is not closed".to_owned()),
                "\\" => text.push(self.escape()?),
                _ => return Ok(TokenKind::Text(text)),
            }
        }
    }

    fn escape(&mut self) -> Result<char, String> {
        let letter = self.rest.chars().next().ok_or("text is not closed")?;
        self.take(letter.len_utf8());
        let digits = match letter {
            'n' => return Ok('\n'),
            't' => return Ok('\t'),
            'r' => return Ok('\r'),
            '\\' | '"' | '\'' => return Ok(letter),
            'x' => 2,
            'u' => 4,
            other => return Err(format!("unknown escape \\{other}")),
        };
        let code = u32::from_str_radix(self.rest.get(..digits).unwrap_or(""), 16).ok().and_then(char::from_u32);
        self.take(digits);
        code.ok_or_else(|| format!("\\{letter} needs {digits} hexadecimal digits of a character"))
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}
