//! Tests of [`super::tree`]: what counts as source, what a patch touches.

use super::tree::{is_build_product, patched_files, series_names};
use std::path::PathBuf;

#[test]
fn a_series_may_hold_comments_and_empty_lines() {
    let names: Vec<&str> = series_names("# hooks\n0001-a.patch\n\n0002-b.patch # why\n").collect();
    assert_eq!(names, ["0001-a.patch", "0002-b.patch"]);
}

#[test]
fn a_patch_touches_the_files_that_it_names_and_the_null_device_is_none() {
    let patch = "--- a/xen/common/Makefile\t2020\n+++ b/xen/common/Makefile\n@@ -1 +1 @@\n\
                 --- /dev/null\n+++ b/xen/common/new.c\n";
    let files: Vec<PathBuf> =
        patched_files(patch).into_iter().filter(|file| !file.ends_with("null")).collect();
    assert_eq!(files, [PathBuf::from("xen/common/Makefile"), PathBuf::from("xen/common/new.c")]);
}

#[test]
fn products_of_a_build_in_the_users_tree_are_not_source() {
    for name in [
        "mm.o",
        ".mm.o.d",
        ".mm.o.cmd",
        "xen-syms",
        "xen.gz",
        "xen-syms.map",
        "compile.h",
        ".config",
    ] {
        assert!(is_build_product(name), "{name}");
    }
    for name in ["mm.c", "Makefile", "xen.lds.S", "compile.h.in", "sizeof.S"] {
        assert!(!is_build_product(name), "{name}");
    }
}
