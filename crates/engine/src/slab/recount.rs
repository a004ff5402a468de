//! What a slab has, counted anew for the audits.

use super::{Slab, Slot};

impl<T: Slot, const N: usize, const INLINE: usize> Slab<T, N, INLINE> {
    /// Used slots, and blocks of metadata.
    pub(crate) fn recount(&self) -> (u32, u32) {
        let mut counts = (0, self.chunks.nr_blocks() + self.infos.nr_blocks());
        for at in 0..usize::from(self.nr_chunks) {
            if let (Some(Some(_)), Some(info)) = (self.chunks.get(at), self.infos.get(at)) {
                counts.0 += info.nr_used();
                counts.1 += 1;
            }
        }
        counts.0 -= self.desk.count_ones();
        counts
    }

    /// Blocks of metadata: those of a few chunks from number `from` on, and with the first all that
    /// are none of chunks. Where to go on; `None` at the end.
    pub(crate) fn count_blocks(&self, from: usize) -> (u32, Option<usize>) {
        let (chunks, next) = self.chunks.count_owned(from, self.nr_chunks.into());
        let others = self.chunks.nr_blocks() + self.infos.nr_blocks();
        (if from == 0 { others + chunks } else { chunks }, next)
    }
}
