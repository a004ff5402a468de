//! Tests of the analysis on small hand-made objects.

use super::graph::Graph;
use super::object_file::{Data, Function, Instruction, ObjectFile, Reference};
use super::{panics, rules, stack};
use crate::xen::config::Config;
use std::collections::BTreeMap;

/// A line of code: the text, and the function, external name or data section it refers to.
fn instruction(offset: usize, text: &str, reference: Option<Reference>) -> Instruction {
    let mut words = text.split_whitespace();
    let mnemonic = words.next().unwrap_or_default().to_owned();
    let target = words.next().and_then(|word| u64::from_str_radix(word, 16).ok());
    Instruction {
        offset: offset as u64,
        local_target: target.filter(|_| mnemonic.starts_with('j') && reference.is_none()),
        mnemonic,
        text: text.to_owned(),
        reference,
    }
}

fn function(symbol: &str, code: &[(&str, Option<Reference>)]) -> Function {
    let instructions = code.iter().enumerate();
    let instructions =
        instructions.map(|(offset, (text, to))| instruction(offset, text, to.clone())).collect();
    Function { symbol: symbol.to_owned(), instructions }
}

fn object(functions: Vec<Function>) -> ObjectFile {
    ObjectFile { functions, data: BTreeMap::new() }
}

fn to(number: usize) -> Option<Reference> {
    Some(Reference::Function(number, 0))
}

fn external(name: &str) -> Option<Reference> {
    Some(Reference::External(name.to_owned()))
}

/// 0 is an export that may panic by 1, which calls C.
fn panicking() -> ObjectFile {
    object(vec![
        function(
            "put",
            &[
                ("sub    $0x20,%rsp", None),
                ("jne    4", None),
                ("add    $0x20,%rsp", None),
                ("jmp    0", external("__x86_return_thunk")),
                ("lea    0x0(%rip),%rdi", to(2)),
                ("call   0", to(1)),
                ("ud2", None),
            ],
        ),
        function(
            "fail",
            &[("sub    $0x1000,%rsp", None), ("call   0", external("tmem_xen_panic"))],
        ),
        function("fmt", &[("endbr64", None), ("jmp    0", external("__x86_indirect_thunk_r11"))]),
    ])
}

#[test]
fn what_only_calls_the_panic_function_diverges() {
    let object = panicking();
    let graph = Graph::new(&object);
    assert_eq!(graph.diverges, [false, true, false]);
    assert_eq!(graph.doomed[0], [false, false, false, false, true, true, true]);
}

#[test]
fn a_panic_entry_is_found_once_and_the_mark_behind_it_is_no_trap() {
    let object = panicking();
    let sites = panics::sites(&Graph::new(&object));
    let found: Vec<_> =
        sites.keys().map(|(caller, callee)| format!("{caller}->{callee}")).collect();
    assert_eq!(found, ["put->fail"]);
}

#[test]
fn a_trap_that_a_jump_leads_to_is_found() {
    let mut object = panicking();
    object.functions[0].instructions[1].local_target = Some(6);
    let sites = panics::sites(&Graph::new(&object));
    assert!(sites.contains_key(&("put".to_owned(), "ud2".to_owned())), "{sites:?}");
}

#[test]
fn the_stack_after_a_panic_does_not_count() {
    let object = panicking();
    let depth = &stack::deepest(&Graph::new(&object), &[0]).expect("it is bounded")[0];
    assert_eq!((depth.bytes, depth.path.as_slice()), (0x28, &[0][..]));
}

#[test]
fn a_call_adds_the_frame_and_a_tail_call_replaces_it() {
    let object = object(vec![
        function("root", &[("push   %rbx", None), ("call   0", to(1)), ("ret", None)]),
        function("middle", &[("sub    $0x100,%rsp", None), ("jmp    0", to(2))]),
        function("leaf", &[("sub    $0x200,%rsp", None), ("ret", None)]),
    ]);
    let depth = &stack::deepest(&Graph::new(&object), &[0]).expect("it is bounded")[0];
    assert_eq!(depth.bytes, 16 + 0x208);
    assert_eq!(depth.path, [0, 1, 2]);
}

#[test]
fn an_indirect_call_counts_as_the_worst_function_that_can_be_meant() {
    let mut object = object(vec![
        function(
            "root",
            &[
                ("lea    0x0(%rip),%rax", Some(Reference::Data(7, 0))),
                ("call   0", external("__x86_indirect_thunk_r11")),
                ("ret", None),
            ],
        ),
        function("small", &[("ret", None)]),
        function("big", &[("sub    $0x300,%rsp", None), ("ret", None)]),
        function("unrelated", &[("sub    $0x900,%rsp", None), ("ret", None)]),
    ]);
    let table = BTreeMap::from([(0, Reference::Function(1, 0)), (8, Reference::Function(2, 0))]);
    object.data.insert(7, Data { bytes: vec![0; 16], references: table });
    let depth = &stack::deepest(&Graph::new(&object), &[0]).expect("it is bounded")[0];
    assert_eq!(depth.bytes, 8 + 0x308);
}

#[test]
fn what_one_way_pushes_and_releases_does_not_count_on_another() {
    let mut object = object(vec![function(
        "forked",
        &[
            ("sub    $0x20,%rsp", None),
            ("je     0", None),
            ("push   %rbx", None),
            ("push   $0x1", None),
            ("call   0", external("of_c")),
            ("add    $0x10,%rsp", None),
            ("push   %rbx", None),
            ("call   0", external("of_c")),
            ("lea    0x28(%rsp),%rsp", None),
            ("ret", None),
        ],
    )]);
    object.functions[0].instructions[1].local_target = Some(6);
    assert_eq!(stack::frame_bytes(&object.functions[0], 0), Ok(8 + 0x20 + 16));
}

#[test]
fn a_push_in_a_loop_is_refused() {
    let mut object =
        object(vec![function("a", &[("push   %rbx", None), ("jmp    0", None), ("ret", None)])]);
    object.functions[0].instructions[1].local_target = Some(0);
    assert!(stack::frame_bytes(&object.functions[0], 0).is_err());
}

#[test]
fn recursion_and_frames_of_run_time_size_are_refused() {
    let circle = object(vec![
        function("a", &[("call   0", to(1)), ("ret", None)]),
        function("b", &[("call   0", to(0)), ("ret", None)]),
    ]);
    let error = stack::deepest(&Graph::new(&circle), &[0]).expect_err("a circle");
    assert_eq!(error, "recursion: a -> b -> a");
    let array = object(vec![function("a", &[("sub    %rax,%rsp", None), ("ret", None)])]);
    assert!(stack::deepest(&Graph::new(&array), &[0]).is_err());
}

#[test]
fn forbidden_instructions_are_named_as_the_options_ask() {
    let object = object(vec![function(
        "f",
        &[
            ("movaps %xmm0,(%rsp)", None),
            ("notrack jmp *%rax", None),
            ("call   *%rax", None),
            ("ret", None),
        ],
    )]);
    let graph = Graph::new(&object);
    let all = Config::new("CONFIG_RETURN_THUNK=y\nCONFIG_INDIRECT_THUNK=y\n".to_owned());
    assert_eq!(rules::instructions(&graph, &all).len(), 4);
    // Without thunks a plain return and a plain indirect call are what the compiler should emit.
    assert_eq!(rules::instructions(&graph, &Config::new(String::new())).len(), 2);
}

#[test]
fn an_address_taken_function_needs_its_mark() {
    let mut object = panicking();
    let config = Config::new("CONFIG_XEN_IBT=y\n".to_owned());
    assert_eq!(rules::landing_marks(&Graph::new(&object), &config), Vec::<String>::new());
    object.functions[2].instructions.remove(0);
    assert_eq!(rules::landing_marks(&Graph::new(&object), &config).len(), 1);
}
