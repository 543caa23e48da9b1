//! Random operations, beside plain models.

mod cases;

#[cfg(feature = "futures")]
use cases::PULLED;
use cases::{KEPT, OPERATION, RETAINING, SETUP, decode};
use proptest::collection::vec;
use proptest::prelude::*;
use std::path::Path;
use std::{fmt, fs, thread};

/// Shows the bytes, for the corpus of the fuzz target, and the operations that they stand for.
struct Bytes(Vec<u8>);

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        write!(f, "\n{:?}", decode(&self.0))
    }
}

/// Whole operations, so that a case that fails can be made smaller by any one of them.
fn bytes(kind: u8, most: usize) -> impl Strategy<Value = Bytes> {
    let setup = any::<[u8; SETUP]>().prop_map(move |mut setup| {
        setup[0] = kind;
        setup
    });
    let operations = vec(any::<[u8; OPERATION]>(), 0..most);
    (setup, operations)
        .prop_map(|(setup, operations)| Bytes([&setup[..], &operations.concat()].concat()))
}

// A case that fails belongs into the corpus of the fuzz target.
proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_spool_does_what_a_vec_with_the_obvious_rules_does(case in bytes(KEPT, 80)) {
        decode(&case.0).run();
    }

    #[test]
    fn a_spool_with_a_bound_does_what_a_vec_with_the_obvious_rules_does(case in bytes(RETAINING, 120)) {
        decode(&case.0).run();
    }
}

#[cfg(feature = "futures")]
proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_source_is_read_as_the_rules_say(case in bytes(PULLED, 90)) {
        decode(&case.0).run();
    }
}

/// Shows a case when the test fails in the middle of it.
struct Shown(Bytes);

impl Drop for Shown {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("{:?}", self.0);
        }
    }
}

#[test]
fn what_the_fuzz_target_has_found_stays_found() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/spool");
    let mut cases = 0;
    for entry in fs::read_dir(&directory).unwrap() {
        cases += 1;
        let case = Shown(Bytes(fs::read(entry.unwrap().path()).unwrap()));
        decode(&case.0.0).run();
    }
    assert!(cases > 0, "{directory:?} is empty");
}
