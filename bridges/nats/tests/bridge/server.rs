//! A server of its own for each test, on a loopback port, with its files in a temporary folder.

use async_nats::jetstream::stream::{Config, DiscardPolicy, StorageType};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

pub(crate) struct Server {
    process: Option<Child>,
    port: u16,
    files: TempDir,
    arguments: Vec<String>,
}

/// A port of which nobody knows.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a loopback port");
    listener.local_addr().expect("it is bound").port()
}

impl Server {
    /// With JetStream.
    pub(crate) async fn start() -> Self {
        Self::start_with(&["-js"]).await
    }

    pub(crate) async fn start_with(arguments: &[&str]) -> Self {
        let mut server = Self {
            process: None,
            port: free_port(),
            files: TempDir::new().expect("a temporary folder"),
            arguments: arguments.iter().map(|each| (*each).to_owned()).collect(),
        };
        server.start_again().await;
        server
    }

    /// On the same port, with the same files.
    pub(crate) async fn start_again(&mut self) {
        let program = std::env::var_os("OVERFALL_NATS_SERVER");
        let process = Command::new(program.unwrap_or_else(|| "nats-server".into()))
            .args(["-a", "127.0.0.1", "-p", &self.port.to_string()])
            .arg("-sd")
            .arg(self.files.path())
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nats-server starts: ci/bridge installs it");
        self.process = Some(process);
        while tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// At once, as by a crash.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("it runs");
            process.wait().expect("it was killed");
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) async fn client(&self) -> async_nats::Client {
        overfall_nats::connect(&self.address()).await.expect("the server is up")
    }

    /// A stream on file for the subject `lab.>`, that refuses what is new when it is full.
    pub(crate) async fn stream(&self) -> async_nats::jetstream::stream::Stream {
        self.stream_with(Config { discard: DiscardPolicy::New, ..Config::default() }).await
    }

    pub(crate) async fn stream_with(
        &self,
        config: Config,
    ) -> async_nats::jetstream::stream::Stream {
        let config = Config {
            name: "lab".to_owned(),
            subjects: vec!["lab.>".to_owned()],
            storage: StorageType::File,
            ..config
        };
        let context = async_nats::jetstream::new(self.client().await);
        context.create_stream(config).await.expect("a stream")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
