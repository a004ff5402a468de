//! The files that W2 and W4 put: sizes after Pareto, most of them small, some of them large.

use crate::guest::Page;
use crate::rng::Rng;

/// The seed of the sizes.
const SIZES_SEED: u64 = 2002;
/// Pages of a file at most.
const FILE_PAGES_MAX: f64 = 4096.0;

/// Some files, page by page in file order.
#[derive(Clone, Debug)]
pub struct Files {
    /// The file and the index of each page.
    pages: Vec<(u32, u32)>,
    /// Pages of each file.
    sizes: Vec<u32>,
}

impl Files {
    /// Files of min(4096, floor(1/u)) pages each, u uniform, up to `nr_pages` pages in all.
    pub fn new(nr_pages: usize) -> Self {
        let mut rng = Rng::new(SIZES_SEED);
        let (mut pages, mut sizes) = (Vec::with_capacity(nr_pages), Vec::new());
        while pages.len() < nr_pages {
            let size = file_pages(rng.unit());
            let left = u32::try_from(nr_pages - pages.len()).unwrap_or(u32::MAX);
            let (file, size) = (u32::try_from(sizes.len()).unwrap_or(u32::MAX), size.min(left));
            pages.extend((0..size).map(|index| (file, index)));
            sizes.push(size);
        }
        Self { pages, sizes }
    }

    /// Pages in all.
    pub fn nr_pages(&self) -> usize {
        self.pages.len()
    }

    /// Files.
    pub fn nr_files(&self) -> usize {
        self.sizes.len()
    }

    /// Pages of file `file`.
    pub fn size(&self, file: usize) -> u32 {
        self.sizes[file]
    }

    /// The object of file `file`.
    pub const fn object(file: u64) -> u64 {
        1000 + file
    }

    /// The page `nth` in file order, in pool `pool`.
    pub fn page(&self, pool: u32, nth: usize) -> Page {
        let (file, index) = self.pages[nth];
        Page { pool, object: Self::object(u64::from(file)), index }
    }

    /// The file of the page `nth` in file order.
    pub fn file(&self, nth: usize) -> u32 {
        self.pages[nth].0
    }
}

/// Pages of a file for the uniform number `unit`.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 1 and 4096, rounded down on purpose"
)]
fn file_pages(unit: f64) -> u32 {
    (1.0 / unit).min(FILE_PAGES_MAX) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_follow_the_uniform_number_and_end_at_4096() {
        let sizes = [0.0, 1e-9, 0.001, 0.26, 0.25, 0.5, 0.999].map(file_pages);
        assert_eq!(sizes, [4096, 4096, 1000, 3, 4, 2, 1]);
    }

    #[test]
    fn files_hold_exactly_the_pages_asked_for() {
        let files = Files::new(10_000);
        assert_eq!(files.nr_pages(), 10_000);
        let sizes = (0..files.nr_files()).map(|file| files.size(file)).sum::<u32>();
        assert_eq!(sizes, 10_000);
        assert_eq!(files.page(3, 0), Page { pool: 3, object: 1000, index: 0 });
    }
}
