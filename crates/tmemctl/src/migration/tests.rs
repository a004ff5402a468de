//! What libxl says, and what goes over the connection.

use super::frames::{Content, FRAME_BYTES_MAX, Framed, Receiver, Sender};
use super::{Call, Mode, arguments_in};
use crate::failure::Kind;
use proptest::prelude::*;
use std::ffi::OsString;
use std::io::{self, Write};

fn words(line: &str) -> Vec<OsString> {
    line.split_whitespace().map(OsString::from).collect()
}

#[test]
fn libxl_s_calls_are_understood_and_others_are_none() {
    let save = words("tmemctl --save-domain 7 -1 3 1 16 0");
    let arguments = arguments_in(&save).expect("it is libxl's");
    let call = Call::parse(arguments).expect("it is whole");
    assert_eq!((call.mode, call.stream, call.domain), (Mode::Save, 7, 3));
    assert_eq!(call.rest, words("-1 3 1 16 0"));
    let named = words("tmemctl migration-helper --restore-domain 8 -1 4 1 0 2 0 5 0");
    let call = Call::parse(arguments_in(&named).expect("it is libxl's")).expect("it is whole");
    assert_eq!((call.mode, call.stream, call.domain), (Mode::Restore, 8, 4));
    for other in ["tmemctl", "tmemctl list", "tmemctl migration-helper", "tmemctl save 3 f"] {
        assert_eq!(arguments_in(&words(other)), None, "{other}");
    }
    for wrong in
        ["--save-domain", "--save-domain 7", "--save-domain x -1 3", "--save-domain 7 -1 x"]
    {
        let failure = Call::parse(&words(wrong)).expect_err(wrong);
        assert_eq!(failure.kind, Kind::Usage);
    }
}

/// Everything that was sent, by content.
fn received(sent: &[u8]) -> Result<(Vec<u8>, Vec<u8>, usize), crate::failure::Failure> {
    let mut rest = sent;
    let (mut memory, mut tmem, mut bytes) = (Vec::new(), Vec::new(), Vec::new());
    let mut frames = Receiver::begin(&mut rest)?.expect("it is ours");
    loop {
        match frames.next(&mut bytes)? {
            Content::Memory => memory.extend(&bytes),
            Content::Tmem => tmem.extend(&bytes),
            Content::End => break,
        }
    }
    Ok((memory, tmem, rest.len()))
}

#[test]
fn not_a_byte_behind_the_end_is_read() {
    let mut sent = Vec::new();
    let sender = Sender::begin(&mut sent).expect("it is sent");
    let long = vec![7; FRAME_BYTES_MAX * 2 + 5];
    Framed(&sender, Content::Tmem).write_all(&long).expect("it is sent");
    sender.send(Content::Memory, b"memory").expect("it is sent");
    sender.end().expect("it is sent");
    sent.extend(b"libxl goes on");
    let (memory, tmem, rest) = received(&sent).expect("it is whole");
    assert_eq!((memory.as_slice(), rest), (&b"memory"[..], 13));
    assert_eq!(tmem, long);
}

#[test]
fn a_stream_of_others_or_of_a_later_version_is_told() {
    assert!(Receiver::begin(&[0xff; 40][..]).expect("it is read").is_none());
    let mut head = Vec::new();
    let _begun = Sender::begin(&mut head).expect("it is sent");
    head[8] += 1;
    let failure = Receiver::begin(head.as_slice()).map(drop).expect_err("it is later");
    assert!(failure.message.contains("the same on both hosts"), "{failure}");
    assert!(Receiver::begin(io::empty()).is_err());
}

proptest! {
    #[test]
    fn whatever_is_sent_arrives(parts in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..200)), 0..20)) {
        let mut sent = Vec::new();
        let sender = Sender::begin(&mut sent).expect("it is sent");
        let (mut memory, mut tmem) = (Vec::new(), Vec::new());
        for (is_memory, bytes) in &parts {
            let (content, all) = if *is_memory {
                (Content::Memory, &mut memory)
            } else {
                (Content::Tmem, &mut tmem)
            };
            all.extend(bytes);
            sender.send(content, bytes).expect("it is sent");
        }
        sender.end().expect("it is sent");
        prop_assert_eq!(received(&sent).expect("it is whole"), (memory, tmem, 0));
    }

    #[test]
    fn a_damaged_head_or_a_cut_is_refused(cut in 12_usize..29, kind in 4_u32..) {
        let mut sent = Vec::new();
        let sender = Sender::begin(&mut sent).expect("it is sent");
        sender.send(Content::Memory, b"a").expect("it is sent");
        sender.end().expect("it is sent");
        prop_assert!(received(&sent[..cut.min(sent.len() - 1)]).is_err());
        sent[12..16].copy_from_slice(&kind.to_le_bytes());
        prop_assert!(received(&sent).is_err());
    }
}
