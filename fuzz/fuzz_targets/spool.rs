//! Random operations on spools against plain models: the cases of `tests/spool/oracle`.
//!
//! Run it with `ci/fuzz`. An input that fails is shown, as operations, by the oracle's test once it
//! lies in `corpus/spool`; it stays there.
#![no_main]

#[path = "../../tests/spool/oracle/cases.rs"]
mod cases;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| cases::decode(data).run());
