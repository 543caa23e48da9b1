//! Numbers of bytes in arguments.

/// `4096`, or with a unit: `64K`, `10M`, `1G`.
pub(crate) fn parse_bytes<T: TryFrom<u64>>(text: &str) -> Result<T, String> {
    let units = [("K", 1 << 10), ("M", 1 << 20), ("G", 1 << 30)];
    let unit = units.iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?, *unit)));
    let (digits, unit) = unit.unwrap_or((text, 1));
    let number: u64 = digits
        .parse()
        .map_err(|_| "not a number of bytes: say, for example, 4096, 64K, 10M or 1G".to_string())?;
    let bytes = number.checked_mul(unit).and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or_else(|| "more than there can be".to_string())
}
