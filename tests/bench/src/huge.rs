//! Whether memory really lies in huge pages, as the kernel tells it.

/// Part of this program's own memory that must be in huge pages for figures to mean something.
const PART_MIN: f64 = 0.9;

/// What to say when this program's memory does not lie in huge pages; `None` when it does.
pub fn warning() -> Option<String> {
    let text = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap_or_default();
    warning_of(&text)
}

fn warning_of(smaps: &str) -> Option<String> {
    let kib = |name: &str| -> Option<f64> {
        let line = smaps.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.trim().strip_suffix("kB")?.trim().parse().ok()
    };
    let (Some(all), Some(huge)) = (kib("Anonymous"), kib("AnonHugePages")) else {
        return Some("cannot tell whether memory lies in huge pages".to_owned());
    };
    let is_huge = huge >= PART_MIN * all;
    (!is_huge).then(|| {
        format!(
            "only {:.0} of {:.0} MiB lie in huge pages: floor and engine both miss the TLB more \
             often than in a hypervisor; see /sys/kernel/mm/transparent_hugepage/enabled",
            huge / 1024.0,
            all / 1024.0
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
}
