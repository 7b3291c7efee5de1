//! Sizes, resources and labels as they are typed.

use drawloom_model::Taint;

/// Reads `4096`, `64K`, `512MiB`, `2G`: powers of 1024.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor: u64 = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        "t" | "tb" | "tib" => 1 << 40,
        unit => return Err(format!("{unit:?} is no unit of size; use K, M, G or T")),
    };
    let bytes = digits.parse().ok().and_then(|number: u64| number.checked_mul(factor));
    bytes.ok_or_else(|| format!("{text:?} is no size; write 4096, 512MiB or 2G"))
}

/// Reads `KEY=VALUE`.
pub fn parse_pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("{text:?} is not of the form KEY=VALUE")),
    }
}

/// Reads `KEY` or `KEY=VALUE`.
pub fn parse_taint(text: &str) -> Result<Taint, String> {
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    if key.is_empty() {
        return Err(format!("{text:?} is not of the form KEY or KEY=VALUE"));
    }
    Ok(Taint { key: key.to_owned(), value: value.to_owned() })
}

/// Reads `NAME=AMOUNT`, the amount in units with up to three decimals; answers thousandths.
pub fn parse_resource(text: &str) -> Result<(String, u64), String> {
    let (name, amount) = parse_pair(text)?;
    Ok((name, parse_milli(&amount)?))
}

/// Reads `2` or `1.5` as thousandths.
fn parse_milli(text: &str) -> Result<u64, String> {
    let bad = || format!("{text:?} is no amount; write 2 or 1.5, with at most three decimals");
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let digits_only = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || decimals.len() > 3 || !digits_only(whole) || !digits_only(decimals) {
        return Err(bad());
    }
    let decimals: u64 = format!("{decimals:0<3}").parse().map_err(|_| bad())?;
    let whole: u64 = whole.parse().map_err(|_| bad())?;
    whole.checked_mul(1000).and_then(|milli| milli.checked_add(decimals)).ok_or_else(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        assert_eq!(parse_bytes("512MiB"), Ok(512 << 20));
        assert_eq!(parse_bytes("7"), Ok(7));
        assert!(parse_bytes("1.5G").is_err());
        assert!(parse_bytes("9X").is_err());
        assert!(parse_bytes("99999999T").is_err());
    }

    #[test]
    fn resources_are_thousandths() {
        assert_eq!(parse_resource("licence=1.5"), Ok(("licence".to_owned(), 1500)));
        assert!(parse_resource("licence=-1").is_err());
        assert!(parse_resource("licence").is_err());
        assert!(parse_milli("+1").is_err());
    }
}
