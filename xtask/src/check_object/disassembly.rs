//! The text that `objdump -d -w --no-show-raw-insn` prints, as lines of an address and a text.

use std::collections::HashMap;

/// One instruction as printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// Address in its section.
    pub(crate) address: u64,
    /// The mnemonic without prefixes.
    pub(crate) mnemonic: String,
    /// The whole text.
    pub(crate) text: String,
    /// For a direct jump or call: the address printed as target.
    pub(crate) target: Option<u64>,
}

/// Words that stand before a mnemonic.
const PREFIXES: &[&str] = &[
    "notrack", "bnd", "rep", "repz", "repnz", "lock", "data16", "addr32", "cs", "ds", "es", "fs",
    "gs", "ss", "rex", "rex.W",
];

/// Reads the whole text; the lines of each section in order.
pub(crate) fn by_section(text: &str) -> HashMap<&str, Vec<Line>> {
    let mut sections: HashMap<&str, Vec<Line>> = HashMap::new();
    let mut current = "";
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("Disassembly of section ") {
            current = name.trim_end_matches(':');
        } else if let Some(line) = parse_line(line) {
            sections.entry(current).or_default().push(line);
        }
    }
    sections
}

fn parse_line(line: &str) -> Option<Line> {
    let (address, text) = line.split_once(":\t")?;
    let address = u64::from_str_radix(address.trim(), 16).ok()?;
    let text = text.split('#').next().unwrap_or_default().trim().to_owned();
    let mut words = text.split_whitespace().skip_while(|word| PREFIXES.contains(word));
    let mnemonic = words.next().unwrap_or_default().to_owned();
    let is_branch = mnemonic.starts_with('j') || mnemonic.starts_with("call");
    let target = words.next().filter(|_| is_branch);
    let target = target.and_then(|word| u64::from_str_radix(word, 16).ok());
    Some(Line { address, mnemonic, text, target })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "
o.o:     file format elf64-x86-64


Disassembly of section .text.f:

0000000000000000 <f>:
   0:\tpush   %rbx
   1:\tsub    $0xf0,%rsp
  1c:\tcall   21 <f+0x21>
  21:\tnotrack jmp *%rax
  24:\tlea    0x0(%rip),%rcx        # 2b <f+0x2b>

Disassembly of section .text.g:

0000000000000000 <g>:
   0:\trep stos %al,%es:(%rdi)
   2:\tje     0 <g>
";

    #[test]
    fn each_section_has_its_own_lines() {
        let sections = by_section(TEXT);
        assert_eq!(sections[".text.f"].len(), 5);
        assert_eq!(sections[".text.g"].len(), 2);
    }

    #[test]
    fn a_prefix_is_no_mnemonic_and_stays_in_the_text() {
        let sections = by_section(TEXT);
        let jump = &sections[".text.f"][3];
        assert_eq!((jump.mnemonic.as_str(), jump.text.as_str()), ("jmp", "notrack jmp *%rax"));
        assert_eq!(jump.target, None);
        assert_eq!(sections[".text.g"][0].mnemonic, "stos");
    }

    #[test]
    fn direct_branches_have_a_target_and_nothing_else_has() {
        let sections = by_section(TEXT);
        assert_eq!(sections[".text.f"][2].target, Some(0x21));
        assert_eq!(sections[".text.g"][1].target, Some(0));
        assert_eq!(sections[".text.f"][4].target, None);
    }
}
