//! Pulls a source on demand, and keeps what comes. Once all is there it moves it into one piece.

use crate::drivers::{Stream, content};
use crate::endpoints::Setup;
use std::io::{Read, Seek, SeekFrom};
use streamcatcher::{Catcher, Config, Finaliser, GrowthStrategy};

impl Stream for Catcher<&'static [u8]> {
    #[inline]
    fn read(&mut self, buffer: &mut [u8]) {
        self.read_exact(buffer).expect("all is there");
    }

    fn rewind(&mut self) {
        Seek::seek(self, SeekFrom::Start(0)).expect("backwards");
    }
}

/// Chunks that grow: with those of 4 KiB that it takes by default, a stream of this length takes minutes.
fn config(hint: Option<usize>) -> Config {
    let chunks = GrowthStrategy::Geometric { start: 64 << 10, max: 4 << 20 };
    Config::new().length_hint(hint).chunk_size(chunks)
}

/// All of one stream, which is there and finalised.
pub(crate) fn readers(
    setup: Setup,
    hint: Option<usize>,
) -> impl Iterator<Item = Catcher<&'static [u8]>> {
    let config = config(hint).spawn_finaliser(Finaliser::InPlace);
    let mut catcher = config.build(content()).expect("it is a right configuration");
    catcher.load_all();
    assert!(catcher.is_finalised());
    (0..setup.readers).map(move |_| catcher.new_handle())
}

/// A source that is read when one of its readers needs it.
pub(crate) fn pulled(
    setup: Setup,
    hint: Option<usize>,
) -> impl FnMut() -> Vec<Catcher<&'static [u8]>> {
    move || {
        let catcher = config(hint).build(content()).expect("it is a right configuration");
        Vec::from_iter((0..setup.readers).map(|_| catcher.new_handle()))
    }
}
