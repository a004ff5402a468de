//! Describes a host before it is made.

use crate::host::SimHost;

/// A domain to be made.
#[derive(Clone, Copy, Debug)]
pub struct DomainSpec {
    /// Its number.
    pub id: u16,
    /// Frames that it can name, 0 to `nr_gfns - 1`.
    pub nr_gfns: usize,
    /// Frames that its own memory counts.
    pub nr_own: u32,
    /// The most that its own memory and tmem's charges may come to, in frames.
    pub nr_max: u32,
}

impl DomainSpec {
    /// Domain `id` with 16 frames to name and no limit worth speaking of.
    pub const fn new(id: u16) -> Self {
        Self { id, nr_gfns: 16, nr_own: 0, nr_max: u32::MAX }
    }

    /// The same with a maximum of `nr_max` frames.
    #[must_use]
    pub const fn max(self, nr_max: u32) -> Self {
        Self { nr_max, ..self }
    }

    /// The same with `nr_gfns` frames to name.
    #[must_use]
    pub const fn gfns(self, nr_gfns: usize) -> Self {
        Self { nr_gfns, ..self }
    }
}

/// A host to be made; see [`SimHost::builder`].
#[derive(Clone, Debug)]
#[must_use]
pub struct Builder {
    pub(crate) nr_frames: usize,
    pub(crate) nr_reserve: usize,
    pub(crate) nr_metadata_max: u64,
    pub(crate) is_metadata_in_frames: bool,
    pub(crate) nr_cpus: usize,
    pub(crate) domains: Vec<DomainSpec>,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            nr_frames: 1000,
            nr_reserve: 0,
            nr_metadata_max: u64::MAX,
            is_metadata_in_frames: false,
            nr_cpus: 1,
            domains: Vec::new(),
        }
    }
}

impl Builder {
    /// Frames for pages, the reserve included; 1000 unless said.
    pub fn frames(mut self, nr_frames: usize) -> Self {
        self.nr_frames = nr_frames;
        self
    }

    /// Frames of these that are never handed out; none unless said.
    pub fn reserve(mut self, nr_reserve: usize) -> Self {
        self.nr_reserve = nr_reserve;
        self
    }

    /// The most frames of metadata; no limit unless said.
    pub fn metadata(mut self, nr_metadata_max: u64) -> Self {
        self.nr_metadata_max = nr_metadata_max;
        self
    }

    /// Metadata takes its room from the frames, as on a real host; unless said it has its own.
    pub fn metadata_in_frames(mut self) -> Self {
        self.is_metadata_in_frames = true;
        self
    }

    /// CPUs, each with a spare frame beside the host's frames; 1 unless said.
    pub fn cpus(mut self, nr_cpus: usize) -> Self {
        self.nr_cpus = nr_cpus.max(1);
        self
    }

    /// One more domain.
    pub fn domain(mut self, spec: DomainSpec) -> Self {
        self.domains.push(spec);
        self
    }

    /// The domains 1 to `nr_domains`, without limits.
    pub fn domains(mut self, nr_domains: u16) -> Self {
        self.domains.extend((1..=nr_domains).map(DomainSpec::new));
        self
    }

    /// Makes the host.
    pub fn build(self) -> SimHost {
        SimHost::new(&self)
    }
}
