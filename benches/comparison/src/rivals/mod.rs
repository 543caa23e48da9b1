//! The rivals, each at its best.

/// `new`: a channel of `T` by its own calls that wait, with room for as many records as fit the ring.
macro_rules! channel {
    ($new:path, $send:ident, $receive:ident $(, T: $Bound:ident)?) => {
        pub(crate) fn new<T: Record $(+ $Bound)?>(
            setup: Setup,
            pack: impl Pack<T>,
        ) -> Ends<impl Sender, impl Receiver> {
            let (sender, receiver) = $new(setup.capacity());
            records(
                (0..setup.writers).map(move |_| sender.clone()),
                [receiver],
                pack,
                |sender, record: T| sender.$send(record).is_ok(),
                |receiver| receiver.$receive().into_iter().next(),
            )
        }
    };
}

/// `tasks`: the same among tasks, one sender and as many receivers as there are.
macro_rules! async_channel {
    ($new:path, $Sender:ident.$send:ident, $Receiver:ident.$receive:ident, |$setup:ident, $receiver:ident| $receivers:expr) => {
        pub(crate) fn tasks<T: Record>(
            $setup: Setup,
            pack: impl Pack<T>,
        ) -> Ends<impl AsyncSender, impl AsyncReceiver> {
            let (sender, $receiver) = $new($setup.capacity());
            Ends::new([(sender, pack)], $receivers)
        }

        impl<T: Record, P: Pack<T>> AsyncSender for ($Sender<T>, P) {
            async fn send(&mut self, message: &[u8]) {
                let sent = self.0.$send((self.1)(message)).await;
                assert!(sent.is_ok(), "the channel is closed");
            }
        }

        impl<T: Record> AsyncReceiver for $Receiver<T> {
            async fn receive(&mut self, sink: &mut Sink) {
                sink.accept(self.$receive().await.into_iter().next().expect("it is open").as_ref());
            }
        }
    };
}

pub(crate) mod async_broadcast;
pub(crate) mod bbqueue;
pub(crate) mod bus;
pub(crate) mod child;
pub(crate) mod crossbeam;
pub(crate) mod crossfire;
pub(crate) mod disruptor;
pub(crate) mod flume;
pub(crate) mod io;
pub(crate) mod kanal;
pub(crate) mod locked_vec;
pub(crate) mod memcpys;
pub(crate) mod nexus;
pub(crate) mod os_pipe;
pub(crate) mod outcry;
pub(crate) mod rtrb;
#[cfg(feature = "selium")]
pub(crate) mod selium;
pub(crate) mod std_mpsc;
pub(crate) mod stream_download;
pub(crate) mod streamcatcher;
pub(crate) mod thingbuf;
pub(crate) mod tokio_broadcast;
pub(crate) mod tokio_mpsc;
pub(crate) mod tokio_process_tools;
