//! Pulls a source on demand, and keeps what comes. Once all is there it moves it into one piece.

use crate::drivers::{Stream, content};
use crate::endpoints::Setup;
use std::io::{Read, Seek, SeekFrom};
use streamcatcher::{Catcher, Config, Finaliser};

impl Stream for Catcher<&'static [u8]> {
    #[inline]
    fn read(&mut self, buffer: &mut [u8]) {
        self.read_exact(buffer).expect("all is there");
    }

    fn rewind(&mut self) {
        Seek::seek(self, SeekFrom::Start(0)).expect("backwards");
    }
}

/// All of one stream, which is there and finalised.
pub(crate) fn readers(
    setup: Setup,
    hint: Option<usize>,
) -> impl Iterator<Item = Catcher<&'static [u8]>> {
    let config = Config::new().length_hint(hint).spawn_finaliser(Finaliser::InPlace);
    let mut catcher = config.build(content()).expect("it is a right configuration");
    catcher.load_all();
    assert!(catcher.is_finalised());
    (0..setup.readers).map(move |_| catcher.new_handle())
}
