//! What programs are told by `tracing` and `metrics`, and the names of writers.

use crate::proxy::Proxy;
use crate::server::Server;
use overfall::Channel;
use overfall_nats::{Inlet, Outlet};
use std::fmt::{Debug, Write};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Keeps each event of the bridge as a line of text.
struct Lines;

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.0.insert_str(0, &format!("{value:?}"));
        } else {
            write!(self.0, " {}={value:?}", field.name()).expect("a String grows");
        }
    }
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("overfall_nats")
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        LINES.lock().expect("no panic").push(line.0);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// One for the whole process; other tests are told from this one by their subjects.
fn listen() {
    static ONE: OnceLock<()> = OnceLock::new();
    ONE.get_or_init(|| tracing::subscriber::set_global_default(Lines).expect("the only one"));
}

/// What the last event with this text and this subject says of a field.
fn told(text: &str, field: &str) -> Option<u64> {
    let lines = LINES.lock().expect("no panic");
    let line = lines.iter().rfind(|line| line.starts_with("figures") && line.contains(text))?;
    let (_, value) = line.split_once(&format!(" {field}="))?;
    value.split(' ').next()?.parse().ok()
}

#[cfg(feature = "metrics")]
mod exporter {
    use metrics::{
        Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
    };
    use std::collections::BTreeMap;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::{Arc, Mutex, OnceLock};

    /// Gauges as the bits of their value.
    static GAUGES: Mutex<BTreeMap<String, Arc<AtomicU64>>> = Mutex::new(BTreeMap::new());

    struct Exporter;

    impl Recorder for Exporter {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
            unreachable!("there is none")
        }

        fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
            let channel = key.labels().next().expect("a label").value();
            let name = format!("{} of {channel}", key.name());
            Gauge::from_arc(GAUGES.lock().expect("no panic").entry(name).or_default().clone())
        }

        fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
            unreachable!("there is none")
        }
    }

    pub(super) fn install() {
        static ONE: OnceLock<()> = OnceLock::new();
        ONE.get_or_init(|| metrics::set_global_recorder(Exporter).expect("the only one"));
    }

    pub(super) fn gauge(name: &str, channel: &str) -> Option<u64> {
        let gauges = GAUGES.lock().expect("no panic");
        let bits = gauges.get(&format!("overfall_nats_{name} of {channel}"))?;
        Some(f64::from_bits(bits.load(Ordering::Relaxed)) as u64)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_are_told_as_events_and_as_metrics() {
    listen();
    #[cfg(feature = "metrics")]
    exporter::install();
    let server = Server::start().await;
    server.stream().await;
    let proxy = Proxy::to(server.port()).await;
    let near = Channel::with_parameters(1 << 12, overfall::Backpressure::Drop);
    let far = Channel::new(1 << 16);
    let mut reader = far.new_strong_reader();
    let client = proxy.client().await;
    let mut inlet = Inlet::durable(client.clone(), "lab.told", "far", far.new_writer())
        .redeliver_after(Duration::from_millis(700));
    let inlet = tokio::spawn(async move { (inlet.run().await, inlet) });
    let mut outlet = Outlet::new(client, "lab.told", near.new_strong_reader());
    let mut writer = near.new_writer();
    // The ring takes 64 of these, and drops the others.
    for number in 0..100u8 {
        writer.send([number]).await.expect("it drops");
    }
    let outlet = tokio::spawn(async move { (outlet.run().await, outlet) });
    for number in 0..64u8 {
        assert_eq!(reader.recv().await.expect("no error").expect("no end"), [number]);
    }
    proxy.cut();
    proxy.mend();
    near.drain().expect("it is open");
    let (ended, outlet) = outlet.await.expect("no panic");
    ended.expect("answered");
    let (ended, inlet) = inlet.await.expect("no panic");
    ended.expect("the end");
    let (out, into) = (outlet.stats(), inlet.stats());
    assert_eq!((out.published, out.acknowledged, out.in_flight, out.missed), (64, 64, 0, 36));
    assert_eq!((into.received, into.missed), (64, 36));
    assert!(out.reconnects > 0 && into.reconnects > 0, "{out:?} {into:?}");

    for (field, value) in [
        ("published", 64),
        ("acknowledged", 64),
        ("in_flight", 0),
        ("refused", out.refused),
        ("missed", 36),
        ("reconnects", out.reconnects),
    ] {
        assert_eq!(told("channel=\"lab.told\" published=", field), Some(value), "{field}");
        #[cfg(feature = "metrics")]
        assert_eq!(exporter::gauge(&format!("outlet_{field}"), "lab.told"), Some(value), "{field}");
    }
    for (field, value) in [("received", 64), ("missed", 36), ("reconnects", into.reconnects)] {
        assert_eq!(told("channel=\"lab.told\" received=", field), Some(value), "{field}");
        #[cfg(feature = "metrics")]
        assert_eq!(exporter::gauge(&format!("inlet_{field}"), "lab.told"), Some(value), "{field}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_have_their_names_on_the_far_side() {
    for is_reliable in [true, false] {
        let server = Server::start().await;
        let client = server.client().await;
        let (near, far) = (Channel::new(1 << 16), Channel::new(1 << 16));
        let mut reader = far.new_strong_reader();
        let (mut outlet, mut inlet) = if is_reliable {
            server.stream().await;
            let inlet = Inlet::durable(client.clone(), "lab.names", "far", far.new_writer());
            (Outlet::new(client.clone(), "lab.names", near.new_strong_reader()), inlet)
        } else {
            let inlet = Inlet::core(client.clone(), "lab.names", far.new_writer());
            (Outlet::new(client.clone(), "lab.names", near.new_weak_reader()), inlet)
        };
        outlet = outlet.heartbeat(Duration::from_millis(30));
        let epochs = inlet.probe();
        let inlet = tokio::spawn(async move { inlet.run().await });
        let outlet = tokio::spawn(async move { outlet.run().await });
        while epochs.stats().epochs == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let names = ["roof sensor; 7 % of all", "K\u{fc}che\n", "", "plain"];
        let mut writers = names.map(|_| near.new_writer());
        let mut unnamed = near.new_writer();
        for (writer, name) in writers.iter().zip(names) {
            writer.set_name(name);
        }
        for (index, writer) in writers.iter_mut().chain([&mut unnamed]).enumerate() {
            writer.send([index as u8]).await.expect("room");
        }
        let mut locals = Vec::new();
        for index in 0..5u8 {
            let message = reader.recv().await.expect("no error").expect("no end");
            assert_eq!(message, [index]);
            let writer = message.header().writer;
            drop(message);
            // It is there with the message.
            let name = reader.writer_name(writer);
            assert_eq!(name.as_deref(), names.get(usize::from(index)).copied());
            locals.push(writer);
        }
        // Who gets another name later has it later.
        writers[3].set_name("renamed");
        unnamed.set_name("named");
        for (local, name) in [(locals[3], "renamed"), (locals[4], "named")] {
            while reader.writer_name(local).as_deref() != Some(name) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        near.drain().expect("it is open");
        outlet.await.expect("no panic").expect("answered");
        inlet.await.expect("no panic").expect("the end");
    }
}
