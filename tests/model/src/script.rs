//! Short scripts of calls with the answers that they must give, as data.
//!
//! A line is `call -> answer`; `#` starts a remark. The calls:
//!
//! ```text
//! d1 new ephemeral | persistent | shared UUID | flags WORD -> pool id or status
//! d1 put POOL OBJECT INDEX CONTENT [from GFN]              -> status
//! d1 get POOL OBJECT INDEX [into GFN]                      -> status, after a hit with the content
//! d1 flush POOL OBJECT INDEX                               -> status
//! d1 flush-object POOL OBJECT                              -> status
//! d1 destroy POOL                                          -> status
//! d1 command NUMBER POOL                                   -> status
//! d1 freeze | thaw                                         -> ok or refused
//! d1 allow UUID | forbid UUID                              -> ok or refused
//! d1 die | return
//! all freeze | thaw
//! host frames N          so many frames can be taken from now on
//! host fail KIND [NTH]   the nth call, or all, of that kind
//! host heal
//! audit
//! ```
//!
//! A content is a capital letter, `zero`, or `same:BYTE`. A gfn is a number, `bad` or `readonly`.
//! Every call also goes to the model, so a script proves more than the answers that it names.

use crate::world::{BAD_GFN, READ_ONLY_GFN, SOURCE_GFN, TARGET_GFN, World};
use hypercall_abi::{Handle, NewPool, ObjectId, Op, PageIndex, Uuid};
use tmem_host_sim::{Content, DomainSpec, Fault};

/// Runs a script in a world of its own: the domains 1 to 4 on 1000 frames.
pub fn check(script: &str) {
    check_in(&mut World::roomy(), script);
}

/// Runs a script in a given world.
///
/// # Panics
/// At the first answer that differs from the script's.
pub fn check_in(world: &mut World, script: &str) {
    for (number, line) in (1..).zip(script.lines()) {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let (call, expected) = line.split_once("->").unwrap_or((line, ""));
        let words: Vec<_> = call.split_whitespace().collect();
        let answer = run(world, &words);
        assert_eq!(answer.trim(), expected.trim(), "line {number}: {line}");
    }
    world.audit();
}

/// Makes the calls of a script that names no answers: the model alone judges them.
pub fn play_in(world: &mut World, script: &str) {
    for line in script.lines() {
        let words: Vec<_> = line.split('#').next().unwrap_or_default().split_whitespace().collect();
        if !words.is_empty() {
            run(world, &words);
        }
    }
}

/// Runs one line; returns the answer as the script writes it.
fn run(world: &mut World, words: &[&str]) -> String {
    match words {
        ["audit"] => drop(world.audit()),
        ["all", "freeze"] => world.set_all_frozen(true),
        ["all", "thaw"] => world.set_all_frozen(false),
        ["host", "heal"] => world.host().heal(),
        ["host", "frames", count] => world.host().leave_frames(number(count)),
        ["host", "fail", kind] => world.host().fail_all(fault(kind)),
        ["host", "fail", kind, nth] => world.host().fail_nth(fault(kind), number(nth)),
        [who, call @ ..] if who.starts_with('d') => {
            return run_call(world, number(&who[1..]), call);
        }
        _ => unreachable!("no line of ours: {words:?}"),
    }
    String::new()
}

fn run_call(world: &mut World, domain: u16, words: &[&str]) -> String {
    let answer = match words {
        ["new", "ephemeral"] => world.new_pool(domain, crate::flags::EPHEMERAL, 0),
        ["new", "persistent"] => world.new_pool(domain, crate::flags::PERSISTENT, 0),
        ["new", "shared", uuid] => {
            let args = NewPool { flags: crate::flags::SHARED, uuid: parse_uuid(uuid) };
            world.call(domain, Op::NewPool(args))
        }
        ["new", "flags", word] => world.new_pool(domain, number(word), 0),
        ["put", pool, object, index, content] => {
            let handle = parse_handle(pool, object, index);
            world.put_from(domain, handle, parse_content(content), SOURCE_GFN)
        }
        ["put", pool, object, index, content, "from", gfn] => {
            let handle = parse_handle(pool, object, index);
            world.put_from(domain, handle, parse_content(content), parse_gfn(gfn))
        }
        ["get", pool, object, index] => {
            let (answer, content) = world.get(domain, parse_handle(pool, object, index));
            return match content {
                Some(content) => format!("{answer} {}", show_content(content)),
                None => answer.to_string(),
            };
        }
        ["get", pool, object, index, "into", gfn] => {
            world.get_into(domain, parse_handle(pool, object, index), parse_gfn(gfn))
        }
        ["flush", pool, object, index] => world.flush(domain, parse_handle(pool, object, index)),
        ["flush-object", pool, object] => {
            world.flush_object(domain, parse_pool(pool), number(object))
        }
        ["destroy", pool] => world.destroy(domain, parse_pool(pool)),
        ["command", command, pool] => world.command(domain, number(command), parse_pool(pool)),
        ["freeze"] => return said(world.set_frozen(domain, true)),
        ["thaw"] => return said(world.set_frozen(domain, false)),
        ["allow", uuid] => return said(world.set_auth(domain, parse_uuid(uuid), true)),
        ["forbid", uuid] => return said(world.set_auth(domain, parse_uuid(uuid), false)),
        ["die"] => {
            world.destroy_domain(domain);
            return String::new();
        }
        ["return"] => {
            world.create_domain(DomainSpec::new(domain));
            return String::new();
        }
        _ => unreachable!("no call of ours: {words:?}"),
    };
    answer.to_string()
}

fn said(done: bool) -> String {
    if done { "ok" } else { "refused" }.into()
}

/// A number, decimal or hexadecimal.
fn number<T: TryFrom<u64>>(word: &str) -> T {
    let value = match word.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => word.parse(),
    };
    let value = value.ok().and_then(|value| T::try_from(value).ok());
    value.expect("the script has a number here")
}

/// A pool id: 32 bits, which may be written as a negative number.
fn parse_pool(word: &str) -> u32 {
    word.parse::<i32>().map_or_else(|_| number(word), i32::cast_unsigned)
}

fn parse_handle(pool: &str, object: &str, index: &str) -> Handle {
    Handle {
        pool_id: parse_pool(pool),
        object: ObjectId([number(object), 0, 0]),
        index: PageIndex(number(index)),
    }
}

/// `ones` is the uuid that asks for a private pool.
fn parse_uuid(word: &str) -> Uuid {
    if word == "ones" { Uuid::ALL_ONES } else { Uuid([number(word), 0]) }
}

fn parse_gfn(word: &str) -> u64 {
    match word {
        "bad" => BAD_GFN,
        "readonly" => READ_ONLY_GFN,
        "target" => TARGET_GFN,
        _ => number(word),
    }
}

fn parse_content(word: &str) -> Content {
    match (word, word.strip_prefix("same:")) {
        ("zero", _) => Content::ZERO,
        (_, Some(byte)) => Content::Same(number(byte)),
        (_, None) => {
            let letter = word.chars().next().filter(char::is_ascii_uppercase);
            Content::Unique(u32::from(letter.expect("a content is a capital letter")))
        }
    }
}

fn show_content(content: Content) -> String {
    match content {
        Content::ZERO => "zero".into(),
        Content::Same(byte) => format!("same:{byte}"),
        Content::Unique(number) => char::from_u32(number)
            .filter(char::is_ascii_uppercase)
            .map_or_else(|| format!("page {number}"), |letter| letter.to_string()),
    }
}

fn fault(word: &str) -> Fault {
    match word {
        "frame" => Fault::Frame,
        "spare" => Fault::Spare,
        "metadata" => Fault::Metadata,
        "charge" => Fault::Charge,
        "copy-in" => Fault::CopyIn,
        "copy-out" => Fault::CopyOut,
        _ => unreachable!("no fault of ours: {word}"),
    }
}
