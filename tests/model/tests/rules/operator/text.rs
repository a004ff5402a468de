//! The text of LIST. R58, P24.

use super::*;

/// LIST into a buffer of `len` bytes: the answer, and the text.
fn list(world: &World, who: ClientId, long: bool, len: usize) -> (i64, String) {
    let memory = Buffer::new(ADDRESS, &[&vec![0xaa; len][..], &GUARD].concat());
    let op =
        ControlOp::List { who, long, len: u32::try_from(len).expect("short"), buffer: ADDRESS };
    let answer = control(world, op, &memory);
    let bytes = memory.bytes();
    assert_eq!(bytes[len..], GUARD);
    let text = bytes[..len].split(|&byte| byte == 0).next().unwrap_or_default();
    if answer == 0 && len > 0 {
        assert!(text.len() < len, "the text ends with a NUL");
    }
    (answer, String::from_utf8_lossy(text).into_owned())
}

const SHORT: &str = "\
G=Tt:12,Te:1,Cf:0,Pf:0,Et:0,Rt:0
S=SI:0,PT:ES,U0:ab,U1:0,SC:1,SC:2,sn:2
S=SI:1,PT:ES,U0:cd,U1:0,SC:2,SC:1,sn:2
C=CI:1,ww:0,co:0,fr:0,Ge:1,Pp:4,Gp:1
P=CI:1,PI:0,PT:ES,U0:ab,U1:0
P=CI:1,PI:1,PT:ES,U0:cd,U1:0
P=CI:1,PI:2,PT:PP,U0:0,U1:0
C=CI:2,ww:30,co:0,fr:1,Ge:0,Pp:0,Gp:0
P=CI:2,PI:0,PT:ES,U0:ab,U1:0
P=CI:2,PI:1,PT:ES,U0:cd,U1:0
C=CI:3,ww:0,co:0,fr:0,Ge:0,Pp:0,Gp:0
T=
";

#[test]
fn r58_p24_the_text_is_as_it_was_without_its_defects() {
    let world = listed_world();
    assert_eq!(list(&world, ClientId::All, false, 32768), (0, SHORT.to_owned()));
    let (answer, long) = list(&world, ClientId::All, true, 32768);
    assert_eq!(answer, 0);
    let lines: Vec<&str> = long.lines().collect();
    assert_eq!(lines.len(), SHORT.lines().count());
    for (line, short) in lines.iter().zip(SHORT.lines()) {
        assert!(line.starts_with(short), "{line} has the keys of the short form first");
    }
    assert_eq!(lines[0], "G=Tt:12,Te:1,Cf:0,Pf:0,Et:0,Rt:0,Ec:3,Pc:5,Fc:5");
    assert!(lines[1].ends_with(",sn:2,Pc:3,ps:3,pt:3,pd:0,pr:0,px:0,gs:1,gt:1,ft:0"));
    assert!(lines[2].ends_with(",sn:2,Pc:0,ps:0,pt:1,pd:0,pr:0,px:1,gs:0,gt:0,ft:0"));
    assert!(lines[3].ends_with(",Gp:1,Ec:3"));
    assert!(lines[6].ends_with(",U1:0,Pc:2,ps:4,pt:4,pd:0,pr:1,px:0,gs:1,gt:2,ft:1"));
    // One client: its own lines only.
    let (answer, one) = list(&world, ClientId::One(2), false, 4096);
    let expected: String = SHORT.lines().skip(7).take(3).flat_map(|line| [line, "\n"]).collect();
    assert_eq!((answer, one), (0, expected));
    for domain in [0, 4, 0x7ff0, 0xfffe] {
        assert_eq!(list(&world, ClientId::One(domain), false, 4096).0, -1);
    }
}

#[test]
fn p24_the_text_stops_before_the_line_that_does_not_fit() {
    let world = listed_world();
    let (_, of_one) = list(&world, ClientId::One(2), false, 4096);
    for len in 0..700 {
        for (who, whole) in [(ClientId::All, SHORT), (ClientId::One(2), &of_one[..])] {
            let (answer, text) = list(&world, who, false, len);
            assert_eq!(answer, 0);
            assert!(whole.starts_with(&text), "{len}");
            let next = whole[text.len()..].lines().next();
            let is_cut_at_a_line = text.is_empty() || text.ends_with('\n');
            assert!(is_cut_at_a_line, "{len}: {text}");
            // The next line and its end did not fit; sums over all need a certain room.
            let has_no_room = next.is_none_or(|next| text.len() + next.len() + 2 > len);
            assert!(has_no_room || who == ClientId::All && len < 256, "{len}: {text}");
        }
    }
}
