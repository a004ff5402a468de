//! A small table with aligned columns, for the demonstration's summary.

use super::text::Text;
use core::fmt;

/// Bytes of the widest cell.
const CELL: usize = 32;

/// A table of `C` columns and at most `R` rows, the heading included. The first column is
/// left-aligned, the others right-aligned.
pub struct Table<const C: usize, const R: usize> {
    rows: [[Text<CELL>; C]; R],
    used: usize,
}

impl<const C: usize, const R: usize> Table<C, R> {
    /// A table with this heading.
    pub fn new(heading: [&str; C]) -> Self {
        let mut table = Self { rows: [[Text::EMPTY; C]; R], used: 0 };
        table.push(heading.map(|cell| Text::of(format_args!("{cell}"))));
        table
    }

    /// Adds a row; one too many is dropped.
    pub fn push(&mut self, row: [Text<CELL>; C]) {
        if let Some(place) = self.rows.get_mut(self.used) {
            *place = row;
            self.used += 1;
        }
    }

    /// Adds a row of a name and numbers.
    pub fn push_numbers<const M: usize>(&mut self, name: fmt::Arguments<'_>, numbers: [u64; M]) {
        let mut row = [Text::EMPTY; C];
        let (first, rest) = row.split_at_mut(1);
        for place in first {
            *place = Text::of(name);
        }
        for (place, number) in rest.iter_mut().zip(numbers) {
            *place = Text::of(format_args!("{number}"));
        }
        self.push(row);
    }

    /// Hands each line to `print`.
    pub fn lines(&self, mut print: impl FnMut(&str)) {
        let used = self.rows.get(..self.used).unwrap_or_default();
        let mut widths = [0; C];
        for row in used {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.as_str().chars().count().max(*width);
            }
        }
        for row in used {
            let mut line = Text::<200>::EMPTY;
            for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
                // Never an error: text that does not fit is cut off.
                let _cut = match column {
                    0 => fmt::write(&mut line, format_args!("{cell:<width$}")),
                    _ => fmt::write(&mut line, format_args!("  {cell:>width$}")),
                };
            }
            print(line.as_str());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Table;

    #[test]
    fn columns_are_aligned() {
        let mut table = Table::<3, 3>::new(["pool", "put", "hits"]);
        table.push_numbers(format_args!("persistent"), [1, 100_000]);
        table.push_numbers(format_args!("b"), [22_222, 3]);
        table.push_numbers(format_args!("one too many"), [0, 0]);
        let mut lines = Vec::new();
        table.lines(|line| lines.push(line.to_owned()));
        let want =
            ["pool          put    hits", "persistent      1  100000", "b           22222       3"];
        assert_eq!(lines, want);
    }
}
