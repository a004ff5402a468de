//! What the kernel tells about memory: how much there is, and whether ours lies in huge pages.

/// Percent of this program's own memory that must lie in huge pages for figures to mean something.
const PERCENT_MIN: u64 = 90;

/// What to say when this program's memory does not lie in huge pages; `None` when it does.
pub fn warning() -> Option<String> {
    let text = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap_or_default();
    warning_of(&text)
}

/// Memory that a program can have without others being pushed out, of the text of `/proc/meminfo`;
/// `None` when it is not told.
pub fn available_bytes(meminfo: &str) -> Option<u64> {
    kib(meminfo, "MemAvailable").map(|kib| kib * 1024)
}

/// The number of KiB that the kernel's table has beside `name`.
fn kib(table: &str, name: &str) -> Option<u64> {
    let line = table.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

fn warning_of(smaps: &str) -> Option<String> {
    let (Some(all), Some(huge)) = (kib(smaps, "Anonymous"), kib(smaps, "AnonHugePages")) else {
        return Some("cannot tell whether memory lies in huge pages".to_owned());
    };
    let is_huge = huge * 100 >= PERCENT_MIN * all;
    (!is_huge).then(|| {
        format!(
            "only {} of {} MiB lie in huge pages: floor and engine both miss the TLB more often than \
             in a hypervisor; see /sys/kernel/mm/transparent_hugepage/enabled",
            huge / 1024,
            all / 1024
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_pages_are_noticed() {
        let smaps = |huge: u32| {
            format!("Rss: 9 kB\nAnonymous:       102400 kB\nAnonHugePages:  {huge} kB\n")
        };
        assert_eq!(warning_of(&smaps(100_000)), None);
        let warning = warning_of(&smaps(51_200)).expect("a warning");
        assert!(warning.contains("50 of 100 MiB"), "{warning}");
        assert!(warning_of("").is_some());
    }

    #[test]
    fn available_memory_is_read_from_the_kernels_table() {
        let meminfo = "MemTotal:  100 kB\nMemFree:  1 kB\nMemAvailable:      40 kB\n";
        assert_eq!(available_bytes(meminfo), Some(40 * 1024));
        assert_eq!(available_bytes("MemTotal: 1 kB"), None);
    }
}
