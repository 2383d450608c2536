//! Kubernetes quantities of bytes, read into a number.

/// The bytes of a quantity such as `20Gi`, `1e9` or `500M`; rounded up. None if it is not one, is negative, or exceeds what a volume can be.
pub(crate) fn bytes(text: &str) -> Option<u64> {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.len() > 9 {
        return None;
    }
    let scale = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    let digits: u128 = format!("{whole}{fraction}").parse().ok()?;
    let (multiply, divide): (u128, u128) = match unit {
        "" => (1, 1),
        "m" => (1, 1000),
        "k" => (1000, 1),
        "M" => (1000_u128.pow(2), 1),
        "G" => (1000_u128.pow(3), 1),
        "T" => (1000_u128.pow(4), 1),
        "P" => (1000_u128.pow(5), 1),
        "E" => (1000_u128.pow(6), 1),
        "Ki" => (1 << 10, 1),
        "Mi" => (1 << 20, 1),
        "Gi" => (1 << 30, 1),
        "Ti" => (1 << 40, 1),
        "Pi" => (1 << 50, 1),
        "Ei" => (1 << 60, 1),
        exponent => {
            let power: u32 = exponent.strip_prefix(['e', 'E'])?.parse().ok()?;
            (10_u128.checked_pow(power)?, 1)
        }
    };
    u64::try_from(digits.checked_mul(multiply)?.div_ceil(scale * divide)).ok()
}

#[cfg(test)]
mod tests {
    use super::bytes;
    use rstest::rstest;

    #[rstest]
    #[case("20Gi", Some(20 << 30))]
    #[case("1", Some(1))]
    #[case("1.5Ki", Some(1536))]
    #[case("1e3", Some(1000))]
    #[case("2E", Some(2_000_000_000_000_000_000))]
    #[case("500M", Some(500_000_000))]
    #[case("1500m", Some(2))]
    #[case("", None)]
    #[case("-1", None)]
    #[case("Gi", None)]
    #[case("1Zi", None)]
    #[case("99999999Ei", None)]
    fn quantities(#[case] text: &str, #[case] expect: Option<u64>) {
        assert_eq!(bytes(text), expect);
    }
}
