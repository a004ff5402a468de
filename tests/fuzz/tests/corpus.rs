//! The committed corpus, run as ordinary tests: no instrumentation, no libFuzzer.

use std::fs;
use std::path::Path;
use tmem_fuzz::TARGETS;

#[test]
fn every_committed_input_agrees_with_the_model() {
    for (target, entry) in TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
        let mut nr_inputs = 0;
        for file in fs::read_dir(&folder).expect("the corpus is there") {
            let path = file.expect("it can be listed").path();
            // Shown when the test fails.
            println!("{}", path.display());
            entry(&fs::read(&path).expect("it can be read"));
            nr_inputs += 1;
        }
        assert!(nr_inputs > 0, "no input in {}", folder.display());
    }
}

#[test]
fn every_target_has_a_binary_and_every_binary_a_target() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("targets");
    let files = fs::read_dir(folder).expect("the binaries are there");
    let mut names: Vec<String> = files
        .map(|file| file.expect("it can be listed").path())
        .filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned()))
        .collect();
    names.sort_unstable();
    assert_eq!(names, TARGETS.map(|(name, _)| name));
}
