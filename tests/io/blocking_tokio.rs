//! Blocking calls on threads of tokio.

use overfall::pipe;
use overfall_tests::{LIMIT, within};
use std::io::{Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

fn runtimes() -> [Runtime; 2] {
    [
        Builder::new_current_thread().build().unwrap(),
        Builder::new_multi_thread().worker_threads(1).build().unwrap(),
    ]
}

/// Fails with a text where it would stand still.
fn panics<T>(call: impl FnOnce() -> T) {
    let panic = catch_unwind(AssertUnwindSafe(call)).err().expect("it came back");
    let text = panic.downcast_ref::<&str>().map(|text| text.to_string());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap();
    assert!(text.contains("block the current thread"), "{text}");
}

#[test]
fn a_blocking_call_that_would_park_a_thread_of_the_runtime_panics() {
    async fn calls() {
        let (writer, reader) = pipe(64);
        let (mut writer, mut reader) = (writer.blocking(), reader.blocking());
        let soon = Duration::from_secs(1000);
        panics(|| reader.recv().map(drop));
        panics(|| reader.read(&mut [0; 8]));
        panics(|| reader.recv_timeout(soon).map(drop));
        // What can be done at once is done, and nobody waits with a timeout of zero.
        assert!(reader.recv_timeout(Duration::ZERO).is_err());
        writer.write_all(&[1; 64]).unwrap();
        panics(|| writer.send("x"));
        panics(|| writer.reserve(1).map(drop));
        panics(|| writer.write_timeout(b"x", soon));
        assert_eq!(reader.recv().unwrap().unwrap(), [1; 64]);
        writer.send("next").unwrap();
        assert_eq!(reader.recv().unwrap().unwrap(), b"next");
    }
    within(LIMIT, || {
        for runtime in runtimes() {
            runtime.block_on(calls());
            runtime.block_on(async { tokio::spawn(calls()).await.unwrap() });
        }
    });
}

#[test]
fn where_tokio_lets_threads_park_they_wait() {
    within(LIMIT, || {
        for (number, runtime) in runtimes().into_iter().enumerate() {
            let (mut writer, reader) = pipe(64);
            let received = runtime.block_on(async {
                let task = tokio::task::spawn_blocking(move || {
                    let mut reader = reader.blocking();
                    let received = reader.recv().unwrap().map(|message| message.to_vec());
                    (received, reader)
                });
                tokio::task::yield_now().await;
                writer.send("came").await.unwrap();
                task.await.unwrap()
            });
            assert_eq!(received.0.unwrap(), b"came");
            let mut reader = received.1;
            if number == 1 {
                let (mut writer, mut other) = (writer.clone(), reader.clone());
                runtime.block_on(async {
                    let task = tokio::spawn(async move {
                        tokio::task::block_in_place(|| other.recv().map(|one| one.unwrap().len()))
                    });
                    writer.send("in place").await.unwrap();
                    assert_eq!(task.await.unwrap().unwrap(), 8);
                });
                drop(reader.recv().unwrap());
            }
            // A thread that has only entered the runtime drives no task.
            let _entered = runtime.enter();
            assert!(reader.recv_timeout(Duration::from_millis(1)).is_err());
        }
    });
}
