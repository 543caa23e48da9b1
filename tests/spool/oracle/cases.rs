//! Random operations on a spool, and on a plain model of it beside.
//!
//! [`decode`] makes operations of any bytes, so that whatever makes bytes can drive this: the tests of
//! `oracle.rs`, and the fuzz target `spool`. [`Case::run`] does them, and panics when the spool is not what
//! the model says.

#[path = "kept.rs"]
mod kept;
#[cfg(feature = "futures")]
#[path = "pulled.rs"]
mod pulled;
#[path = "retaining.rs"]
mod retaining;

use overfall::spool::Growth;

/// So many bytes make a setting.
pub(crate) const SETUP: usize = 8;
/// And so many an operation.
pub(crate) const OPERATION: usize = 4;

// The first byte, modulo `KINDS`, says of which kind the spool is.
pub(crate) const KINDS: u8 = if cfg!(feature = "futures") { 3 } else { 2 };
pub(crate) const KEPT: u8 = 0;
pub(crate) const RETAINING: u8 = 1;
#[cfg(feature = "futures")]
pub(crate) const PULLED: u8 = 2;

/// A spool, and what happens to it.
#[derive(Debug)]
pub(crate) enum Case {
    Kept(kept::Setting, Vec<kept::Op>),
    Retaining(retaining::Setting, Vec<retaining::Op>),
    #[cfg(feature = "futures")]
    Pulled(pulled::Setting, Vec<pulled::Op>),
}

/// Missing bytes are zeros.
pub(crate) fn decode(data: &[u8]) -> Case {
    let (first, rest) = data.split_at(data.len().min(SETUP));
    let setup: [u8; SETUP] = padded(first);
    let chunks = rest.chunks(OPERATION).map(padded);
    match setup[0] % KINDS {
        KEPT => Case::Kept(kept::setting(setup), chunks.map(kept::op).collect()),
        RETAINING => {
            Case::Retaining(retaining::setting(setup), chunks.map(retaining::op).collect())
        }
        #[cfg(feature = "futures")]
        PULLED => {
            let setting = pulled::setting(setup, chunks.clone());
            Case::Pulled(setting, chunks.filter_map(pulled::op).collect())
        }
        other => unreachable!("{other}"),
    }
}

impl Case {
    pub(crate) fn run(self) {
        match self {
            Self::Kept(setting, ops) => kept::run(setting, &ops),
            Self::Retaining(setting, ops) => retaining::run(setting, &ops),
            #[cfg(feature = "futures")]
            Self::Pulled(setting, ops) => pulled::run(setting, &ops),
        }
    }
}

fn padded<const LENGTH: usize>(bytes: &[u8]) -> [u8; LENGTH] {
    let mut padded = [0; LENGTH];
    padded[..bytes.len()].copy_from_slice(bytes);
    padded
}

fn growth([kind, first, more]: [u8; 3]) -> Growth {
    let (size, first) = (1 + usize::from(first % 29), 1 + usize::from(first % 8));
    let max = first + usize::from(more % 30);
    match kind % 4 {
        0 | 1 => Growth::Constant { size },
        2 => Growth::Linear { first, max },
        _ => Growth::Geometric { first, max },
    }
}
