//! Ends travel.

use crate::proxy::Proxy;
use crate::server::Server;
use overfall::Channel;
use overfall::error::ReadError;
use overfall_nats::{Advice, Ended, Inlet, InletError, Outlet, OutletError, Remote};
use std::time::Duration;

/// A lossy pair, whose inlet has subscribed.
async fn core_pair(server: &Server, proxy: &Proxy) -> (Outlet, Inlet, Sides) {
    let (near, far) = (Channel::new(1 << 16), Channel::new(1 << 16));
    let reader = far.new_strong_reader();
    let outlet = Outlet::new(proxy.client().await, "lab.end", near.new_weak_reader())
        .heartbeat(Duration::from_millis(30));
    let inlet = Inlet::core(server.client().await, "lab.end", far.new_writer())
        .silence(Duration::from_millis(600));
    (outlet, inlet, Sides { near, reader })
}

struct Sides {
    near: std::sync::Arc<Channel>,
    reader: overfall::StrongReader,
}

/// Runs an inlet, and returns once it is subscribed.
async fn run(
    mut inlet: Inlet,
    server: &Server,
) -> tokio::task::JoinHandle<(Result<Ended, InletError>, Inlet)> {
    let running = tokio::spawn(async move { (inlet.run().await, inlet) });
    let client = server.client().await;
    while client.request("lab.end", "".into()).await.is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    running
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_travels_with_its_text_behind_the_last_message() {
    for is_reliable in [true, false] {
        let server = Server::start().await;
        let (near, far) = (Channel::new(1 << 16), Channel::new(1 << 16));
        let mut reader = far.new_strong_reader();
        let (client, writer) = (server.client().await, far.new_writer());
        let (mut outlet, inlet) = if is_reliable {
            server.stream().await;
            let mut inlet = Inlet::durable(client.clone(), "lab.end", "far", writer);
            let inlet = tokio::spawn(async move { (inlet.run().await, inlet) });
            (Outlet::new(client, "lab.end", near.new_strong_reader()), inlet)
        } else {
            let inlet = run(Inlet::core(client.clone(), "lab.end", writer), &server).await;
            (Outlet::new(client, "lab.end", near.new_weak_reader()), inlet)
        };
        near.new_writer().try_send("the last words").expect("room");
        near.fail("disk on fire").expect("it is open");
        let ended = outlet.run().await.expect("answered");
        assert!(matches!(ended, Ended::Failed(_)), "{ended:?}");
        let (ended, _inlet) = inlet.await.expect("no panic");
        assert!(matches!(ended.expect("the end"), Ended::Failed(_)));
        assert_eq!(reader.recv().await.expect("no error").expect("no end"), b"the last words");
        let Err(ReadError::Failed(failure)) = reader.recv().await else { panic!("a clean end") };
        let error = failure.get_ref().downcast_ref();
        assert_eq!(error, Some(&Remote("disk on fire".to_owned())));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_termination_does_not_queue_behind_a_backlog() {
    let server = Server::start().await;
    server.stream().await;
    let client = server.client().await;
    let near = Channel::new(1 << 16);
    let far = Channel::new(1 << 10);
    let mut outlet = Outlet::new(client.clone(), "lab.end", near.new_strong_reader());
    let probe = outlet.probe();
    let outlet = tokio::spawn(async move { outlet.run().await });
    let mut reader = far.new_strong_reader();
    let mut inlet = Inlet::durable(client.clone(), "lab.end", "far", far.new_writer());
    let arrived = inlet.probe();
    let inlet = tokio::spawn(async move { inlet.run().await });
    let mut writer = near.new_writer();
    for number in 0..5000u64 {
        writer.send(number.to_le_bytes()).await.expect("room");
    }
    while probe.stats().acknowledged < 5000 || arrived.stats().received < 16 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // Nobody reads: the inlet waits for room, before thousands of messages.
    near.terminate();
    assert_eq!(outlet.await.expect("no panic").expect("answered"), Ended::Terminated);
    assert_eq!(inlet.await.expect("no panic").expect("the end"), Ended::Terminated);
    assert!(matches!(reader.recv().await, Err(ReadError::Terminated)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_termination_reaches_an_inlet_that_comes_later_though_another_one_has_answered() {
    let server = Server::start().await;
    let client = server.client().await;
    // This subject alone: a stream that stores the question, too, may be quicker than the inlet.
    let config = async_nats::jetstream::stream::Config {
        name: "end".to_owned(),
        subjects: vec!["lab.end".to_owned()],
        ..Default::default()
    };
    async_nats::jetstream::new(client.clone()).create_stream(config).await.expect("a stream");
    let (near, far) = (Channel::new(1 << 16), Channel::new(1 << 16));
    let mut outlet = Outlet::new(client.clone(), "lab.end", near.new_strong_reader());
    let outlet = tokio::spawn(async move { outlet.run().await });
    let mut reader = far.new_strong_reader();
    let mut inlet = Inlet::durable(client.clone(), "lab.end", "here", far.new_writer());
    let inlet = tokio::spawn(async move { inlet.run().await });
    near.new_writer().try_send("one").expect("room");
    assert_eq!(reader.recv().await.expect("no error").expect("no end"), b"one");
    near.terminate();
    assert_eq!(outlet.await.expect("no panic").expect("answered"), Ended::Terminated);
    assert_eq!(inlet.await.expect("no panic").expect("the end"), Ended::Terminated);

    let far = Channel::new(1 << 16);
    let _reader = far.new_strong_reader();
    let mut later = Inlet::durable(client, "lab.end", "later", far.new_writer())
        .silence(Duration::from_millis(600));
    assert_eq!(later.run().await.expect("the end"), Ended::Terminated);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_termination_is_noticed_by_an_outlet_whose_window_is_full() {
    let server = Server::start().await;
    server.stream().await;
    let proxy = Proxy::to(server.port()).await;
    let near = Channel::new(1 << 16);
    let mut outlet = Outlet::new(proxy.client().await, "lab.end", near.new_strong_reader())
        .window(1)
        .end_within(Duration::from_millis(10));
    let running = tokio::spawn(async move { outlet.run().await });
    proxy.drop_if(|headers| headers.contains("Overfall-Frame"));
    let mut writer = near.new_writer();
    for number in 0..100u8 {
        writer.send([number]).await.expect("room");
    }
    near.terminate();
    let ended = tokio::time::timeout(Duration::from_secs(9), running).await;
    let error = ended.expect("it does not hang").expect("no panic").expect_err("nothing arrives");
    assert!(matches!(error, OutletError::EndUnanswered { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_nobody_answers_is_an_error_on_both_sides() {
    let server = Server::start_with(&[]).await;
    let proxy = Proxy::to(server.port()).await;
    let (outlet, inlet, Sides { near, mut reader }) = core_pair(&server, &proxy).await;
    let inlet = run(inlet, &server).await;
    let mut outlet = outlet.end_within(Duration::from_millis(300));
    near.new_writer().try_send("one").expect("room");
    near.drain().expect("it is open");
    proxy.drop_if(|headers| headers.contains("Overfall-End"));
    let error = outlet.run().await.expect_err("nobody answers");
    let OutletError::EndUnanswered { advice, position, .. } = error else { panic!("{error}") };
    assert_eq!((advice, position), (Advice::NoAnswer, 3));

    let (error, inlet) = inlet.await.expect("no panic");
    let error = error.expect_err("no end came");
    let InletError::Silent { position, .. } = error else { panic!("{error}") };
    assert_eq!(position, 3);
    assert_eq!(reader.recv().await.expect("no error").expect("no end"), b"one");
    drop(inlet);
    let Err(ReadError::Failed(failure)) = reader.recv().await else { panic!("a clean end") };
    let error = failure.get_ref().downcast_ref();
    assert!(matches!(error, Some(InletError::Dropped { position: 3 })), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_to_an_end_that_is_lost_is_given_again() {
    for is_terminated in [false, true] {
        let server = Server::start_with(&[]).await;
        let proxy = Proxy::to(server.port()).await;
        let (near, far) = (Channel::new(1 << 16), Channel::new(1 << 16));
        let mut outlet = Outlet::new(server.client().await, "lab.end", near.new_weak_reader());
        let inlet = Inlet::core(proxy.client().await, "lab.end", far.new_writer());
        let inlet = run(inlet, &server).await;
        proxy.drop_answers(2);
        let expected = if is_terminated {
            near.terminate();
            Ended::Terminated
        } else {
            near.drain().expect("it is open");
            Ended::Drained
        };
        assert_eq!(outlet.run().await.expect("answered"), expected);
        assert_eq!(proxy.answers_to_be_dropped(), 0);
        let (ended, _inlet) = inlet.await.expect("no panic");
        assert_eq!(ended.expect("the end"), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outlet_that_is_dropped_leaves_silence_and_no_clean_end() {
    let server = Server::start_with(&[]).await;
    let proxy = Proxy::to(server.port()).await;
    let (mut outlet, inlet, Sides { near, reader: _reader }) = core_pair(&server, &proxy).await;
    let inlet = run(inlet, &server).await;
    near.new_writer().try_send("one").expect("room");
    let _dropped = tokio::time::timeout(Duration::from_millis(100), outlet.run()).await;
    drop(outlet);
    let (error, _inlet) = inlet.await.expect("no panic");
    assert!(matches!(error.expect_err("no end"), InletError::Silent { position: 3, .. }));
}

/// The stream answers what it stores, and often before an inlet does.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_stores_what_a_lossy_outlet_sends_does_not_answer_for_an_inlet_nor_keep_one_from_it()
 {
    let server = Server::start().await;
    server.stream().await;
    let client = server.client().await;
    for ends_by_itself in [true, false] {
        let (near, far) = (Channel::new(1 << 16), Channel::new(1 << 16));
        let mut reader = far.new_strong_reader();
        let mut inlet = Inlet::core(client.clone(), "lab.end", far.new_writer());
        let arrived = inlet.probe();
        let inlet = tokio::spawn(async move { inlet.run().await });
        let mut outlet = Outlet::new(client.clone(), "lab.end", near.new_weak_reader())
            .heartbeat(Duration::from_millis(20));
        let probe = outlet.probe();
        let outlet = tokio::spawn(async move { outlet.run().await });
        // Nobody listens for a while, perhaps; then somebody does.
        while arrived.stats().epochs == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let (unheard, since) = (probe.stats().unheard, tokio::time::Instant::now());
        near.new_writer().send("one").await.expect("room");
        assert_eq!(reader.recv().await.expect("no error").expect("no end"), b"one");
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(probe.stats().unheard <= unheard + 1, "{:?} {:?}", probe.stats(), since.elapsed());
        let expected = if ends_by_itself {
            near.drain().expect("it is open");
            Ended::Drained
        } else {
            near.terminate();
            Ended::Terminated
        };
        assert_eq!(outlet.await.expect("no panic").expect("answered"), expected);
        assert_eq!(inlet.await.expect("no panic").expect("the end"), expected);
    }

    // Those that have ended answer for theirs alone.
    let near = Channel::new(1 << 16);
    let mut outlet = Outlet::new(client, "lab.end", near.new_weak_reader())
        .end_within(Duration::from_millis(10));
    near.drain().expect("it is open");
    let error = outlet.run().await.expect_err("no inlet is there");
    let OutletError::EndUnanswered { .. } = error else { panic!("{error}") };
}
