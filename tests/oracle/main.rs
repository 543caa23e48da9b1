//! Random operations over the whole of the public API, against a plain model of the channel.

#[path = "ops.rs"]
mod ops;

use ops::{OPERATION, SETUP, decode, run};
use proptest::collection::vec;
use proptest::prelude::*;
use std::path::Path;
use std::{fmt, fs, thread};

/// Shows the bytes, for the corpus of the fuzz target, and the operations that they stand for.
struct Case(Vec<u8>);

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        let (setup, operations) = decode(&self.0);
        write!(f, "\n{setup:?}")?;
        let mut operations = operations.iter().enumerate();
        operations.try_for_each(|(number, operation)| write!(f, "\n{number:4} {operation:?}"))
    }
}

fn config() -> ProptestConfig {
    let mut config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = 2000;
    }
    config
}

/// Whole operations, so that a case that fails can be made smaller by any one of them.
fn cases() -> impl Strategy<Value = Case> {
    let operations = vec(any::<[u8; OPERATION]>(), 0..200);
    (any::<[u8; SETUP]>(), operations)
        .prop_map(|(setup, operations)| Case([&setup[..], &operations.concat()].concat()))
}

proptest! {
    #![proptest_config(config())]

    /// A case that fails belongs into the corpus of the fuzz target.
    #[test]
    fn the_channel_does_what_its_model_does(case in cases()) {
        let (setup, operations) = decode(&case.0);
        run(&setup, &operations);
    }
}

/// Shows a case when the test fails in the middle of it.
struct Shown(Case);

impl Drop for Shown {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("{:?}", self.0);
        }
    }
}

#[test]
fn what_the_fuzz_target_has_found_stays_found() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/operations");
    // It is no part of the published crate.
    let Ok(entries) = fs::read_dir(&directory) else { return };
    let mut cases = 0;
    for entry in entries {
        cases += 1;
        let case = Shown(Case(fs::read(entry.unwrap().path()).unwrap()));
        let (setup, operations) = decode(&case.0.0);
        run(&setup, &operations);
    }
    assert!(cases > 0, "{directory:?} is empty");
}
