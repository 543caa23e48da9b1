//! Where characters of UTF-8 end, and how much of a text fits.

use std::str;

fn is_continuation(byte: u8) -> bool {
    byte & 0xC0 == 0x80
}

/// How long the character is with which `bytes` begin: nothing if none begins there, and more than there are
/// if it is not there yet.
fn first_character(bytes: &[u8]) -> Option<usize> {
    let first = &bytes[..bytes.len().min(4)];
    let valid = match str::from_utf8(first) {
        Ok(text) => text,
        Err(error) if error.valid_up_to() > 0 => {
            str::from_utf8(&first[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(error) if error.error_len().is_none() => return Some(usize::MAX),
        Err(_) => return None,
    };
    valid.chars().next().map(char::len_utf8)
}

/// How many of the bytes before `index` belong to a character that goes on behind it, or is not there yet.
fn begun_before(bytes: &[u8], index: usize) -> usize {
    for back in 1..=3.min(index) {
        let start = index - back;
        if !is_continuation(bytes[start]) {
            let is_cut = first_character(&bytes[start..]).is_some_and(|length| length > back);
            return if is_cut { back } else { 0 };
        }
    }
    0
}

/// The last place up to `index` that is not within a character.
pub(crate) fn floor(bytes: &[u8], index: usize) -> usize {
    index - begun_before(bytes, index)
}

/// How many bytes there are but for a character at the end that is not there as a whole.
pub(super) fn without_half_character(bytes: &[u8]) -> usize {
    floor(bytes, bytes.len())
}

/// How much of a text was looked at, and how long that is when it is decoded.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Measured {
    bytes: usize,
    decoded: usize,
}

impl Measured {
    /// How many of `bytes` fit into `limit` bytes of decoded text, if that is not all of them. What was
    /// measured before is a part of them. If there may be more, a half character at their end does not count.
    pub(super) fn fit(&mut self, bytes: &[u8], limit: usize, is_whole: bool) -> Option<usize> {
        let end = if is_whole { bytes.len() } else { without_half_character(bytes) };
        let Self { bytes: mut at, mut decoded } = *self;
        for chunk in bytes[at..end.max(at)].utf8_chunks() {
            let valid = chunk.valid();
            if decoded + valid.len() > limit {
                return Some(at + floor(valid.as_bytes(), limit - decoded));
            }
            (at, decoded) = (at + valid.len(), decoded + valid.len());
            if !chunk.invalid().is_empty() {
                let replacement = char::REPLACEMENT_CHARACTER.len_utf8();
                if decoded + replacement > limit {
                    return Some(at);
                }
                (at, decoded) = (at + chunk.invalid().len(), decoded + replacement);
            }
        }
        *self = Self { bytes: at, decoded };
        None
    }
}
