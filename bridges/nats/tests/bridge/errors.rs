//! Errors say what to do.

use crate::server::{Server, free_port};
use async_nats::jetstream::stream::{Config, DiscardPolicy};
use overfall::Channel;
use overfall_nats::{Advice, ConnectError, Inlet, InletError, Outlet, OutletError};
use std::time::Duration;

fn advice_of(error: OutletError) -> Advice {
    match error {
        OutletError::Engine { advice, .. } | OutletError::Stuck { advice, .. } => advice,
        error => panic!("{error}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_server() {
    let error = overfall_nats::connect(&format!("127.0.0.1:{}", free_port())).await;
    assert!(matches!(error, Err(ConnectError::NoServer { .. })), "{error:?}");

    let mut server = Server::start().await;
    let client = server.client().await;
    server.kill();
    let near = Channel::new(1 << 12);
    let error = Outlet::new(client, "lab.x", near.new_strong_reader()).run().await;
    assert_eq!(advice_of(error.expect_err("no server")), Advice::NoServer);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inlet_that_finds_no_server_does_not_wait_for_one() {
    let mut server = Server::start().await;
    let client = server.client().await;
    server.kill();
    while client.connection_state() == async_nats::connection::State::Connected {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let far = Channel::new(1 << 12);
    for is_durable in [true, false] {
        let mut inlet = match is_durable {
            true => Inlet::durable(client.clone(), "lab.x", "far", far.new_writer()),
            false => Inlet::core(client.clone(), "lab.x", far.new_writer()),
        };
        // Each time.
        for _ in 0..2 {
            let Err(InletError::Engine { advice, .. }) = inlet.run().await else {
                panic!("no server")
            };
            assert_eq!(advice, Advice::NoServer);
        }
        std::mem::forget(inlet);
    }
}

/// What a client keeps without a connection is bounded, and then it stands still.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_server_no_end_waits_for_longer_than_was_said() {
    for is_terminated in [true, false] {
        let mut server = Server::start_with(&[]).await;
        let near = Channel::new(1 << 12);
        let mut outlet = Outlet::new(server.client().await, "lab.x", near.new_weak_reader())
            .batch(0, Duration::ZERO)
            .end_within(Duration::from_millis(100));
        let probe = outlet.probe();
        server.kill();
        let outlet = tokio::spawn(async move { outlet.run().await });
        let mut writer = near.new_writer();
        while probe.stats().refused == 0 {
            writer.send("much").await.expect("a weak reader keeps nobody back");
            tokio::task::yield_now().await;
        }
        if is_terminated {
            near.terminate();
        } else {
            near.drain().expect("it is open");
        }
        let ended = tokio::time::timeout(Duration::from_secs(100), outlet).await;
        let error = ended.expect("it does not hang").expect("no panic").expect_err("no server");
        let OutletError::EndUnanswered { advice, .. } = error else { panic!("{error}") };
        assert_eq!(advice, Advice::NoServer);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_credentials() {
    let server = Server::start_with(&["--user", "ada", "--pass", "secret"]).await;
    let options = async_nats::ConnectOptions::with_user_and_password("ada".into(), "wrong".into());
    let error = overfall_nats::connect_with(options, &server.address()).await;
    assert!(matches!(error, Err(ConnectError::NotAllowed { .. })), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_may_not_do_that() {
    let folder = tempfile::TempDir::new().expect("a temporary folder");
    let file = folder.path().join("server.conf");
    let users = r#"authorization { users = [
        { user: "ada", password: "a" }
        { user: "bob", password: "b", permissions: { publish: ["other.>"], subscribe: ["_INBOX.>"] } }
    ] }"#;
    std::fs::write(&file, users).expect("it is written");
    let server = Server::start_with(&["-js", "-c", file.to_str().expect("a path")]).await;
    let options = async_nats::ConnectOptions::with_user_and_password("bob".into(), "b".into());
    let client = overfall_nats::connect_with(options, &server.address()).await.expect("he may");
    let near = Channel::new(1 << 12);
    let error = Outlet::new(client.clone(), "lab.x", near.new_strong_reader()).run().await;
    let error = error.expect_err("he may not");
    assert!(error.to_string().contains("whether this account may use"), "{error}");
    assert_eq!(advice_of(error), Advice::NoAnswer);

    // Lossily nobody is asked but by heartbeats, and for the end.
    let mut outlet =
        Outlet::new(client, "lab.x", near.new_weak_reader()).end_within(Duration::from_millis(10));
    near.drain().expect("it is open");
    let error = outlet.run().await.expect_err("he may not");
    assert!(error.to_string().contains("whether this account may use"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_stream_and_no_jetstream() {
    let near = Channel::new(1 << 12);
    for (arguments, expected) in [(&["-js"][..], Advice::NoStream), (&[], Advice::NoJetStream)] {
        let server = Server::start_with(arguments).await;
        let client = server.client().await;
        let error = Outlet::new(client.clone(), "lab.x", near.new_strong_reader()).run().await;
        let error = error.expect_err("no stream");
        let text = error.to_string();
        assert_eq!(advice_of(error), expected, "{text}");
        let far = Channel::new(1 << 12);
        let error = Inlet::durable(client, "lab.x", "far", far.new_writer()).run().await;
        let Err(InletError::Engine { advice, .. }) = error else { panic!("{error:?}") };
        assert_eq!(advice, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_throws_away_what_nobody_has_read() {
    let server = Server::start().await;
    let config = Config { max_messages: 10, ..Config::default() };
    let client = server.client().await;
    server.stream_with(config).await;
    let near = Channel::new(1 << 12);
    let error = Outlet::new(client, "lab.x", near.new_strong_reader()).run().await;
    let Err(OutletError::Discards { stream, limits }) = error else { panic!("{error:?}") };
    assert_eq!((&*stream, &*limits), ("lab", "max_messages"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_full_for_too_long_loses_nothing() {
    let server = Server::start().await;
    let config = Config { max_messages: 2, discard: DiscardPolicy::New, ..Config::default() };
    let mut stream = server.stream_with(config.clone()).await;
    let near = Channel::new(1 << 12);
    let mut outlet = Outlet::new(server.client().await, "lab.x", near.new_strong_reader())
        .batch(0, Duration::ZERO)
        .patience(Duration::from_millis(300));
    let mut writer = near.new_writer();
    for number in 0..10u8 {
        writer.try_send([number]).expect("room");
    }
    let error = outlet.run().await.expect_err("it is full");
    assert!(error.to_string().contains("the stream is full"), "{error}");
    assert_eq!(advice_of(error), Advice::StreamFull);
    assert!(outlet.stats().refused > 1);
    assert_eq!(outlet.stats().acknowledged, 1);

    // With room again, the same outlet goes on.
    let larger =
        Config { max_messages: 100, ..stream.info().await.expect("the stream").config.clone() };
    let context = async_nats::jetstream::new(server.client().await);
    context.update_stream(larger).await.expect("updated");
    near.drain().expect("it is open");
    outlet.run().await.expect("answered");
    assert_eq!(outlet.stats().acknowledged, 10);
    let far = Channel::new(1 << 12);
    let mut reader = far.new_strong_reader();
    let mut inlet = Inlet::durable(server.client().await, "lab.x", "far", far.new_writer());
    inlet.run().await.expect("the end");
    for number in 0..10u8 {
        assert_eq!(reader.recv().await.expect("no error").expect("no end"), [number]);
    }
    assert!(reader.missed().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subject_nobody_listens_to() {
    let server = Server::start_with(&[]).await;
    let near = Channel::new(1 << 12);
    let mut outlet = Outlet::new(server.client().await, "lab.x", near.new_weak_reader())
        .heartbeat(Duration::from_millis(20))
        .end_within(Duration::from_millis(200));
    let probe = outlet.probe();
    let running = tokio::spawn(async move { outlet.run().await });
    while probe.stats().unheard < 3 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    near.drain().expect("it is open");
    let error = running.await.expect("no panic").expect_err("nobody listens");
    let OutletError::EndUnanswered { advice, .. } = error else { panic!("{error}") };
    assert_eq!(advice, Advice::NobodyListens);
}

#[tokio::test(flavor = "multi_thread")]
async fn large_messages_are_refused_by_choice() {
    let server = Server::start().await;
    server.stream().await;
    let near = Channel::new(1 << 23);
    let mut outlet =
        Outlet::new(server.client().await, "lab.x", near.new_strong_reader()).refuse_large();
    near.new_writer().try_send(vec![0; 1_100_000]).expect("room");
    let error = outlet.run().await.expect_err("it is too long");
    let OutletError::TooLong { len, limit, position } = error else { panic!("{error}") };
    assert_eq!((len, position), (1_100_000, 0));
    assert!((1_000_000..1_048_576).contains(&limit));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_does_not_fit_into_the_far_ring() {
    let server = Server::start().await;
    server.stream().await;
    let near = Channel::new(1 << 16);
    let client = server.client().await;
    let mut outlet = Outlet::new(client.clone(), "lab.x", near.new_strong_reader());
    near.new_writer().try_send(vec![0; 5000]).expect("room");
    near.drain().expect("it is open");
    outlet.run().await.expect("stored");
    let far = Channel::new(1 << 12);
    let error = Inlet::durable(client, "lab.x", "far", far.new_writer()).run().await;
    let Err(InletError::TooLong { len, max }) = error else { panic!("{error:?}") };
    assert!(len == 5000 && max < 5000);
}
