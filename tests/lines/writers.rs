//! Several writers in one ring: the lines of each are cut for themselves.

use overfall::lines::{Builder, End, LineError, Lines};
use overfall::{Channel, Reader, StrongReader, WeakReader};

#[test]
fn a_writer_does_not_end_the_line_that_another_has_begun() {
    let writes: [(usize, &str); 3] = [(0, "Hel"), (1, "warn\n"), (0, "lo\n")];
    // For every way to split the three writes.
    for splits in 0..3 * 5 * 3 {
        let at = [splits % 3, splits / 3 % 5, splits / 15];
        let channel = Channel::new(4096);
        let mut lines = Lines::new(channel.new_strong_reader());
        let mut writers = [channel.new_writer(), channel.new_writer()];
        for (&(writer, text), at) in writes.iter().zip(at) {
            let (first, rest) = text.split_at(at);
            writers[writer].try_send(first).unwrap();
            writers[writer].try_send(rest).unwrap();
        }
        let ids = writers.each_ref().map(|writer| writer.id());
        let line = lines.try_next_line().unwrap().unwrap();
        assert_eq!((&*line.text(), line.writer()), ("warn", ids[1]));
        let line = lines.try_next_line().unwrap().unwrap();
        assert_eq!((&*line.text(), line.writer()), ("Hello", ids[0]));
        assert!(matches!(lines.try_next_line(), Err(LineError::Empty)));
    }
}

#[test]
fn limits_half_characters_and_last_lines_are_those_of_one_writer() {
    let channel = Channel::new(4096);
    let mut lines = Builder::new().longest(4).lines(channel.new_strong_reader());
    let mut writers = [channel.new_writer(), channel.new_writer()];
    let (first, second) = "\u{20ac}".as_bytes().split_at(1);
    let abc: &[u8] = b"abc";
    let writes = [(0, abc), (1, first), (0, first), (1, second), (0, second), (1, b"x")];
    for (writer, bytes) in writes {
        writers[writer].try_send(bytes).unwrap();
    }
    let ids = (writers[0].id(), writers[1].id());
    drop((channel, writers));
    let mut all = Vec::new();
    while let Some(line) = lines.try_next_line().unwrap() {
        all.push((line.writer(), line.text().into_owned(), line.end()));
    }
    all.sort_by_key(|&(writer, ..)| writer);
    let expected = [
        (ids.0, "abc".to_owned(), End::Limit),
        (ids.0, "\u{20ac}".to_owned(), End::End),
        (ids.1, "\u{20ac}x".to_owned(), End::End),
    ];
    assert_eq!(all, expected);
}

#[test]
fn every_reader_of_a_channel_gives_the_same_lines() {
    let channel = Channel::new(4096);
    let strong: StrongReader = channel.new_strong_reader();
    let weak: WeakReader = channel.new_weak_reader();
    let reader: Reader = strong.clone().into();
    channel.new_writer().try_send("one\ntwo").unwrap();
    channel.drain().unwrap();
    drop(channel);
    fn texts(
        lines: impl Iterator<Item = Result<overfall::lines::OwnedLine, LineError>>,
    ) -> Vec<String> {
        lines.map(|line| line.unwrap().into_text()).collect()
    }
    assert_eq!(texts(strong.into_lines().blocking()), ["one", "two"]);
    assert_eq!(texts(weak.into_lines().blocking()), ["one", "two"]);
    assert_eq!(texts(reader.into_lines().blocking()), ["one", "two"]);
}

#[test]
fn writers_that_come_and_go_by_the_thousand_leave_nothing_between_their_lines() {
    let channel = Channel::new(1 << 20);
    let mut lines = Lines::new(channel.new_strong_reader());
    for number in 0..5000 {
        let mut writer = channel.new_writer();
        writer.try_send(format!("{number}\n")).unwrap();
        drop(writer);
        assert_eq!(lines.try_next_line().unwrap().unwrap().text(), number.to_string());
    }
}

#[test]
fn the_line_of_a_writer_that_has_gone_in_the_middle_of_it_is_given_and_not_kept() {
    let channel = Channel::new(1 << 20);
    let mut lines = Lines::new(channel.new_strong_reader());
    let mut stays = channel.new_writer();
    stays.try_send("begun").unwrap();
    let mut given = Vec::new();
    for number in 0..5000 {
        channel.new_writer().try_send(format!("{number}")).unwrap();
        while let Ok(Some(line)) = lines.try_next_line() {
            assert_eq!(line.end(), End::End);
            given.push(line.text().parse::<u32>().unwrap());
        }
        assert!(number - given.len() < 200, "{number} {}", given.len());
    }
    stays.try_send(" and ended\n").unwrap();
    drop((channel, stays));
    let mut whole = 0;
    while let Some(line) = lines.try_next_line().unwrap() {
        match line.end() {
            End::Newline => whole += usize::from(line.text() == "begun and ended"),
            _ => given.push(line.text().parse().unwrap()),
        }
    }
    given.sort_unstable();
    assert!(given.into_iter().eq(0..5000));
    assert_eq!(whole, 1);
}
