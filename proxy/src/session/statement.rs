//! Whether a statement could end a transaction, told from its text as far as that takes no parser.
//!
//! It only decides between "nothing was committed" and "not known" when a connection breaks, so a wrong "could" is harmless
//! and a wrong "could not" is not: what is unclear counts as "could".

/// Words that end a transaction, or make it end later without its session (`PREPARE TRANSACTION`).
const ENDING: [&[u8]; 3] = [b"commit", b"end", b"prepare"];

/// For the text of a simple query, which may hold several statements: any such word anywhere counts, one in a string too.
pub(super) fn script_may_commit(text: &[u8]) -> bool {
    text.split(|b| !is_word(*b)).any(ends)
}

/// For the text of a prepared statement, which is a single one: its first word counts.
pub(super) fn statement_may_commit(text: &[u8]) -> bool {
    let mut rest = text;
    loop {
        let start = rest.iter().position(|b| !b.is_ascii_whitespace() && *b != b';').unwrap_or(rest.len());
        rest = &rest[start..];
        if let Some(comment) = rest.strip_prefix(b"--") {
            let end = comment.iter().position(|b| *b == b'\n').unwrap_or(comment.len());
            rest = &comment[end..];
        } else if rest.starts_with(b"/*") {
            // Comments nest; where one stands first, the words in all of it are looked at instead.
            return script_may_commit(rest);
        } else {
            let end = rest.iter().position(|b| !is_word(*b)).unwrap_or(rest.len());
            return ends(&rest[..end]);
        }
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

fn ends(word: &[u8]) -> bool {
    ENDING.iter().any(|e| word.eq_ignore_ascii_case(e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("COMMIT", true)]
    #[case("insert into t values (1); commit;", true)]
    #[case("select 1;END", true)]
    #[case("prepare transaction 'x'", true)]
    #[case("select 'please commit'", true)]
    #[case("insert into commits values (1)", false)]
    #[case("select * from t where ending", false)]
    #[case("rollback", false)]
    #[case("", false)]
    fn a_script(#[case] text: &str, #[case] may: bool) {
        assert_eq!(script_may_commit(text.as_bytes()), may);
    }

    #[rstest]
    #[case("commit", true)]
    #[case(" ;\n\tEnd work", true)]
    #[case("-- why\ncommit", true)]
    #[case("/* a /* b */ c */ commit", true)]
    #[case("-- commit", false)]
    #[case("select 'commit'", false)]
    #[case("update t set a = case when b then 1 end", false)]
    fn a_statement(#[case] text: &str, #[case] may: bool) {
        assert_eq!(statement_may_commit(text.as_bytes()), may);
    }
}
