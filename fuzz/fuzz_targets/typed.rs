//! Hostile bytes on a ring that is read as values: whatever passes for one can be looked at, all of
//! it, and a value that is sent between them comes back as it was.
//!
//! Run it with `ci/fuzz`. The first byte says where to cut the rest into messages.
#![no_main]

use libfuzzer_sys::fuzz_target;
use overfall::typed::{Reader, TryRecvError, Writer};
use rkyv::{Archive, Deserialize, Serialize};
use std::collections::BTreeMap;
use std::rc::Rc;

#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
enum Event {
    Empty,
    Sample { number: u64, values: Vec<f32>, is_new: bool },
    Text { text: String, initial: Option<char>, tags: BTreeMap<String, Box<[u16]>> },
    Shared(Rc<str>, Rc<[u8]>),
}

fn events() -> [Event; 4] {
    let text = "a value among others";
    [
        Event::Empty,
        Event::Sample { number: 7, values: vec![1.0, 2.0], is_new: true },
        Event::Text {
            text: text.into(),
            initial: text.chars().next(),
            tags: BTreeMap::from([("tag".to_string(), [1, 2].into())]),
        },
        Event::Shared(text.into(), text.as_bytes().into()),
    ]
}

fuzz_target!(|data: &[u8]| {
    let Some((&cut, hostile)) = data.split_first() else { return };
    let channel = overfall::Channel::new(1 << 16);
    let mut bytes = channel.new_strong_writer();
    let mut values = Writer::<Event>::new(channel.new_strong_writer());
    let mut strong = Reader::<Event, _>::new(channel.new_strong_reader());
    let mut weak = Reader::<Event, _>::new(channel.new_weak_reader());
    let length = (hostile.len() * usize::from(cut) / 255).clamp(1, 1 << 12);
    for (number, message) in hostile.chunks(length).take(64).enumerate() {
        let event = &events()[number % 4];
        bytes.try_send(message).unwrap();
        values.try_send(event).unwrap();
        match strong.try_recv() {
            Ok(Some(received)) => {
                // It need not be what anybody sent, only in order.
                let _what_it_is = received.deserialize().map(|event| format!("{event:?}"));
            }
            Ok(None) => panic!("this is not the end"),
            Err(error) => assert!(matches!(error, TryRecvError::Invalid(_)), "{error}"),
        }
        let hostile = weak.try_recv();
        assert!(matches!(hostile, Ok(Some(_)) | Err(TryRecvError::Invalid(_))));
        drop(hostile);
        for received in [strong.try_recv().unwrap(), weak.try_recv().unwrap()] {
            assert_eq!(&received.unwrap().deserialize().unwrap(), event);
        }
    }
});
