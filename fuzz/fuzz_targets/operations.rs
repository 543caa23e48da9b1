//! Random operations over the public API against a plain model: the driver of `tests/oracle`.
//!
//! Run it with `ci/fuzz`. An input that fails is shown, as operations, by the oracle's test once it
//! lies in `corpus/operations`; it stays there.
#![no_main]

#[path = "../../tests/oracle/ops.rs"]
mod ops;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let (setup, operations) = ops::decode(data);
    ops::run(&setup, &operations);
});
