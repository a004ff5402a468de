//! What a slab has, counted anew for the audits.

use super::{Slab, Slot};

/// Chunks that one slice counts.
pub(crate) const CHUNKS_PER_SLICE: usize = 256;

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
        let others = self.chunks.nr_blocks() + self.infos.nr_blocks();
        let end = usize::from(self.nr_chunks);
        let next = from.saturating_add(CHUNKS_PER_SLICE).min(end);
        let is_there = |&at: &usize| self.chunks.owned(at).is_some();
        let chunks = (from..next).filter(is_there).fold(0, |count, _| count + 1);
        (if from == 0 { others + chunks } else { chunks }, (next < end).then_some(next))
    }
}
