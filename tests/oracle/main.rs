//! Random operations over the whole of the public API, against a plain model of the channel.

#[path = "ops.rs"]
mod ops;

use ops::{decode, run};
use proptest::collection::vec;
use proptest::prelude::*;

fn config() -> ProptestConfig {
    let mut config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = 2000;
    }
    config
}

proptest! {
    #![proptest_config(config())]

    /// A case that fails belongs into the corpus of the fuzz target, as bytes.
    #[test]
    fn the_channel_does_what_its_model_does(data in vec(any::<u8>(), 0..800)) {
        let (setup, operations) = decode(&data);
        run(&setup, &operations);
    }
}
