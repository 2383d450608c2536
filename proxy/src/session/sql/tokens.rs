//! PostgreSQL's text cut into words, names, strings and signs: enough to see where statements begin and which functions are
//! called by name, and never more. No grammar.
//!
//! What cannot be cut with certainty (an end that is missing, a quote behind a backslash, which means one thing or the other by
//! a setting) makes the whole text unclear; who reads it then assumes the worst.

/// A piece of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// A key word or a name, as it was written.
    Word(&'a [u8]),
    /// What stands between double quotes, as it was written.
    Name(&'a [u8]),
    /// A string constant of any kind, without its quotes.
    Text(&'a [u8]),
    /// A number, or what follows the sign of a parameter.
    Number,
    /// A character that means itself.
    Sign(u8),
}

impl Token<'_> {
    /// Whether it is this key word, which is given in small letters.
    pub(super) fn is(&self, word: &str) -> bool {
        matches!(self, Self::Word(found) if found.eq_ignore_ascii_case(word.as_bytes()))
    }
}

/// Cuts a text.
#[derive(Debug, Clone)]
pub(super) struct Tokens<'a> {
    text: &'a [u8],
    at: usize,
    /// Where the token given last begins.
    start: usize,
    unclear: bool,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0, start: 0, unclear: false }
    }

    /// Where the token given last begins; behind the last one, where the text ends.
    pub(super) fn start(&self) -> usize {
        self.start
    }

    /// Whether something could not be cut with certainty so far.
    pub(super) fn is_unclear(&self) -> bool {
        self.unclear
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.get(self.at + ahead).copied()
    }

    /// Passes over spaces and comments.
    fn skip(&mut self) {
        while let Some(byte) = self.peek(0) {
            match (byte, self.peek(1)) {
                (b'-', Some(b'-')) => {
                    let rest = &self.text[self.at..];
                    self.at += rest.iter().position(|b| matches!(b, b'\n' | b'\r')).unwrap_or(rest.len());
                }
                (b'/', Some(b'*')) => self.comment(),
                _ if byte.is_ascii_whitespace() || byte == 0x0b => self.at += 1,
                _ => return,
            }
        }
    }

    /// Passes over a comment; they nest.
    fn comment(&mut self) {
        let mut depth = 0_usize;
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some(b'/'), Some(b'*')) => {
                    depth += 1;
                    self.at += 2;
                }
                (Some(b'*'), Some(b'/')) => {
                    depth -= 1;
                    self.at += 2;
                    if depth == 0 {
                        return;
                    }
                }
                (Some(_), _) => self.at += 1,
                (None, _) => {
                    self.unclear = true;
                    return;
                }
            }
        }
    }

    /// Up to the closing quote, which is doubled where it is meant itself. `escapes`: a backslash takes away its meaning.
    fn quoted(&mut self, quote: u8, escapes: bool) -> &'a [u8] {
        self.at += 1;
        let from = self.at;
        loop {
            match self.peek(0) {
                None => {
                    self.unclear = true;
                    return &self.text[from..];
                }
                Some(b'\\') if escapes => self.at = (self.at + 2).min(self.text.len()),
                Some(b'\\') if quote == b'\'' && self.peek(1) == Some(quote) => {
                    // By standard_conforming_strings this is the end of the string, or it is not.
                    self.unclear = true;
                    self.at += 1;
                }
                Some(byte) if byte == quote => {
                    self.at += 1;
                    if self.peek(0) != Some(quote) {
                        return &self.text[from..self.at - 1];
                    }
                    self.at += 1;
                }
                Some(_) => self.at += 1,
            }
        }
    }

    /// A string between two marks like `$$` or `$body$`, if one begins here.
    fn dollars(&mut self) -> Option<&'a [u8]> {
        let rest = &self.text[self.at + 1..];
        let length = rest.iter().position(|b| !is_part(*b) || *b == b'$').unwrap_or(rest.len());
        let name = &rest[..length];
        if rest.get(length) != Some(&b'$') || name.first().is_some_and(u8::is_ascii_digit) {
            return None;
        }
        let mark = &self.text[self.at..self.at + length + 2];
        let from = self.at + mark.len();
        let body = &self.text[from..];
        let Some(end) = body.windows(mark.len()).position(|w| w == mark) else {
            self.unclear = true;
            self.at = self.text.len();
            return Some(body);
        };
        self.at = from + end + mark.len();
        Some(&body[..end])
    }

    fn run(&mut self, belongs: fn(u8) -> bool) -> &'a [u8] {
        let rest = &self.text[self.at..];
        let length = rest.iter().position(|b| !belongs(*b)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        self.skip();
        self.start = self.at;
        let byte = self.peek(0)?;
        Some(match byte {
            b'\'' => Token::Text(self.quoted(byte, false)),
            b'"' => Token::Name(self.quoted(byte, false)),
            b'e' | b'E' if self.peek(1) == Some(b'\'') => {
                self.at += 1;
                Token::Text(self.quoted(b'\'', true))
            }
            b'$' => {
                if let Some(text) = self.dollars() {
                    Token::Text(text)
                } else {
                    self.at += 1;
                    Token::Sign(byte)
                }
            }
            b'0'..=b'9' => {
                self.run(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_'));
                Token::Number
            }
            _ if is_start(byte) => Token::Word(self.run(is_part)),
            _ => {
                self.at += 1;
                Token::Sign(byte)
            }
        })
    }
}

fn is_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn is_part(byte: u8) -> bool {
    is_start(byte) || byte.is_ascii_digit() || byte == b'$'
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    /// Words as they are, names in double quotes, texts in single ones.
    fn cut(text: &str) -> (String, bool) {
        let mut tokens = Tokens::new(text.as_bytes());
        let pieces: Vec<String> = tokens
            .by_ref()
            .map(|token| match token {
                Token::Word(word) => String::from_utf8_lossy(word).into_owned(),
                Token::Name(name) => format!("\"{}\"", String::from_utf8_lossy(name)),
                Token::Text(text) => format!("'{}'", String::from_utf8_lossy(text)),
                Token::Number => "0".to_owned(),
                Token::Sign(sign) => char::from(sign).to_string(),
            })
            .collect();
        (pieces.join(" "), tokens.is_unclear())
    }

    #[rstest]
    #[case("SELECT a.b, f(1.5e3) FROM t", "SELECT a . b , f ( 0 ) FROM t")]
    #[case("select 'it''s; here';x", "select 'it''s; here' ; x")]
    #[case(r"select E'\'; a' , 'b\c'", r"select '\'; a' , 'b\c'")]
    #[case("a -- b; c\n;d", "a ; d")]
    #[case("a /* b /* c; */ ' */ d", "a d")]
    #[case("select $$ a; $b$ $$, $x$ $$ $x$, $1", "select ' a; $b$ ' , ' $$ ' , $ 0")]
    #[case("\"a \"\"b; \" a$b$c", "\"a \"\"b; \" a$b$c")]
    #[case("größe(ü)", "größe ( ü )")]
    #[case("a::int[1]||b'01'", "a : : int [ 0 ] | | b '01'")]
    fn is_cut(#[case] text: &str, #[case] pieces: &str) {
        assert_eq!(cut(text), (pieces.to_owned(), false));
    }

    #[rstest]
    #[case("select 'a")]
    #[case("select \"a")]
    #[case("select E'a\\")]
    #[case("/* a /* b */ c")]
    #[case("select $a$ b $$")]
    #[case(r"select 'a\' or b'")]
    fn is_unclear(#[case] text: &str) {
        assert!(cut(text).1);
    }

    proptest! {
        #[test]
        fn no_bytes_break_it(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            prop_assert!(Tokens::new(&bytes).count() <= bytes.len());
        }

        #[test]
        fn no_quotes_break_it(text in "[a'\"$/*\\\\ -;e\n]{0,40}") {
            prop_assert!(Tokens::new(text.as_bytes()).count() <= text.len());
        }
    }
}
