//! The feature `metrics`: what an exporter is told of a channel.

use metrics::{
    Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
    with_local_recorder,
};
use overfall::{Backpressure, Channel, ChannelMetrics};
use overfall_tests::block_on;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// An exporter that keeps everything that it is told.
#[derive(Default)]
struct Exporter {
    described: Mutex<BTreeMap<String, (&'static str, Unit)>>,
    /// By name and labels, as `name{label=value}`. Gauges as the bits of their value.
    counters: Mutex<BTreeMap<String, Arc<AtomicU64>>>,
    gauges: Mutex<BTreeMap<String, Arc<AtomicU64>>>,
}

fn full_name(key: &Key) -> String {
    let labels: Vec<String> =
        key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
    format!("{}{{{}}}", key.name(), labels.join(","))
}

impl Exporter {
    fn describe(
        &self,
        kind: &'static str,
        key: KeyName,
        unit: Option<Unit>,
        description: SharedString,
    ) {
        assert!(!description.is_empty());
        let name = key.as_str().to_owned();
        self.described.lock().unwrap().insert(name, (kind, unit.expect("a unit")));
    }

    /// The value of each counter and gauge of the channel `name`, without the prefix of all names.
    fn values(&self, labels: &str) -> BTreeMap<String, u64> {
        let suffix = format!("{{{labels}}}");
        let of_channel = |name: &str| {
            let name = name.strip_suffix(&suffix)?.strip_prefix("overfall_")?;
            Some(name.to_owned())
        };
        let counters = self.counters.lock().unwrap();
        let gauges = self.gauges.lock().unwrap();
        let counters = counters
            .iter()
            .filter_map(|(name, value)| Some((of_channel(name)?, value.load(Ordering::Relaxed))));
        let gauges = gauges.iter().filter_map(|(name, value)| {
            Some((of_channel(name)?, f64::from_bits(value.load(Ordering::Relaxed)) as u64))
        });
        counters.chain(gauges).collect()
    }
}

impl Recorder for Exporter {
    fn describe_counter(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.describe("counter", key, unit, description);
    }

    fn describe_gauge(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.describe("gauge", key, unit, description);
    }

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {
        unreachable!("there is none");
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let mut counters = self.counters.lock().unwrap();
        Counter::from_arc(counters.entry(full_name(key)).or_default().clone())
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        let mut gauges = self.gauges.lock().unwrap();
        Gauge::from_arc(gauges.entry(full_name(key)).or_default().clone())
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        unreachable!("there is none");
    }
}

fn named(name: &str, size: usize) -> Arc<Channel> {
    let builder = Channel::builder().size(size).backpressure(Backpressure::Drop);
    builder.name(name).build().unwrap()
}

#[track_caller]
fn assert_values(exporter: &Exporter, labels: &str, expected: &[(&str, u64)]) {
    let values = exporter.values(labels);
    for &(name, value) in expected {
        assert_eq!(values.get(name), Some(&value), "{name} of {values:?}");
    }
}

#[test]
fn each_metric_has_its_name_kind_unit_and_value() {
    let exporter = Exporter::default();
    with_local_recorder(&exporter, || {
        let channel = named("orders", 512);
        let mut writer = channel.new_strong_writer();
        let _weak_writers = [(); 2].map(|()| channel.new_weak_writer());
        let mut slow = channel.new_strong_reader();
        let [mut tap, _second, _third] = [(); 3].map(|()| channel.new_weak_reader());
        let mut metrics = channel.metrics();
        // Each takes two of the eight granules.
        (0..4).for_each(|_| writer.try_send(&[0; 100]).unwrap());
        assert_eq!(slow.try_read(&mut [0; 200]), Ok(200));
        writer.try_send(&[0; 100]).unwrap();
        // This one takes four, and two are left.
        block_on(writer.send(&[0; 200])).unwrap();
        assert!(tap.try_read(&mut [0; 300]).is_err(), "it has lagged");
        assert!(metrics.record());

        let expected = [
            ("payload_bytes", "counter", Unit::Bytes, 500),
            ("ring_bytes", "counter", Unit::Bytes, 640),
            ("slices", "counter", Unit::Count, 5),
            ("dropped_bytes", "counter", Unit::Bytes, 200),
            ("dropped_slices", "counter", Unit::Count, 1),
            ("skipped_ring_bytes", "counter", Unit::Bytes, 128),
            ("capacity_bytes", "gauge", Unit::Bytes, 512),
            ("unread_bytes", "gauge", Unit::Bytes, 384),
            ("strong_writers", "gauge", Unit::Count, 1),
            ("weak_writers", "gauge", Unit::Count, 2),
            ("strong_readers", "gauge", Unit::Count, 1),
            ("weak_readers", "gauge", Unit::Count, 3),
            ("failed", "gauge", Unit::Count, 0),
        ];
        let values = exporter.values("channel=orders");
        let described = exporter.described.lock().unwrap();
        for (name, kind, unit, value) in expected {
            assert_eq!(values.get(name), Some(&value), "{name} of {values:?}");
            assert_eq!(described.get(&format!("overfall_{name}")), Some(&(kind, unit)), "{name}");
        }
        // And there are no others.
        let names: BTreeSet<_> = expected.iter().map(|(name, ..)| (*name).to_owned()).collect();
        assert_eq!(values.into_keys().collect::<BTreeSet<_>>(), names);
        assert_eq!(described.len(), names.len());
    });
}

#[test]
fn a_channel_that_failed_is_recorded_as_one() {
    let exporter = Exporter::default();
    with_local_recorder(&exporter, || {
        let channel = named("failing", 64);
        let mut metrics = channel.metrics();
        channel.fail("out of paper").unwrap();
        metrics.record();
        assert_values(&exporter, "channel=failing", &[("failed", 1)]);
    });
}

#[test]
fn counters_go_on_and_gauges_follow() {
    let exporter = Exporter::default();
    with_local_recorder(&exporter, || {
        let channel = named("steps", 1024);
        let (mut writer, mut reader) = (channel.new_writer(), channel.new_strong_reader());
        let mut metrics = channel.metrics();
        metrics.record();
        assert_values(&exporter, "channel=steps", &[("payload_bytes", 0), ("unread_bytes", 0)]);
        for total in [10, 20, 30] {
            writer.try_send(&[0; 10]).unwrap();
            metrics.record();
            // Nothing happened since: nothing is counted again.
            metrics.record();
            let expected = [("payload_bytes", total), ("unread_bytes", 64 * total / 10)];
            assert_values(&exporter, "channel=steps", &expected);
        }
        assert_eq!(reader.try_read(&mut [0; 20]), Ok(20));
        metrics.record();
        assert_values(&exporter, "channel=steps", &[("payload_bytes", 30), ("unread_bytes", 64)]);
        drop(reader);
        metrics.record();
        assert_values(&exporter, "channel=steps", &[("strong_readers", 0), ("unread_bytes", 0)]);
    });
}

#[test]
fn the_slowest_strong_reader_tells_how_full_the_ring_is() {
    let exporter = Exporter::default();
    with_local_recorder(&exporter, || {
        let channel = named("full", 256);
        let mut writer = channel.new_writer();
        let (mut quick, _slow) = (channel.new_strong_reader(), channel.new_strong_reader());
        let _tap = channel.new_weak_reader();
        (0..4).for_each(|_| writer.try_send(&[0; 64]).unwrap());
        assert_eq!(quick.try_read(&mut [0; 256]), Ok(256));
        channel.metrics().record();
        let expected = [("unread_bytes", 256), ("capacity_bytes", 256)];
        assert_values(&exporter, "channel=full", &expected);
    });
}

#[test]
fn channels_are_told_apart_by_their_names_and_counters_of_one_name_add_up() {
    let exporter = Exporter::default();
    with_local_recorder(&exporter, || {
        let channels =
            [named("one", 256), named("same", 256), named("same", 512), Channel::new(128)];
        for (bytes, channel) in (1..).zip(&channels) {
            let _reader = channel.new_strong_reader();
            channel.new_writer().try_send(&vec![0; bytes]).unwrap();
            channel.metrics().record();
        }
        assert_values(&exporter, "channel=one", &[("payload_bytes", 1), ("capacity_bytes", 256)]);
        assert_values(&exporter, "channel=same", &[("payload_bytes", 5), ("capacity_bytes", 512)]);
        assert_values(&exporter, "", &[("payload_bytes", 4), ("capacity_bytes", 128)]);
    });
}

#[test]
fn a_recorder_does_not_keep_the_channel_open_and_records_its_end() {
    let exporter = Exporter::default();
    with_local_recorder(&exporter, || {
        let channel = named("ends", 256);
        let mut metrics = channel.metrics();
        let (mut writer, mut reader) = (channel.new_writer(), channel.new_strong_reader());
        drop(channel);
        writer.try_send(b"last").unwrap();
        assert!(metrics.record());
        drop(writer);
        assert!(metrics.record(), "there is something to read");
        assert_eq!(reader.try_read(&mut [0; 8]), Ok(4));
        assert_eq!(reader.try_read(&mut [0; 8]), Ok(0));
        drop(reader);
        assert!(!metrics.record());
        let expected =
            [("payload_bytes", 4), ("strong_writers", 0), ("strong_readers", 0), ("slices", 1)];
        assert_values(&exporter, "channel=ends", &expected);
    });
}

#[test]
fn an_exporter_that_comes_later_gets_what_happens_from_then_on() {
    let channel = named("late", 256);
    let _reader = channel.new_strong_reader();
    let mut writer = channel.new_writer();
    let mut metrics = channel.metrics();
    writer.try_send(b"before").unwrap();
    metrics.record();
    writer.try_send(b"then").unwrap();
    let exporter = Exporter::default();
    with_local_recorder(&exporter, || metrics.record());
    let expected = [("payload_bytes", 4), ("capacity_bytes", 256), ("unread_bytes", 128)];
    assert_values(&exporter, "channel=late", &expected);
}

#[test]
fn a_recorder_may_go_to_the_thread_with_the_timer() {
    fn sent<T: Send + Sync + std::fmt::Debug + 'static>() {}
    sent::<ChannelMetrics>();
    let text = format!("{:?}", named("orders", 64).metrics());
    assert!(text.contains("ChannelMetrics") && text.contains("orders"), "{text}");
}
