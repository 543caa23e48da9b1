//! A proxy of ours between a client and the server: it cuts connections, and drops single messages.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Which messages from the client to the server are dropped: told by their headers, as text.
type Drops = dyn FnMut(&str) -> bool + Send;

pub(crate) struct Proxy {
    port: u16,
    /// Counts cuts: connections of before are closed.
    cuts: watch::Sender<u64>,
    refuses: Arc<AtomicBool>,
    drops: Arc<Mutex<Box<Drops>>>,
    /// So many answers of an inlet are still to be dropped.
    answers: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Proxy {
    pub(crate) async fn to(server: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a loopback port");
        let port = listener.local_addr().expect("it is bound").port();
        let (cuts, _) = watch::channel(0);
        let refuses = Arc::new(AtomicBool::new(false));
        let drops: Arc<Mutex<Box<Drops>>> = Arc::new(Mutex::new(Box::new(|_: &str| false)));
        let answers = Arc::new(AtomicUsize::new(0));
        let to_be_dropped = Arc::clone(&answers);
        let task = tokio::spawn({
            let (cuts, refuses, drops) = (cuts.clone(), Arc::clone(&refuses), Arc::clone(&drops));
            async move {
                while let Ok((client, _)) = listener.accept().await {
                    if refuses.load(Ordering::SeqCst) {
                        continue;
                    }
                    let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await else {
                        continue;
                    };
                    let (from_client, to_client) = client.into_split();
                    let (from_server, to_server) = server.into_split();
                    let mut cut = cuts.subscribe();
                    let drops = (Arc::clone(&drops), Arc::clone(&to_be_dropped));
                    tokio::spawn(async move {
                        tokio::select! {
                            _ = copy_messages(from_client, to_server, drops) => {}
                            _ = copy(from_server, to_client) => {}
                            _ = cut.changed() => {}
                        }
                    });
                }
            }
        });
        Self { port, cuts, refuses, drops, answers, task }
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) async fn client(&self) -> async_nats::Client {
        overfall_nats::connect(&self.address()).await.expect("the server is up")
    }

    /// Closes all connections, and lets nobody in until `mend`.
    pub(crate) fn cut(&self) {
        self.refuses.store(true, Ordering::SeqCst);
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    pub(crate) fn mend(&self) {
        self.refuses.store(false, Ordering::SeqCst);
    }

    /// Of the answers that an inlet gives, so many do not arrive at the server.
    pub(crate) fn drop_answers(&self, count: usize) {
        self.answers.store(count, Ordering::SeqCst);
    }

    /// How many of them are still to come.
    pub(crate) fn answers_to_be_dropped(&self) -> usize {
        self.answers.load(Ordering::SeqCst)
    }

    /// From now on, messages with such headers do not arrive at the server.
    pub(crate) fn drop_if(&self, drops: impl FnMut(&str) -> bool + Send + 'static) {
        *self.drops.lock().expect("no panic") = Box::new(drops);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}

async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) -> std::io::Result<()> {
    tokio::io::copy(&mut from, &mut to).await.map(|_| ())
}

/// The protocol is lines of text, and `PUB` and `HPUB` have a payload whose length the line ends with.
async fn copy_messages(
    from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    (drops, answers): (Arc<Mutex<Box<Drops>>>, Arc<AtomicUsize>),
) -> std::io::Result<()> {
    let mut from = BufReader::with_capacity(1 << 16, from);
    loop {
        let mut line = Vec::new();
        if from.read_until(b'\n', &mut line).await? == 0 {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&line).into_owned();
        let words: Vec<&str> = text.split_whitespace().collect();
        let is_message = matches!(words.first(), Some(&"PUB" | &"HPUB"));
        if is_message {
            let total: usize = words.last().expect("a length").parse().expect("a length");
            let mut payload = vec![0; total + 2];
            from.read_exact(&mut payload).await?;
            if words[0] == "HPUB" {
                let headers: usize = words[words.len() - 2].parse().expect("a length");
                let headers = String::from_utf8_lossy(&payload[..headers]).into_owned();
                if drops.lock().expect("no panic")(&headers) {
                    continue;
                }
            }
            let is_dropped = |left: usize| left.checked_sub(1);
            if payload == b"overfall\r\n"
                && answers.fetch_update(Ordering::SeqCst, Ordering::SeqCst, is_dropped).is_ok()
            {
                continue;
            }
            line.extend_from_slice(&payload);
        }
        to.write_all(&line).await?;
    }
}
