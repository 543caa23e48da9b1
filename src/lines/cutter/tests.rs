//! Every short text, in every encoding, split everywhere, against cutting it as a whole.

use super::super::line::Content;
use super::*;

/// What a piece comes to.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Told {
    text: Vec<u8>,
    end: End,
    terminator: Terminator,
    continues: bool,
    cut: u64,
}

const SETTINGS: Settings = Settings {
    longest: 4,
    cuts: false,
    returns: false,
    encoding: Encoding::Bytes,
    unfinished: false,
};

fn all_settings() -> Vec<Settings> {
    let mut all = Vec::new();
    for encoding in [Encoding::Bytes, Encoding::Utf8Lossy] {
        for (cuts, returns) in [(false, false), (false, true), (true, false), (true, true)] {
            for longest in [4, 5, 100] {
                all.push(Settings { longest, cuts, returns, encoding, ..SETTINGS });
            }
        }
    }
    all
}

fn tell(cutter: &Cutter, input: &Input, piece: Piece) -> Told {
    let text = match piece.place {
        Place::Input(from, to) => input.bytes(from, to),
        Place::Begun(length) => &cutter.begun()[..length],
    };
    let Piece { end, terminator, continues, cut, .. } = piece;
    Told { text: text.to_vec(), end, terminator, continues, cut }
}

fn tell_whole(input: &Input, place: Range<usize>) -> Told {
    let (Content::Bytes(text), has_return) = input.line(place) else { unreachable!("not checked") };
    let terminator = if has_return { Terminator::ReturnNewline } else { Terminator::Newline };
    Told { text: text.to_vec(), end: End::Newline, terminator, continues: false, cut: 0 }
}

fn cut_input(cutter: &mut Cutter, settings: &Settings, bytes: &[u8], told: &mut Vec<Told>) {
    let mut input = Input::default();
    input.extendable().extend_from_slice(bytes);
    loop {
        if let Some(place) = cutter.next_whole(&mut input) {
            told.push(tell_whole(&input, place));
        } else if let Some(piece) = cutter.next(settings, &mut input) {
            told.push(tell(cutter, &input, piece));
        } else {
            break;
        }
    }
    assert!(input.rest().is_empty(), "all was taken");
}

fn end(cutter: &mut Cutter, settings: &Settings, told: &mut Vec<Told>) {
    while let Some(piece) = cutter.finish(settings) {
        told.push(tell(cutter, &Input::default(), piece));
    }
    assert!(cutter.is_between_lines());
}

/// Cuts the pieces of a text, one after the other.
fn cut(settings: &Settings, inputs: &[&[u8]]) -> Vec<Told> {
    let (mut cutter, mut told) = (Cutter::default(), Vec::new());
    for input in inputs {
        cut_input(&mut cutter, settings, input, &mut told);
    }
    end(&mut cutter, settings, &mut told);
    told
}

fn decoded(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The longest beginning of a text that fits and cuts no character, found by trying.
fn longest_beginning(settings: &Settings, text: &[u8]) -> usize {
    let fits = |end: &usize| {
        let is_between = decoded(&text[..*end]) + &decoded(&text[*end..]) == decoded(text);
        let length = match settings.encoding {
            Encoding::Utf8Lossy => decoded(&text[..*end]).len(),
            _ => *end,
        };
        is_between && length <= settings.longest
    };
    (0..=text.len()).rev().find(fits).unwrap()
}

/// What is to be told of a text, as simply as can be.
fn expected(settings: &Settings, mut text: &[u8]) -> Vec<Told> {
    let mut told = Vec::new();
    while !text.is_empty() {
        let is_end = |&byte: &u8| byte == b'\n' || (settings.returns && byte == b'\r');
        let at = text.iter().position(is_end);
        let (mut line, mut terminator, mut end) = (text, Terminator::None, End::End);
        let mut next = text.len();
        if let Some(at) = at {
            (line, terminator, end, next) =
                (&text[..at], Terminator::Newline, End::Newline, at + 1);
            if text[at] == b'\r' {
                (terminator, end) = (Terminator::Return, End::CarriageReturn);
                if text.get(at + 1) == Some(&b'\n') {
                    (terminator, end, next) = (Terminator::ReturnNewline, End::Newline, at + 2);
                }
            } else if line.last() == Some(&b'\r') {
                (line, terminator) = (&line[..line.len() - 1], Terminator::ReturnNewline);
            }
        }
        text = &text[next..];
        let mut continues = false;
        loop {
            let (first, rest) = line.split_at(longest_beginning(settings, line));
            let mut piece =
                Told { text: first.to_vec(), end, terminator, continues, cut: rest.len() as u64 };
            if rest.is_empty() {
                told.push(piece);
                break;
            }
            piece.end = End::Limit;
            if settings.cuts {
                told.push(piece);
                break;
            }
            told.push(Told { terminator: Terminator::None, cut: 0, ..piece });
            (line, continues) = (rest, true);
        }
    }
    told
}

/// Puts a return and a newline together that were told apart.
fn without_split_ends(told: Vec<Told>) -> Vec<Told> {
    let mut joined: Vec<Told> = Vec::new();
    for piece in told {
        let is_rest = piece.text.is_empty() && piece.continues && piece.end == End::Newline;
        match joined.last_mut() {
            Some(last) if is_rest && last.terminator == Terminator::Return => {
                last.terminator = Terminator::ReturnNewline;
                if last.end == End::CarriageReturn {
                    last.end = End::Newline;
                }
            }
            _ => joined.push(piece),
        }
    }
    joined
}

/// All texts of so many symbols, among which are bytes of characters.
fn texts(symbols: &[&[u8]], length: usize) -> Vec<Vec<u8>> {
    let mut texts = vec![Vec::new()];
    let mut last = texts.clone();
    for _ in 0..length {
        last = last
            .iter()
            .flat_map(|text| symbols.iter().map(move |symbol| [text, *symbol].concat()))
            .collect();
        texts.extend_from_slice(&last);
    }
    texts
}

#[test]
fn a_text_that_is_split_anywhere_is_cut_as_a_whole_one() {
    let symbols: [&[u8]; 6] =
        [b"a", b"\r", b"\n", "\u{e9}".as_bytes(), "\u{1f980}".as_bytes(), b"\x8e"];
    for text in texts(&symbols, 4) {
        for settings in all_settings() {
            let expected = expected(&settings, &text);
            assert_eq!(cut(&settings, &[&text]), expected, "{text:?} {settings:?}");
            for first in 1..text.len() {
                let (one, two) = text.split_at(first);
                let told = without_split_ends(cut(&settings, &[one, two]));
                assert_eq!(told, expected, "{one:?} {two:?} {settings:?}");
            }
            let bytes: Vec<&[u8]> = text.chunks(1).collect();
            let told = without_split_ends(cut(&settings, &bytes));
            assert_eq!(told, expected, "{text:?} byte by byte, {settings:?}");
        }
    }
}

#[test]
fn what_is_shown_unfinished_comes_once_and_no_character_is_cut() {
    let symbols: [&[u8]; 5] = [b"a", b"\r", b"\n", "\u{e9}".as_bytes(), "\u{1f980}".as_bytes()];
    for text in texts(&symbols, 3) {
        let is_of_interest = |settings: &&Settings| !settings.cuts && settings.longest < 100;
        for settings in all_settings().iter().filter(is_of_interest) {
            // Bit by bit: whether it is quiet behind that byte.
            for quiet in 0..1 << text.len().min(8) {
                let (mut cutter, mut told) = (Cutter::default(), Vec::new());
                for (at, byte) in text.chunks(1).enumerate() {
                    cut_input(&mut cutter, settings, byte, &mut told);
                    if quiet >> at & 1 == 1 {
                        let has = cutter.has_unfinished(settings);
                        let piece = cutter.unfinished(settings);
                        assert_eq!(piece.is_some(), has, "{text:?}");
                        told.extend(piece.map(|piece| tell(&cutter, &Input::default(), piece)));
                        assert!(!cutter.has_unfinished(settings));
                    }
                }
                end(&mut cutter, settings, &mut told);
                let mut all = Vec::new();
                let mut goes_on = false;
                for piece in &told {
                    assert_eq!(
                        piece.text.len(),
                        longest_beginning(settings, &piece.text),
                        "too long: {told:?}"
                    );
                    if !text.contains(&b'\r') || !settings.returns {
                        assert_eq!(piece.continues, goes_on, "{told:?}");
                    }
                    assert!(
                        !piece.text.is_empty()
                            || matches!(piece.end, End::Newline | End::CarriageReturn),
                        "empty: {told:?}"
                    );
                    if let End::Quiet | End::Limit = piece.end {
                        assert!(std::str::from_utf8(&piece.text).is_ok(), "cut: {told:?}");
                    }
                    goes_on = matches!(piece.end, End::Quiet | End::Limit);
                    all.extend_from_slice(&piece.text);
                    all.extend_from_slice(match piece.terminator {
                        Terminator::None => b"",
                        Terminator::Newline => b"\n",
                        Terminator::ReturnNewline => b"\r\n",
                        Terminator::Return => b"\r",
                    });
                }
                assert_eq!(all, text, "{told:?} {settings:?}");
            }
        }
    }
}

#[test]
fn a_cut_line_that_was_shown_in_part_is_as_long_as_one_that_was_not() {
    let settings = Settings { cuts: true, ..SETTINGS };
    let (mut cutter, mut told) = (Cutter::default(), Vec::new());
    for input in [&b"ab"[..], b"cdefg", b"hi\r", b"\nx\n"] {
        cut_input(&mut cutter, &settings, input, &mut told);
        let piece = cutter.unfinished(&settings);
        told.extend(piece.map(|piece| tell(&cutter, &Input::default(), piece)));
    }
    let told: Vec<_> = told.iter().map(|piece| (&*piece.text, piece.end, piece.cut)).collect();
    let expected: [(&[u8], _, _); 4] = [
        (b"ab", End::Quiet, 0),
        (b"cd", End::Quiet, 0),
        (b"", End::Limit, 5),
        (b"x", End::Newline, 0),
    ];
    assert_eq!(told, expected);
}

#[test]
fn a_gap_drops_both_halves_of_the_line_in_which_it_lies() {
    for returns in [false, true] {
        let settings = Settings { returns, ..SETTINGS };
        let end: &[u8] = if returns { b"\r" } else { b"\n" };
        for split in 0..4 {
            let (mut cutter, mut told) = (Cutter::default(), Vec::new());
            cut_input(&mut cutter, &settings, &[b"one", end, b"tw"].concat(), &mut told);
            assert_eq!(cutter.gap(), 2);
            let behind = [b"ee", end, b"four\n"].concat();
            let (first, second) = behind.split_at(split);
            cut_input(&mut cutter, &settings, first, &mut told);
            assert!(!cutter.has_unfinished(&settings) || split > 3);
            cut_input(&mut cutter, &settings, second, &mut told);
            let texts: Vec<_> = told.iter().map(|piece| &*piece.text).collect();
            assert_eq!(texts, [&b"one"[..], b"four"]);
            assert_eq!(cutter.dropped(), 5);
        }
    }
}

#[test]
fn a_newline_behind_a_torn_return_is_dropped_with_it() {
    let settings = Settings { returns: true, ..SETTINGS };
    let (mut cutter, mut told) = (Cutter::default(), Vec::new());
    cutter.gap();
    cut_input(&mut cutter, &settings, b"x\r", &mut told);
    cut_input(&mut cutter, &settings, b"\na\n", &mut told);
    assert_eq!((told.len(), &*told[0].text, cutter.dropped()), (1, &b"a"[..], 3));
}

#[test]
fn more_ends_than_are_looked_for_at_once_are_all_found() {
    for returns in [false, true] {
        let settings = Settings { returns, longest: 100, ..SETTINGS };
        let text: String = (0..1000).map(|n| format!("{}\r\n", "x".repeat(n % 3))).collect();
        assert_eq!(cut(&settings, &[text.as_bytes()]), expected(&settings, text.as_bytes()));
    }
}
