//! Lines and exact bytes in turns.

use overfall::lines::{Builder, LineError, Lines};
use overfall::{Channel, StrongReader, pipe};
use overfall_tests::overwriting;

/// A reader of this, written in pieces.
fn written(pieces: &[&[u8]]) -> StrongReader {
    let total: usize = pieces.iter().map(|piece| piece.len() + 128).sum();
    let channel = Channel::new(total * 4);
    let reader = channel.new_strong_reader();
    let mut writer = channel.new_writer();
    pieces.iter().for_each(|piece| writer.try_send(piece).unwrap());
    reader
}

fn frame(number: usize) -> Vec<u8> {
    let character = ["\u{e9}", "\u{20ac}", "\u{1f980}\n"][number % 3];
    let body = format!("{{{number}: \"{}\"}}", character.repeat(number % 7));
    format!("Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// Reads frames, and lines of a log in between.
fn read_frames(lines: &mut Lines<StrongReader>, count: usize) {
    for number in 0..count {
        let length = loop {
            let line = lines.try_next_line().unwrap().unwrap().text().into_owned();
            if let Some(length) = line.strip_prefix("Content-Length: ") {
                break length.parse().unwrap();
            }
            assert_eq!(line, "a stray line");
        };
        assert_eq!(*lines.try_next_line().unwrap().unwrap(), *b"");
        let mut body = vec![0; length];
        lines.try_read_exact(&mut body).unwrap();
        assert!(frame(number).ends_with(&body) && body.starts_with(b"{"), "{number}");
    }
}

#[test]
fn a_thousand_frames_lose_no_byte_at_the_change_wherever_the_reads_are_split() {
    let frames: Vec<_> = (0..1000).map(frame).collect();
    let bytes = frames.concat();
    for piece in [1, 2, 3, 5, 17, 100, 4711, 1 << 20] {
        let pieces: Vec<_> = bytes.chunks(piece).collect();
        let mut lines = Lines::new(written(&pieces));
        read_frames(&mut lines, 1000);
        assert!(lines.try_next_line().unwrap().is_none());
    }
}

#[test]
fn every_split_of_a_few_frames_with_a_stray_line_is_read_alike() {
    let mut bytes: Vec<_> = (0..4).flat_map(frame).collect();
    bytes.extend_from_slice(b"a stray line\n");
    bytes.extend((4..8).flat_map(frame));
    for first in 0..bytes.len() {
        let (first, second) = bytes.split_at(first);
        read_frames(&mut Lines::new(written(&[first, second])), 8);
        read_frames(&mut Builder::new().show_unfinished().lines(written(&[first, second])), 0);
    }
}

#[test]
fn bytes_that_are_not_there_yet_are_not_taken() {
    let (mut writer, reader) = pipe(1024);
    let mut lines = Lines::new(reader);
    let mut buffer = [0; 8];
    writer.try_send("one\ntw").unwrap();
    assert!(matches!(lines.try_read_exact(&mut buffer), Err(LineError::Empty)));
    assert_eq!(*lines.try_next_line().unwrap().unwrap(), *b"one");
    assert!(matches!(lines.try_read_exact(&mut buffer), Err(LineError::Empty)));
    writer.try_send("o\nthree\nend").unwrap();
    drop(writer);
    lines.try_read_exact(&mut buffer).unwrap();
    assert_eq!(&buffer, b"two\nthre");
    assert_eq!(*lines.try_next_line().unwrap().unwrap(), *b"e");
    let short = LineError::Short { wanted: 8, available: 3 };
    assert_eq!(lines.try_read_exact(&mut buffer), Err(short));
    lines.try_read_exact(&mut buffer[..2]).unwrap();
    assert_eq!(*lines.try_next_line().unwrap().unwrap(), *b"d");
}

#[test]
fn what_a_line_was_given_of_is_no_part_of_the_bytes() {
    let (mut writer, reader) = pipe(1024);
    let mut lines = Builder::new().carriage_returns().show_unfinished().lines(reader);
    writer.try_send("prompt").unwrap();
    assert_eq!(*lines.try_next_line().unwrap().unwrap(), *b"prompt");
    writer.try_send("abc\rx\r").unwrap();
    let mut buffer = [0; 2];
    lines.try_read_exact(&mut buffer).unwrap();
    assert_eq!(&buffer, b"ab");
    assert_eq!(*lines.try_next_line().unwrap().unwrap(), *b"c");
    assert_eq!(*lines.try_next_line().unwrap().unwrap(), *b"x");
    // The newline belongs to the return before it, which has ended a line.
    assert!(matches!(lines.try_read_exact(&mut buffer), Err(LineError::Empty)));
    writer.try_send("\nyz").unwrap();
    lines.try_read_exact(&mut buffer).unwrap();
    assert_eq!(&buffer, b"yz");
}

#[test]
fn bytes_are_not_put_together_across_a_gap() {
    let channel = overwriting(1024);
    let mut lines = Lines::new(channel.new_weak_reader());
    let mut writer = channel.new_writer();
    let mut buffer = [0; 8];
    writer.try_send("head").unwrap();
    assert!(matches!(lines.try_read_exact(&mut buffer), Err(LineError::Empty)));
    (0..100).for_each(|n| writer.try_send(format!("{n:03}\n")).unwrap());
    let Err(LineError::Gap(gap)) = lines.try_read_exact(&mut buffer) else { panic!("no gap") };
    assert_eq!((gap.torn, lines.dropped()), (4, 4));
    lines.try_read_exact(&mut buffer).unwrap();
    let first = gap.missed / 4;
    assert_eq!(buffer, *format!("{:03}\n{:03}\n", first, first + 1).as_bytes());
}

#[test]
fn taken_apart_they_give_the_reader_and_what_it_has_read_ahead() {
    let (mut writer, reader) = pipe(1024);
    writer.try_send("one\ntwo\nthr").unwrap();
    let mut lines = Lines::new(reader);
    assert_eq!(*lines.try_next_line().unwrap().unwrap(), *b"one");
    writer.try_send("ee").unwrap();
    let mut parts = lines.into_parts();
    assert_eq!(parts.unread, b"two\nthr");
    assert_eq!(parts.reader.try_recv().unwrap().unwrap(), b"ee");
}

#[test]
fn a_line_that_begins_within_a_character_is_no_text_and_the_next_one_is() {
    for skipped in [1, 2, 3] {
        let text = "one\n\u{1f980}two\r\nthree\n";
        let mut lines = Builder::new().utf8_lossy().lines(written(&[text.as_bytes()]));
        assert_eq!(*lines.try_next_line().unwrap().unwrap(), *b"one");
        lines.try_read_exact(&mut vec![0; skipped]).unwrap();
        let line = lines.try_next_line().unwrap().unwrap();
        assert_eq!(line.text(), String::from_utf8_lossy(&text.as_bytes()[4 + skipped..11]));
        assert_eq!(line.terminator(), b"\r\n");
        assert_eq!(*lines.try_next_line().unwrap().unwrap(), *b"three");

        let mut lines = Builder::new().utf8().lines(written(&[text.as_bytes()]));
        assert_eq!(*lines.try_next_line().unwrap().unwrap(), *b"one");
        lines.try_read_exact(&mut vec![0; skipped]).unwrap();
        let error = lines.try_next_line().unwrap_err();
        assert!(matches!(error, LineError::NotUtf8(_)), "{error}");
        assert_eq!(*lines.try_next_line().unwrap().unwrap(), *b"three");
    }
}
