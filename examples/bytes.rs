//! Numbers of bytes in arguments.

/// `4096`, or with a unit: `64K`, `10M`, `1G`.
pub(crate) fn parse_bytes(text: &str) -> Result<usize, String> {
    let units = [("K", 1 << 10), ("M", 1 << 20), ("G", 1 << 30)];
    let unit = units.iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?, *unit)));
    let (digits, unit) = unit.unwrap_or((text, 1));
    let number: usize = digits
        .parse()
        .map_err(|_| "not a number of bytes: say, for example, 4096, 64K, 10M or 1G".to_string())?;
    number.checked_mul(unit).ok_or_else(|| "more than there can be".to_string())
}
