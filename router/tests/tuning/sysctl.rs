//! The sysctl file and the limits.

use std::path::Path;

use crate::{page, settings, tuning};

/// Keys that every Linux with a network has.
const PRESENT_LEAST: usize = 10;

/// Key and value of every line, and whether the key may be missing.
fn keys(text: &str) -> Vec<(bool, &str, &str)> {
    let parsed = settings(text).into_iter().map(|line| {
        let (key, value) = line.split_once('=').unwrap();
        let key = key.trim();
        let optional = key.strip_prefix('-');
        (optional.is_some(), optional.unwrap_or(key), value.trim())
    });
    parsed.collect()
}

#[test]
fn every_key_exists_in_this_kernel_or_may_be_missing() {
    let text = tuning("sysctl.d/90-slipring.conf");
    let mut present = 0;
    for (is_optional, key, value) in keys(&text) {
        assert!(!value.is_empty(), "{key}");
        let path = format!("/proc/sys/{}", key.replace('.', "/"));
        // A namespace of its own hides some keys, and a kernel before 6.6 has not all.
        let is_there = Path::new(&path).exists();
        present += usize::from(is_there);
        let newer = key == "kernel.io_uring_disabled";
        let is_hidden = !Path::new(&path).parent().unwrap().exists();
        assert!(is_there || is_optional || newer || is_hidden, "{key}");
        if let Ok(now) = std::fs::read_to_string(&path) {
            let fields = |text: &str| text.split([',', '\t', ' ']).count();
            let is_list = key.ends_with("_ports");
            assert!(
                is_list || fields(now.trim()) == fields(value),
                "{key}: {now} and {value}"
            );
        }
    }
    assert!(present >= PRESENT_LEAST, "{present} keys exist");
}

#[test]
fn every_key_is_explained_on_the_page() {
    let page = page();
    let text = tuning("sysctl.d/90-slipring.conf");
    for (_, key, _) in keys(&text) {
        assert!(page.contains(&format!("`{key}`")), "{key}");
    }
    for line in settings(&tuning("limits.d/90-slipring.conf")) {
        let item = line.split_whitespace().nth(2).unwrap();
        assert!(page.contains(&format!("`{item}`")), "{item}");
    }
}

#[test]
fn limits_have_four_fields_and_hold_the_defaults() {
    let text = tuning("limits.d/90-slipring.conf");
    for line in settings(&text) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [domain, kind, item, value] = fields[..] else {
            panic!("{line}");
        };
        assert_eq!(domain, "slipring");
        assert!(matches!(kind, "soft" | "hard"), "{line}");
        let value: u64 = value.parse().unwrap();
        match item {
            // Every link of the default configuration, with room.
            "nofile" => assert!(value > 65_536 + 1_024, "{line}"),
            // 512 KiB for each shard.
            "memlock" => assert!(value >= 512 * 16, "{line}"),
            "core" => assert_eq!(value, 0),
            _ => panic!("{line}"),
        }
    }
}
