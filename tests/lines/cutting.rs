//! Where lines end, how long they are, and what characters are in them.

use overfall::lines::{Builder, End, LineError, Lines, Source};
use overfall::{Channel, StrongReader, pipe};

/// Those of a text that is written in pieces of these lengths.
fn lines_of(builder: Builder, text: &[u8], piece: usize) -> Vec<(Vec<u8>, End, bool)> {
    let mut lines = builder.lines(written(text, piece));
    let mut all = Vec::new();
    while let Some(line) = lines.try_next_line().unwrap() {
        all.push((line.to_vec(), line.end(), line.is_continued()));
    }
    all
}

fn written(text: &[u8], piece: usize) -> StrongReader {
    let channel = Channel::new((text.len() / piece + 1) * 64 + text.len() * 4 + 4096);
    let reader = channel.new_strong_reader();
    let mut writer = channel.new_writer();
    text.chunks(piece).for_each(|piece| writer.try_send(piece).unwrap());
    reader
}

fn texts<R: Source>(lines: &mut Lines<R>) -> Vec<String> {
    let mut texts = Vec::new();
    while let Some(line) = lines.try_next_line().unwrap() {
        texts.push(line.text().into_owned());
    }
    texts
}

#[test]
fn a_piece_at_the_limit_says_whether_the_line_goes_on_and_none_is_empty() {
    const LIMIT: usize = 16_384;
    for length in LIMIT - 1..=LIMIT + 1 {
        for end in ["", "\n", "\r\n"] {
            for piece in [1000, 16_384, 16_385, 100_000] {
                let text = ["x".repeat(length).as_str(), end].concat();
                let all = lines_of(Builder::new().longest(LIMIT), text.as_bytes(), piece);
                let last = if end.is_empty() { End::End } else { End::Newline };
                let expected = if length <= LIMIT {
                    vec![(length, last, false)]
                } else {
                    vec![(LIMIT, End::Limit, true), (1, last, false)]
                };
                let all: Vec<_> =
                    all.into_iter().map(|(text, end, on)| (text.len(), end, on)).collect();
                assert_eq!(all, expected, "{length} {end:?} {piece}");
            }
        }
    }
}

#[test]
fn the_limit_falls_into_no_character_and_holds_for_decoded_text() {
    const LIMIT: usize = 100;
    for character in ["\u{e9}", "\u{20ac}", "\u{1f980}"] {
        for before in LIMIT - 5..=LIMIT {
            for builder in [Builder::new(), Builder::new().utf8(), Builder::new().utf8_lossy()] {
                let text = ["x".repeat(before).as_str(), character, "tail"].concat();
                for piece in [1, 7, 1000] {
                    let mut lines = builder.longest(LIMIT).lines(written(text.as_bytes(), piece));
                    let _cut = lines.try_next_line().unwrap();
                    // The writer is there still: the end is not.
                    let all = lines_of(builder.longest(LIMIT), text.as_bytes(), piece);
                    let joined: Vec<u8> = all.iter().flat_map(|(text, ..)| text.clone()).collect();
                    assert_eq!(joined, text.as_bytes());
                    for (text, ..) in all {
                        assert!(text.len() <= LIMIT && std::str::from_utf8(&text).is_ok());
                    }
                }
            }
        }
    }
    // Each of these bytes is three when it is decoded.
    let all = lines_of(Builder::new().utf8_lossy().longest(LIMIT), &[0x8e; 250], 17);
    let lengths: Vec<_> = all.iter().map(|(text, ..)| text.len()).collect();
    assert_eq!(lengths.iter().sum::<usize>(), 750);
    assert!(lengths.iter().all(|&length| length <= LIMIT), "{lengths:?}");
}

#[test]
fn a_line_that_is_cut_tells_how_much_of_it_is_missing() {
    let text = ["x".repeat(1000).as_str(), "\r\nnext\n"].concat();
    for piece in [1, 64, 1000, 1001, 5000] {
        let mut lines =
            Builder::new().longest(10).cut_rest().lines(written(text.as_bytes(), piece));
        let line = lines.try_next_line().unwrap().unwrap();
        assert_eq!((line.len(), line.end(), line.cut()), (10, End::Limit, 990));
        assert!(!line.is_continued());
        assert_eq!(line.terminator(), b"\r\n");
        assert_eq!(*lines.try_next_line().unwrap().unwrap(), *b"next");
    }
}

#[test]
fn a_line_that_is_no_utf8_is_an_error_with_its_bytes_and_the_next_one_comes() {
    let mut text = Vec::new();
    for number in 0..1000 {
        text.extend_from_slice(format!("line {number}").as_bytes());
        if number == 2 {
            text.push(0x8e);
        }
        text.push(b'\n');
    }
    for piece in [1, 13, 4096] {
        let mut lines = Builder::new().utf8().lines(written(&text, piece));
        for number in 0..1000 {
            match lines.try_next_line() {
                Err(LineError::NotUtf8(error)) => {
                    assert_eq!((number, &*error.line), (2, &b"line 2\x8e"[..]));
                }
                line => assert_eq!(line.unwrap().unwrap().text(), format!("line {number}")),
            }
        }
        assert!(lines.try_next_line().unwrap().is_none());
        let mut lines = Builder::new().utf8_lossy().lines(written(&text, piece));
        assert_eq!(texts(&mut lines)[2], "line 2\u{fffd}");
    }
}

/// What comes at once is checked at once: lines of text, lines that are none, and a character that is cut at either
/// end of what came are told apart all the same.
#[test]
fn whether_a_line_is_text_does_not_depend_on_what_came_with_it() {
    let lines: [&[u8]; 6] =
        [b"one", "zw\u{f6}lf \u{20ac}".as_bytes(), b"", b"\xff!", b"a\xe2\x82", b"end"];
    let text = lines.join(&b'\n');
    let decoded: Vec<_> = lines.iter().map(|line| String::from_utf8_lossy(line)).collect();
    let strict: Vec<_> = lines.iter().map(|line| std::str::from_utf8(line).ok()).collect();
    for piece in 1..=text.len() {
        let mut lossy = Builder::new().utf8_lossy().lines(written(&text, piece));
        assert_eq!(texts(&mut lossy), decoded, "{piece} bytes at a time");
        let mut lines = Builder::new().utf8().lines(written(&text, piece));
        for (expected, bytes) in strict.iter().zip(lines_of(Builder::new(), &text, piece)) {
            match (lines.try_next_line(), expected) {
                (Ok(Some(line)), Some(text)) => assert_eq!(line.text(), *text),
                (Err(LineError::NotUtf8(error)), None) => assert_eq!(*error.line, *bytes.0),
                (other, _) => panic!("{other:?} in place of {expected:?}, {piece} bytes at a time"),
            }
        }
        assert!(lines.try_next_line().unwrap().is_none());
    }
}

#[test]
fn an_update_that_ends_with_a_return_is_there_when_it_was_written() {
    let (mut writer, reader) = pipe(1024);
    let mut lines = Builder::new().carriage_returns().lines(reader);
    for update in ["10 %", "20 %", "30 %"] {
        writer.try_send([update, "\r"].concat()).unwrap();
        let line = lines.try_next_line().unwrap().unwrap();
        assert_eq!((&*line.text(), line.end()), (update, End::CarriageReturn));
        assert!(matches!(lines.try_next_line(), Err(LineError::Empty)));
    }
    // Its newline comes later.
    writer.try_send("\n").unwrap();
    let line = lines.try_next_line().unwrap().unwrap();
    assert_eq!((&*line.text(), line.end(), line.continues()), ("", End::Newline, true));
    writer.try_send("all\r\ndone\r").unwrap();
    drop(writer);
    let line = lines.try_next_line().unwrap().unwrap();
    assert_eq!((&*line.text(), line.end(), line.continues()), ("all", End::Newline, false));
    let line = lines.try_next_line().unwrap().unwrap();
    assert_eq!((&*line.text(), line.end()), ("done", End::CarriageReturn));
    assert!(lines.try_next_line().unwrap().is_none());
}

#[test]
fn a_return_is_a_part_of_the_end_only_before_a_newline() {
    let (mut writer, reader) = pipe(1024);
    let mut lines = Lines::new(reader);
    for text in ["a\rb\r", "\n", "\r\n", "\r", "\r\n", "end\r"] {
        writer.try_send(text).unwrap();
    }
    drop(writer);
    assert_eq!(texts(&mut lines), ["a\rb", "", "\r", "end\r"]);
}

#[test]
fn a_failed_stream_gives_its_last_line_before_its_error() {
    let (mut writer, reader) = pipe(1024);
    writer.try_send("one\ntw").unwrap();
    writer.fail("on purpose").unwrap();
    let mut lines = Lines::new(reader);
    assert_eq!(*lines.try_next_line().unwrap().unwrap(), *b"one");
    let line = lines.try_next_line().unwrap().unwrap();
    assert_eq!((&*line, line.end()), (&b"tw"[..], End::End));
    for _ in 0..2 {
        assert!(matches!(lines.try_next_line(), Err(LineError::Failed(_))));
    }
}
