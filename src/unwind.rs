//! Endpoints go into `catch_unwind` as they are.
//!
//! The compiler cannot tell: rings are made of atomics and of cells, messages and slices borrow their
//! endpoint mutably. So it is said here, for all types at once, and this is why it is right. A panic
//! that unwinds through a call of ours is one of two kinds.
//!
//! - *Code of others*, which we call: wakers, subscribers of `tracing`, `Serialize` of a value, the
//!   future of `send_or_drop`. It runs where the caller's state, and that of the channel, is in order
//!   (`wait/panics.rs`, and `tests/wait/wakers`). What it interrupts has happened as a whole or not at
//!   all: a message was sent, or its slice is given up by the destructor of its reservation.
//! - *A check of ours*, such as that of `consume`. It comes before anything is changed.
//!
//! And what unwinds through the caller's own code, with a message, a batch or a slice in hand, runs the
//! destructors of these: the message was received, the slice is given up. Then the endpoint goes on as
//! after any other call. A reader that was to receive more, or a half-written record, is the caller's
//! matter, as with any channel.

use crate::channel::owned_slice::OwnedSlice;
use crate::channel::reader::message::{Joined, Joiner, Message, Messages, MessagesIter};
use crate::channel::reader::peek::Peeked;
use crate::channel::reader::{Reader, StrongReader, WeakReader, Window};
use crate::channel::shared::Shared;
use crate::channel::waiting::{Attended, Closed, Flushed, Waiting};
use crate::channel::writer::slice::Slice;
use crate::channel::writer::{StrongWriter, WeakWriter, Writer};
use crate::channel::{Builder, Channel, WeakChannel};
use crate::io::{Blocking, Duplex, LineWriter};
use std::panic::{RefUnwindSafe, UnwindSafe};

/// Both, for types, and for types of an endpoint that are as safe as that.
macro_rules! unwind_safe {
    ($($type:ty),* $(,)?) => {$(
        impl UnwindSafe for $type {}
        impl RefUnwindSafe for $type {}
        const _: () = asserts::<$type>();
    )*};
    (of an endpoint: $($type:ident),* $(,)?) => {$(
        impl<E: UnwindSafe> UnwindSafe for $type<E> {}
        impl<E: RefUnwindSafe> RefUnwindSafe for $type<E> {}
    )*};
}

#[allow(dead_code, reason = "Rust 1.85 does not see that the constants use it")]
const fn asserts<T: UnwindSafe + RefUnwindSafe>() {}

unwind_safe!(
    // With it handles, also those that look on, and the futures that wait for others.
    Shared,
    Channel,
    Builder,
    StrongWriter,
    WeakWriter,
    Writer,
    StrongReader,
    WeakReader,
    Reader,
    Slice<'_>,
    Message<'_>,
    Peeked<'_>,
    Window<'_>,
    Messages<'_>,
    MessagesIter<'_>,
    Joiner,
    Joined<'_>,
    Duplex,
);
unwind_safe!(of an endpoint: Blocking, OwnedSlice);

#[cfg(feature = "metrics")]
unwind_safe!(crate::channel::ChannelMetrics);

#[cfg(feature = "lines")]
mod of_lines {
    use super::*;
    use crate::lines::Lines;

    unwind_safe!(of an endpoint: Lines);
    const _: () = asserts::<Blocking<Lines<Reader>>>();
}

#[cfg(all(feature = "process", unix, not(overfall_loom)))]
mod of_processes {
    use super::*;
    use crate::process::{Child, Consumer, LineWatch, Running};

    unwind_safe!(Child, Running, LineWatch);
    // A result that was not fetched is not looked at again after a panic of its task.
    impl<T> UnwindSafe for Consumer<T> {}
    impl<T> RefUnwindSafe for Consumer<T> {}
    const _: () = asserts::<Consumer<u8>>();
}

#[cfg(feature = "futures")]
mod of_futures {
    use super::*;
    use crate::channel::endpoint::Writes;
    use crate::io::{MessageSink, MessageStream, OwnedMessage};

    unwind_safe!(OwnedMessage);
    unwind_safe!(of an endpoint: MessageStream);
    impl<W: Writes + UnwindSafe> UnwindSafe for MessageSink<W> {}
    impl<W: Writes + RefUnwindSafe> RefUnwindSafe for MessageSink<W> {}
    const _: () = asserts::<(MessageStream<Reader>, MessageSink<Writer>)>();
}

#[cfg(feature = "rkyv")]
mod of_values {
    use super::*;
    use crate::typed;

    // Values are not kept, only their types are known.
    impl<T> UnwindSafe for typed::Channel<T> {}
    impl<T> RefUnwindSafe for typed::Channel<T> {}
    impl<T, R: UnwindSafe> UnwindSafe for typed::Reader<T, R> {}
    impl<T, R: RefUnwindSafe> RefUnwindSafe for typed::Reader<T, R> {}
    impl<T, W: UnwindSafe> UnwindSafe for typed::Writer<T, W> {}
    impl<T, W: RefUnwindSafe> RefUnwindSafe for typed::Writer<T, W> {}
    impl<T> UnwindSafe for typed::Received<'_, T> {}
    impl<T> RefUnwindSafe for typed::Received<'_, T> {}
    impl<T> UnwindSafe for typed::Values<'_, T> {}
    impl<T> RefUnwindSafe for typed::Values<'_, T> {}
    impl<T> UnwindSafe for typed::ValuesIter<'_, T> {}
    impl<T> RefUnwindSafe for typed::ValuesIter<'_, T> {}
    const _: () = asserts::<(typed::Values<'_, u8>, typed::ValuesIter<'_, u8>)>();
    const _: () = asserts::<(typed::Channel<u8>, typed::Received<'_, u8>)>();
    const _: () = asserts::<(typed::Reader<u8>, typed::Writer<u8>)>();
    const _: () =
        asserts::<(typed::Reader<u8, Blocking<Reader>>, typed::Writer<u8, Blocking<Writer>>)>();
}

const _: () = asserts::<(Blocking<Reader>, Blocking<Writer>, Blocking<Duplex>)>();
const _: () = asserts::<(LineWriter<Writer>, OwnedSlice<Writer>)>();
const _: () = asserts::<(WeakChannel, Blocking<WeakChannel>)>();
const _: () = asserts::<(Waiting<Closed>, Waiting<Attended>, Waiting<Flushed>)>();

#[cfg(all(feature = "futures", feature = "rkyv"))]
mod of_streams_of_values {
    use super::*;
    use crate::channel::endpoint::Writes;
    use crate::typed::{ValueSink, ValueStream};

    impl<T, R: UnwindSafe> UnwindSafe for ValueStream<T, R> {}
    impl<T, R: RefUnwindSafe> RefUnwindSafe for ValueStream<T, R> {}
    impl<T, W: Writes + UnwindSafe> UnwindSafe for ValueSink<T, W> {}
    impl<T, W: Writes + RefUnwindSafe> RefUnwindSafe for ValueSink<T, W> {}
    const _: () = asserts::<(ValueStream<u8, Reader>, ValueSink<u8, Writer>)>();
}
