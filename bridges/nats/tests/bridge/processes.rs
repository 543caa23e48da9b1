//! The examples, as processes of their own, one of which is killed.

use crate::proxy::Proxy;
use crate::server::Server;
use futures_util::StreamExt;
use overfall_nats::{Inlet, InletError};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};

fn example(name: &str) -> Command {
    let test = std::env::current_exe().expect("a path");
    let folder: PathBuf = test.ancestors().nth(2).expect("target/debug").join("examples");
    let mut command = Command::new(folder.join(name));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// Numbered lines.
fn lines(name: &str, count: usize) -> Vec<u8> {
    (0..count).flat_map(|number| format!("{name} {number}\n").into_bytes()).collect()
}

async fn finish(child: Child) -> (Vec<u8>, String) {
    let output = child.wait_with_output().await.expect("it ends");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{errors}");
    (output.stdout, errors)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_in_comes_out_in_another_process() {
    let server = Server::start().await;
    server.stream().await;
    let relay_in = example("relay_in").args([&server.address(), "lab.tee", "far"]).spawn();
    let relay_in = relay_in.expect("it starts: `cargo test` builds it");
    let mut relay_out = example("relay_out")
        .args([&server.address(), "lab.tee"])
        .spawn()
        .expect("it starts: `cargo test` builds it");
    let input = lines("line", 200_000);
    let mut stdin = relay_out.stdin.take().expect("a pipe");
    stdin.write_all(&input).await.expect("it reads");
    drop(stdin);
    let (_, errors) = finish(relay_out).await;
    assert!(errors.contains("lag 0, missed 0"), "{errors}");
    let (output, errors) = finish(relay_in).await;
    assert!(output == input, "{errors}");
    assert!(errors.contains("relay_in: missed 0 messages, 0 bytes"), "{errors}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_process_that_is_killed_all_that_was_acknowledged_arrives_once() {
    let server = Server::start().await;
    let mut stream = server.stream().await;
    let relay_in = example("relay_in").args([&server.address(), "lab.tee", "far"]).spawn();
    let relay_in = relay_in.expect("it starts: `cargo test` builds it");

    let mut first = example("relay_out")
        .args([&server.address(), "lab.tee"])
        .spawn()
        .expect("it starts: `cargo test` builds it");
    let input = lines("first", 1_000_000);
    let mut stdin = first.stdin.take().expect("a pipe");
    let half = input.clone();
    // Until it is killed.
    let feed = tokio::spawn(async move {
        let _killed = stdin.write_all(&half).await;
        stdin
    });
    while stream.info().await.expect("the stream").state.messages < 50 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    first.kill().await.expect("it runs");
    drop(feed.await);
    let stored = stream.info().await.expect("the stream").state.messages;

    let mut second = example("relay_out")
        .args([&server.address(), "lab.tee"])
        .spawn()
        .expect("it starts: `cargo test` builds it");
    let again = lines("second", 1000);
    let mut stdin = second.stdin.take().expect("a pipe");
    stdin.write_all(&again).await.expect("it reads");
    drop(stdin);
    finish(second).await;
    let (output, errors) = finish(relay_in).await;
    assert!(errors.contains("without an end"), "{errors}");
    assert!(errors.contains("relay_in: missed 0 messages, 0 bytes"), "{errors}");
    assert!(output.ends_with(&again));
    let of_first = &output[..output.len() - again.len()];
    assert!(input.starts_with(of_first), "what arrived is what was sent first, and once");
    assert!(!of_first.is_empty() && of_first.len() < input.len(), "of {stored} frames");
}

/// Of a lossy one that is killed, what was sent is what the last frame that arrived said.
#[tokio::test(flavor = "multi_thread")]
async fn of_a_lossy_process_that_is_killed_received_and_missed_are_what_it_told_last() {
    let server = Server::start_with(&[]).await;
    let proxy = Proxy::to(server.port()).await;
    let client = server.client().await;
    let far = overfall::Channel::new(1 << 22);
    let mut reader = far.new_strong_reader();
    let mut inlet =
        Inlet::core(client.clone(), "lab.tee", far.new_writer()).silence(Duration::from_secs(3));
    let inlet = tokio::spawn(async move { (inlet.run().await, inlet) });
    while client.request("lab.tee", "".into()).await.is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // It gets what the inlet gets.
    let mut witness = client.subscribe("lab.tee").await.expect("subscribed");
    client.flush().await.expect("the server is up");
    let mut number = 0;
    proxy.drop_if(move |headers| {
        number += usize::from(headers.contains("Overfall-Messages"));
        number % 3 == 1 && headers.contains("Overfall-Messages")
    });
    let mut process = example("relay_out")
        .args([&proxy.address(), "lab.tee", "--weak"])
        .spawn()
        .expect("it starts: `cargo test` builds it");
    let mut stdin = process.stdin.take().expect("a pipe");
    let input = lines("line", 300_000);
    let feed = tokio::spawn(async move {
        for piece in input.chunks(10_000) {
            if stdin.write_all(piece).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    let sent_by = |message: async_nats::Message| {
        let headers = message.headers.expect("all are ours");
        headers.get("Overfall-Sent").expect("it is there").as_str().to_owned()
    };
    let mut sent = String::new();
    for _ in 0..40 {
        sent = sent_by(witness.next().await.expect("no end"));
    }
    process.kill().await.expect("it runs");
    while let Ok(Some(message)) = tokio::time::timeout(Duration::from_secs(1), witness.next()).await
    {
        sent = sent_by(message);
    }
    feed.await.expect("no panic");
    let (ended, _inlet) = inlet.await.expect("no panic");
    assert!(matches!(ended, Err(InletError::Silent { .. })), "{ended:?}");
    let (mut messages, mut bytes) = (0, 0);
    while let Ok(Some(message)) = reader.try_recv() {
        messages += 1;
        bytes += message.len() as u64;
    }
    let missed = reader.missed();
    assert!(missed.messages > 0 && messages > 0, "{missed:?}, {messages} received");
    assert_eq!(format!("{} {}", messages + missed.messages, bytes + missed.bytes), sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn from_a_file_a_process_that_is_killed_again_and_again_makes_one_stream() {
    let server = Server::start().await;
    let mut stream = server.stream().await;
    let relay_in = example("relay_in").args([&server.address(), "lab.tee", "far"]).spawn();
    let relay_in = relay_in.expect("it starts: `cargo test` builds it");
    let folder = tempfile::TempDir::new().expect("a temporary folder");
    let file = folder.path().join("kept");
    let relay_out = |server: &str| {
        let mut command = example("relay_out");
        command.args([server, "lab.tee", "--spool"]).arg(&file);
        command.spawn().expect("it starts: `cargo test` builds it")
    };
    let written = || std::fs::metadata(&file).map_or(0, |file| file.len()) as usize;

    let input = lines("line", 3_000_000);
    let mut last = 0;
    for _ in 0..5 {
        let mut process = relay_out(&server.address());
        let mut stdin = process.stdin.take().expect("a pipe");
        // What the file has of the input is not lost with the process, and not given to the next one again.
        let rest = input[written()..].to_vec();
        let feed = tokio::spawn(async move {
            // Slowly, so that it is killed in the middle.
            for piece in rest.chunks(20_000) {
                if stdin.write_all(piece).await.is_err() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
        let from = stream.info().await.expect("the stream").state.messages;
        while stream.info().await.expect("the stream").state.messages < from + 20 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        process.kill().await.expect("it runs");
        feed.await.expect("no panic");
        assert!(last < written() && written() < input.len(), "it is killed in the middle");
        last = written();
    }
    // This one reads all of its input, and is killed before it has sent it.
    let proxy = Proxy::to(server.port()).await;
    let from = stream.info().await.expect("the stream").state.messages;
    let mut process = relay_out(&proxy.address());
    while stream.info().await.expect("the stream").state.messages == from {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    proxy.cut();
    let mut stdin = process.stdin.take().expect("a pipe");
    stdin.write_all(&input[written()..]).await.expect("it reads");
    drop(stdin);
    while !overfall::spool::Spool::open(&file).expect("it is there").is_finished() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    process.kill().await.expect("it runs");
    finish(relay_out(&server.address())).await;

    let (output, errors) = finish(relay_in).await;
    assert!(output == input, "{} of {} bytes: {errors}", output.len(), input.len());
    assert!(!errors.contains("epoch"), "one epoch, which is not broken: {errors}");
    assert!(errors.contains("relay_in: missed 0 messages, 0 bytes"), "{errors}");
}
