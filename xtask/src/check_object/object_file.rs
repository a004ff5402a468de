//! A relocatable object as functions of instructions that refer to each other.
//!
//! Symbols, sections and relocations come from the file, instructions from objdump's text. Must
//! not know what is allowed in an object; its neighbours [`super::graph`] and [`super::rules`] do.

use super::disassembly::{self, Line};
use crate::process::Program;
use anyhow::{Context, Result};
use object::{
    Object, ObjectSection, ObjectSymbol, RelocationTarget, SectionIndex, SectionKind, SymbolKind,
};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// What an instruction or a data word refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reference {
    /// A place in a function: its number and the offset from its start.
    Function(usize, u64),
    /// A place in a data section: the section and the offset in it.
    Data(usize, u64),
    /// A name that the object does not define.
    External(String),
}

/// One instruction.
#[derive(Clone, Debug)]
pub(crate) struct Instruction {
    /// Offset from the function's start.
    pub(crate) offset: u64,
    /// The mnemonic without prefixes, as objdump writes it.
    pub(crate) mnemonic: String,
    /// The whole text, prefixes and operands included.
    pub(crate) text: String,
    /// For a jump or call inside the section: the target's offset from the function's start.
    pub(crate) local_target: Option<u64>,
    /// What its relocation refers to.
    pub(crate) reference: Option<Reference>,
}

/// One function.
#[derive(Clone, Debug)]
pub(crate) struct Function {
    /// The symbol.
    pub(crate) symbol: String,
    /// Its code.
    pub(crate) instructions: Vec<Instruction>,
}

impl Function {
    /// The name for people: demangled, without a hash.
    pub(crate) fn name(&self) -> String {
        format!("{:#}", rustc_demangle::demangle(&self.symbol))
    }
}

/// A section that is not code.
#[derive(Clone, Debug, Default)]
pub(crate) struct Data {
    /// The bytes in the file.
    pub(crate) bytes: Vec<u8>,
    /// What each relocated word refers to, by its offset.
    pub(crate) references: BTreeMap<u64, Reference>,
}

/// The object.
#[derive(Clone, Debug, Default)]
pub(crate) struct ObjectFile {
    /// Every function.
    pub(crate) functions: Vec<Function>,
    /// Every data section, by its number in the file.
    pub(crate) data: BTreeMap<usize, Data>,
}

/// Where a function lies.
#[derive(Clone, Copy, Debug)]
struct Extent {
    section: SectionIndex,
    start: u64,
    end: u64,
}

impl ObjectFile {
    /// Reads an object and its disassembly.
    ///
    /// # Errors
    /// When it is no object, or objdump fails.
    pub(crate) fn read(file: &Path) -> Result<Self> {
        let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        let elf = object::File::parse(&*bytes)
            .with_context(|| format!("{} is no object", file.display()))?;
        let text = Program::new("objdump")
            .args(["-d", "-w", "--no-show-raw-insn"])
            .arg(file)
            .env("LC_ALL", "C")
            .text()?;
        let lines = disassembly::by_section(&text);

        let mut functions = Vec::new();
        let mut extents = Vec::new();
        for symbol in elf.symbols().filter(|symbol| symbol.kind() == SymbolKind::Text) {
            let Some(section) = symbol.section_index().filter(|_| symbol.size() > 0) else {
                continue;
            };
            let start = symbol.address();
            extents.push(Extent { section, start, end: start + symbol.size() });
            let symbol = symbol.name()?.to_owned();
            functions.push(Function { symbol, instructions: Vec::new() });
        }
        let reader = Reader { elf: &elf, extents: &extents };
        for (function, extent) in functions.iter_mut().zip(&extents) {
            let section = elf.section_by_index(extent.section)?;
            let lines = lines.get(section.name()?).map_or(&[][..], Vec::as_slice);
            function.instructions = reader.instructions(*extent, lines)?;
        }
        let mut data = BTreeMap::new();
        for section in elf.sections().filter(|section| section.kind() != SectionKind::Text) {
            let bytes = section.data().unwrap_or_default().to_vec();
            let references = reader.references(section.index(), |_, addend| addend)?;
            data.insert(section.index().0, Data { bytes, references });
        }
        Ok(Self { functions, data })
    }

    /// The function of a symbol.
    pub(crate) fn function(&self, symbol: &str) -> Option<usize> {
        self.functions.iter().position(|function| function.symbol == symbol)
    }
}

struct Reader<'a> {
    elf: &'a object::File<'a>,
    extents: &'a [Extent],
}

impl Reader<'_> {
    fn instructions(&self, extent: Extent, lines: &[Line]) -> Result<Vec<Instruction>> {
        let mine: Vec<&Line> = lines
            .iter()
            .filter(|line| (extent.start..extent.end).contains(&line.address))
            .collect();
        let end_of =
            |place: u64| mine.iter().map(|line| line.address).find(|address| *address > place);
        // A relative address counts from the end of its instruction, wherever the field lies.
        let references = self.references(extent.section, |place, addend| {
            let end = end_of(place).unwrap_or(extent.end);
            addend.wrapping_add_unsigned(end.saturating_sub(place))
        })?;
        let mut instructions = Vec::new();
        for line in &mine {
            let end = end_of(line.address).unwrap_or(extent.end);
            let reference = references.range(line.address..end).next();
            instructions.push(Instruction {
                offset: line.address - extent.start,
                mnemonic: line.mnemonic.clone(),
                text: line.text.clone(),
                local_target: line
                    .target
                    .filter(|_| reference.is_none())
                    .and_then(|target| target.checked_sub(extent.start)),
                reference: reference.map(|(_, reference)| reference.clone()),
            });
        }
        Ok(instructions)
    }

    /// The relocations of a section; `adjust` turns place and addend into an offset.
    fn references(
        &self,
        section: SectionIndex,
        adjust: impl Fn(u64, i64) -> i64,
    ) -> Result<BTreeMap<u64, Reference>> {
        let mut references = BTreeMap::new();
        for (place, relocation) in self.elf.section_by_index(section)?.relocations() {
            let RelocationTarget::Symbol(index) = relocation.target() else {
                continue;
            };
            let symbol = self.elf.symbol_by_index(index)?;
            let reference = match symbol.section_index() {
                None => Reference::External(symbol.name()?.to_owned()),
                Some(section) => {
                    let offset = adjust(place, relocation.addend());
                    self.place(section, symbol.address().wrapping_add_signed(offset))
                }
            };
            references.insert(place, reference);
        }
        Ok(references)
    }

    fn place(&self, section: SectionIndex, address: u64) -> Reference {
        let found = self.extents.iter().position(|extent| {
            extent.section == section && (extent.start..extent.end).contains(&address)
        });
        match found {
            Some(number) => Reference::Function(number, address - self.extents[number].start),
            None => Reference::Data(section.0, address),
        }
    }
}
