//! Lines are lent from where they are read.

use crate::allocations;
use overfall::Channel;

#[test]
fn lines_are_lent_without_an_allocation_also_those_that_come_in_pieces() {
    let channel = Channel::new(1 << 16);
    let mut writer = channel.new_writer();
    let cut = || overfall::lines::Builder::new().utf8();
    let mut strong = cut().lines(channel.new_strong_reader());
    let mut weak = cut().lines(channel.new_weak_reader());
    let mut round = || {
        writer.try_send(b"a line\r\nanother one\na third").unwrap();
        writer.try_send(b", in pieces\n").unwrap();
        for expected in ["a line", "another one", "a third, in pieces"] {
            assert!(*strong.try_next_line().unwrap().unwrap() == *expected.as_bytes());
            assert!(*weak.try_next_line().unwrap().unwrap() == *expected.as_bytes());
        }
        assert!(strong.try_next_line().is_err() && weak.try_next_line().is_err());
    };
    (0..10).for_each(|_| round());
    assert_eq!(allocations(|| (0..1000).for_each(|_| round())), 0);
}
