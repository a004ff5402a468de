//! The guest's command line: words separated by blanks, unknown ones ignored.

/// The boot that cases belong to, as `cases.toml` names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Boot {
    /// tmem on, memory to spare.
    Default,
    /// tmem on, a machine so small that pages are evicted soon.
    Small,
    /// As `Default`, on a Xen that says nothing of a guest's bad requests.
    Frames,
    /// tmem built in, but not asked for on Xen's command line.
    Off,
    /// tmem on, with a security policy that denies it to the guest's label.
    Denied,
    /// A small machine that runs nothing but the demonstration.
    Demo,
    /// As [`Boot::Default`], the guest being a PVH domain that calls from 64-bit mode.
    Pvh64,
    /// The same, with every tmem call made from 32-bit mode.
    Pvh32,
    /// tmem on, one case that makes millions of calls.
    Storm,
    /// The same, the guest being a PVH domain that calls from 64-bit mode.
    StormPvh64,
    /// The same from 32-bit mode.
    StormPvh32,
    /// tmem on, a processor that can run PVH domains: other domains are built.
    Domains,
    /// The same on a Xen that does not use the processor's nested paging: it shadows tables.
    DomainsShadow,
    /// The same on two processors.
    DomainsSmp,
    /// The same on four.
    DomainsFour,
    /// The same as `DomainsSmp`, for cases that take long.
    DomainsLong,
    /// A small machine on which other domains are built when all its memory is full.
    Memory,
    /// The same with two nodes.
    MemoryNodes,
    /// The same with four processors.
    MemorySmp,
    /// The same as `MemorySmp`, for cases that take long.
    MemoryLong,
    /// The same with memory above 4 GiB.
    MemoryHigh,
    /// A machine that counts instructions.
    Price,
}

impl Boot {
    /// The name in `cases.toml` and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Small => "small",
            Self::Frames => "frames",
            Self::Off => "off",
            Self::Denied => "denied",
            Self::Demo => "demo",
            Self::Pvh64 => "pvh64",
            Self::Pvh32 => "pvh32",
            Self::Storm => "storm",
            Self::StormPvh64 => "storm-pvh64",
            Self::StormPvh32 => "storm-pvh32",
            Self::Domains => "domains",
            Self::DomainsShadow => "domains-shadow",
            Self::DomainsSmp => "domains-smp",
            Self::DomainsFour => "domains-four",
            Self::DomainsLong => "domains-long",
            Self::Memory => "memory",
            Self::MemoryNodes => "memory-nodes",
            Self::MemorySmp => "memory-smp",
            Self::MemoryLong => "memory-long",
            Self::MemoryHigh => "memory-high",
            Self::Price => "price",
        }
    }
}

/// The command line, read as often as needed: there is nowhere to keep a parsed copy.
#[derive(Clone, Copy, Debug)]
pub struct Args<'a>(&'a str);

impl<'a> Args<'a> {
    /// Wraps a command line.
    pub const fn new(line: &'a str) -> Self {
        Self(line)
    }

    /// Whether the word stands alone on the line.
    pub fn has(self, word: &str) -> bool {
        self.0.split_whitespace().any(|found| found == word)
    }

    /// The values of every `key=value` word with that key.
    pub fn values(self, key: &str) -> impl Iterator<Item = &'a str> {
        self.0.split_whitespace().filter_map(move |word| word.strip_prefix(key)?.strip_prefix('='))
    }

    /// The case names that `run=` gives; an empty list means that there was no such word.
    pub fn run(self) -> impl Iterator<Item = &'a str> {
        self.values("run").flat_map(|names| names.split(',')).filter(|name| !name.is_empty())
    }

    /// The `seed=` word, decimal or 0x-hexadecimal.
    pub fn seed(self) -> Option<u64> {
        let text = self.values("seed").next()?;
        match text.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16).ok(),
            None => text.parse().ok(),
        }
    }

    /// Whether the line asks for the case `name`, which belongs to `boots`.
    pub fn selects(self, name: &str, boots: &[Boot]) -> bool {
        if self.has("list") {
            false
        } else if self.has("demo") {
            boots.contains(&Boot::Demo)
        } else if self.run().next().is_some() {
            self.run().any(|wanted| wanted == name)
        } else {
            let mut wanted = self.values("boot");
            wanted.next().is_none_or(|wanted| boots.iter().any(|boot| boot.name() == wanted))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Args, Boot};

    #[test]
    fn nothing_selects_everything_and_a_boot_selects_its_own() {
        assert!(Args::new("").selects("a", &[Boot::Small]));
        assert!(Args::new("noapic boot=small").selects("a", &[Boot::Small]));
        assert!(!Args::new("boot=small").selects("a", &[Boot::Default]));
        assert!(Args::new("boot=pvh32").selects("a", &[Boot::Default, Boot::Pvh32]));
    }

    #[test]
    fn run_selects_by_whole_name() {
        let args = Args::new("boot=small run=put-get,storm run=addressing");
        assert!(args.selects("storm", &[Boot::Default]));
        assert!(args.selects("addressing", &[Boot::Default]));
        assert!(!args.selects("put", &[Boot::Small]));
        assert_eq!(args.run().count(), 3);
    }

    #[test]
    fn demo_and_list() {
        assert!(Args::new("demo").selects("demo", &[Boot::Demo]));
        assert!(!Args::new("demo").selects("a", &[Boot::Small]));
        assert!(!Args::new("list").selects("demo", &[Boot::Demo]));
    }

    #[test]
    fn seeds() {
        assert_eq!(Args::new("seed=12").seed(), Some(12));
        assert_eq!(Args::new("x seed=0xff").seed(), Some(255));
        assert_eq!(Args::new("seed=no").seed(), None);
        assert_eq!(Args::new("").seed(), None);
    }
}
