use std::time::Duration;

use crate::cli::flags::{Setting, settings};
use crate::identity::Identity;
use crate::pace::{Load, Stream};
use crate::plan::Shape;
use crate::plans::ReadyMade;
use crate::sizes::Sizes;

use super::*;

fn parse_words(words: &str) -> Result<Command, String> {
    parse(words.split_whitespace())
}

fn plan(words: &str) -> Plan {
    let Command::Run(plan) = parse_words(words).unwrap() else {
        panic!("not a run")
    };
    *plan
}

#[test]
fn defaults_are_one_pair_in_a_closed_loop() {
    let plan = plan("run 127.0.0.1:1");
    assert_eq!(plan.shape, Shape::Pairs { pairs: 1 });
    assert_eq!(plan.load, Load::Closed { window: 1_024 });
    assert_eq!(plan.sizes, Sizes::one(256));
    assert_eq!((plan.identity, plan.churn), (Identity::None, None));
}

/// A value that means something for the setting, and what must be given beside it.
fn example(verb: Verb, setting: &Setting) -> (&'static str, &'static str) {
    match setting.name {
        "plan" => {
            let fits = |plan: &&ReadyMade| plan.verb == verb;
            (
                PLANS
                    .iter()
                    .find(fits)
                    .map_or("pairs-256", |plan| plan.name),
                "",
            )
        }
        "stalled" => ("1", "--fanout 2"),
        "mac" => ("off", ""),
        "sizes" => ("64:1", ""),
        "identity" => ("static", ""),
        "identity-pool" => ("70000", "--identity fresh"),
        "token-rate" => ("50", "--stream 8"),
        "churn-links" => ("2", "--churn-subscribe 5"),
        "trace-syscalls" => ("1", "--pid 1"),
        "frame-bytes" => ("16384", ""),
        "cpus" => ("1", ""),
        _ => ("99", ""),
    }
}

#[test]
fn every_documented_flag_is_read() {
    let elsewhere = |verb: Verb, name: &str| {
        let needs_files = ["ca", "cert", "key", "target-cpu"].contains(&name);
        needs_files || name.starts_with("spawn") || (verb == Verb::Compare && name == "pid")
    };
    for verb in Verb::ALL {
        for setting in settings(verb).filter(|setting| !elsewhere(verb, setting.name)) {
            let (value, beside) = example(verb, setting);
            let operands = match verb {
                Verb::Compare => "127.0.0.1:1 127.0.0.1:2",
                Verb::Run | Verb::Soak | Verb::Storm | Verb::Report => "127.0.0.1:1",
            };
            let (verb, name) = (verb.name(), setting.name);
            let words = format!("{verb} {operands} --{name} {value} {beside}");
            assert!(
                parse_words(&words).is_ok(),
                "{words}: {:?}",
                parse_words(&words)
            );
            // A value that nobody reads would be taken without a word.
            if !["html", "plan", "json", "server-name"].contains(&name) {
                let words = format!("{verb} {operands} --{name} nonsense {beside}");
                let refused = parse_words(&words).unwrap_err();
                assert!(
                    refused.contains(&format!("--{name} nonsense: ")),
                    "{words}: {refused}"
                );
            }
        }
    }
}

#[test]
fn help_names_every_flag_and_begins_with_what_to_type() {
    for verb in Verb::ALL {
        let words = format!("help {}", verb.name());
        let Ok(Command::Print(help)) = parse_words(&words) else {
            panic!("{words}")
        };
        for Setting { name, value, .. } in settings(verb) {
            assert!(help.contains(&format!("--{name} {value}")), "{name}");
        }
    }
    let Ok(Command::Print(help)) = parse_words("--help") else {
        panic!("no help")
    };
    let at = |what: &str| help.find(what).unwrap();
    assert!(at("examples") < at("commands"));
}

#[test]
fn mistakes_are_named() {
    for (words, expected) in [
        ("run", "which TARGET?"),
        ("rum 127.0.0.1:1", "did you mean \"run\"?"),
        (
            "run 127.0.0.1:1 --size 8",
            "--size 8: expected a whole number from 32",
        ),
        ("run 127.0.0.1:1 --rate 0", "--rate 0: expected a positive"),
        (
            "run 127.0.0.1:1 --window 3 --rate 9",
            "choose window or rate",
        ),
        (
            "run 127.0.0.1:1 --pairs 1 --fanout 2",
            "choose one of pairs",
        ),
        ("run 127.0.0.1:1 --stalled 1", "it needs fanout"),
        ("run 127.0.0.1:1 --hold 1", "belongs to loadgen storm"),
        (
            "run 127.0.0.1:1 --identity-bytes 9",
            "did you mean \"identity\"?",
        ),
        ("run 127.0.0.1:1 --identity fresh:5", "--identity fresh:5"),
        ("run 127.0.0.1:1 --identity-pool 70000", "identity fresh"),
        (
            "run 127.0.0.1:1 --identity fresh --identity-pool 9",
            "65536",
        ),
        ("run 127.0.0.1:1 --sizes 256", "--sizes 256"),
        (
            "run 127.0.0.1:1 --size 64 --sizes 64:1",
            "choose size or sizes",
        ),
        ("run 127.0.0.1:1 --token-rate 9", "it needs stream"),
        (
            "run 127.0.0.1:1 --stream 9 --token-rate 9 --window 1",
            "wait for a window",
        ),
        (
            "run 127.0.0.1:1 --stream 9 --token-rate 9 --rate 10",
            "at most 9 in all",
        ),
        ("run 127.0.0.1:1 --churn-links 1", "churn-subscribe"),
        (
            "run 127.0.0.1:1 --instances 5 --churn-connect 1",
            "no load beside",
        ),
        ("run 127.0.0.1:1 --instances 5 --links 0", "at least one"),
        ("run 127.0.0.1:1 --trace-syscalls 1", "it needs --pid"),
        ("run 127.0.0.1:1 --cert a --ca b", "No such file"),
        ("run https://127.0.0.1:1", "--ca"),
        ("run 127.0.0.1:1 --frame-bytes 100", "16384"),
        ("run 127.0.0.1:1 127.0.0.1:2", "127.0.0.1:2"),
        (
            "run 127.0.0.1:1 --plan pairs-265",
            "did you mean \"pairs-256\"?",
        ),
        ("soak 127.0.0.1:1 --interval 0", "an interval takes time"),
        ("storm 127.0.0.1:1 --links 0", "from 1 to"),
        ("storm", "which TARGET?"),
    ] {
        let refused = parse_words(words).unwrap_err();
        assert!(refused.contains(expected), "{words}: {refused}");
    }
}

#[test]
fn what_a_broker_has_no_word_for_is_named() {
    for (words, expected) in [
        ("storm nats://a:1", "nats://a:1 is none"),
        ("storm 127.0.0.1:1 --spawn x", "--spawn"),
        (
            "run nats://a:1 --stalled 1 --fanout 2",
            "--stalled 1: it is a matter of SLIM",
        ),
        ("run nats://a:1 --instances 9", "SLIM"),
        ("run mqtt://a:1 --identity static", "speaks mqtt"),
        ("run nats://a:1 --mac off", "--mac off: it is"),
        ("run nats://a:1 --frame-bytes 16384", "SLIM"),
        ("run nats://a:1 --stream 9", "--stream 9"),
        ("run nats://a:1 --churn-connect 9", "--churn-connect 9"),
        ("run nats://a:1 --ca /nowhere", "No such file"),
        (
            "run nats://a:1 --plan identity-fresh",
            "identity-fresh.toml:",
        ),
        (
            "compare 127.0.0.1:1 nats://a:1 --plan tokens",
            "tokens.toml:",
        ),
        ("compare 127.0.0.1:1 nats://a:1 --plan churn", "churn.toml:"),
        (
            "compare 127.0.0.1:1 127.0.0.1:2 --plan instances",
            "loadgen run",
        ),
        ("compare nats://a:1 mqtt://a:1 --mac off", "--mac"),
    ] {
        let refused = parse_words(words).unwrap_err();
        assert!(refused.contains(expected), "{words}: {refused}");
    }
}

#[test]
fn mistakes_with_several_or_started_targets_are_named() {
    for (words, expected) in [
        ("compare 127.0.0.1:1", "two"),
        ("compare a=nats://a:1 a=mqtt://a:1", "label"),
        ("compare nats://a:1,pid=x mqtt://a:1", "pid"),
        ("compare nats://a:1 mqtt://a:1 --pid 7", "pid="),
        ("compare nats://a:1 mqtt://a:1 --rounds 0", "--rounds 0"),
        ("run 127.0.0.1:1 --rounds 2", "loadgen compare"),
        ("run 127.0.0.1:1 --target-cpu 0", "spawned"),
        ("run 127.0.0.1:1 --spawn-tls on", "spawned"),
        ("run --spawn-nats /no/such/server", "/no/such/server"),
        ("run --spawn-slipring /no/such/router", "/no/such/router"),
        ("run --spawn-reference /no/such/node", "/no/such/node"),
        ("run --spawn-mqtt /no/such/broker", "/no/such/broker"),
        ("run --spawn 127.0.0.1:1", "a second"),
        ("report", "FILES"),
        ("report a.json --json b", "--json"),
    ] {
        let refused = parse_words(words).unwrap_err();
        assert!(refused.contains(expected), "{words}: {refused}");
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let words = "run --size 8 --windo 3 --rate x --cpus y --plan no-such-plan";
    let refused = parse_words(words).unwrap_err();
    assert_eq!(refused.lines().count(), 6, "{refused}");
}

#[test]
fn every_ready_made_plan_is_sound_and_says_what_it_is_for() {
    for plan in PLANS {
        let words = format!("{} 127.0.0.1:1 --plan {}", plan.verb.name(), plan.name);
        assert!(parse_words(&words).is_ok(), "{:?}", parse_words(&words));
        let source = Source::find(plan.name).ok().unwrap();
        let about = contents(plan.verb, &source).about.unwrap();
        assert!((20..100).contains(&about.len()), "{}: {about}", plan.name);
        let Command::Print(list) = parse_words("plans").unwrap() else {
            panic!("no list")
        };
        assert!(list.contains(&about), "{}", plan.name);
    }
}

#[test]
fn a_ready_made_plan_yields_to_flags() {
    let as_it_is = plan("run 127.0.0.1:1 --plan pairs-256");
    assert_eq!(as_it_is.shape, Shape::Pairs { pairs: 16 });
    let changed = plan("run 127.0.0.1:1 --plan pairs-256 --fanout 3 --rate 100");
    let fanout = Shape::Fanout {
        subscribers: 3,
        stalled: 0,
    };
    assert_eq!(changed.shape, fanout);
    assert_eq!(changed.load, Load::Open { rate: 100.0 });
    assert_eq!(changed.sizes, as_it_is.sizes);
}

#[test]
fn a_file_on_disk_is_a_plan_and_its_mistakes_have_lines() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.toml");
    std::fs::write(&path, "incast = 3\nsize = 64\n").unwrap();
    let words = ["run", "127.0.0.1:1", "--plan", path.to_str().unwrap()];
    let Ok(Command::Run(plan)) = parse(words) else {
        panic!("not a run")
    };
    assert_eq!(plan.shape, Shape::Incast { publishers: 3 });
    std::fs::write(&path, "incast = 3\nsize = 6\nwindow = 0\n").unwrap();
    let refused = parse(words).unwrap_err();
    assert!(
        refused.contains("mine.toml:2: size = 6: expected"),
        "{refused}"
    );
    assert!(
        refused.contains("mine.toml:3: window = 0: expected"),
        "{refused}"
    );
}

#[test]
fn streams_of_tokens_have_a_pace_of_their_own() {
    let stream = |tokens, interval_ns| {
        Some(Stream {
            tokens,
            interval_ns,
        })
    };
    let paced = plan("run 127.0.0.1:1 --pairs 4 --stream 64 --token-rate 100");
    assert_eq!(paced.load, Load::Open { rate: 400.0 });
    assert_eq!(paced.stream, stream(64, 1e7));
    let rare = plan("run 127.0.0.1:1 --pairs 4 --stream 64 --token-rate 100 --rate 40");
    assert_eq!(rare.load, Load::Open { rate: 40.0 });
    let saturated = plan("run 127.0.0.1:1 --stream 64");
    assert_eq!(saturated.load, Load::Closed { window: 1_024 });
    assert_eq!(saturated.stream, stream(64, 0.0));
}

#[test]
fn a_soak_is_a_run_in_intervals() {
    let words = "soak 127.0.0.1:1 --duration 2h --interval 30 --growth-max 8";
    let Ok(Command::Soak(plan)) = parse_words(words) else {
        panic!("not a soak")
    };
    assert_eq!(plan.total, Duration::from_secs(7_200));
    assert_eq!(plan.run.duration, Duration::from_secs(30));
    assert_eq!(plan.growth_kib_max, 8_192);
}

#[test]
fn the_links_of_instances_are_part_of_the_shape() {
    let plan = plan("run 127.0.0.1:1 --instances 50_000 --links 1_000");
    let shape = Shape::Instances {
        instances: 50_000,
        links: 1_000,
    };
    assert_eq!((plan.shape, plan.idle_links), (shape, 0));
}

#[test]
fn published_frames_come_with_published_windows() {
    let plan = plan("run 127.0.0.1:1 --frame-bytes 16384 --cpus 1,3-4");
    assert_eq!(plan.links.transport.stream_window_bytes, 2_097_152);
    assert_eq!(plan.links.transport.data_bytes_max, 16_384);
    assert_eq!((plan.threads.count, plan.threads.cpus), (3, vec![1, 3, 4]));
}

#[test]
fn sources_rotate_and_none_leaves_it_to_the_kernel() {
    assert_eq!(source_of(3, 0), None);
    let third = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 3));
    assert_eq!(source_of(1, 2), Some(third));
    assert_eq!(source_of(3, 2), Some(third));
}

#[test]
fn compared_targets_have_labels_pids_and_the_same_plan() {
    let words = "compare ours=127.0.0.1:1,pid=7 nats://a:1 mqtt://b mqtt://b --plan pairs-256";
    let Command::Compare(plan) = parse_words(words).unwrap() else {
        panic!("not a comparison")
    };
    let contestants = || plan.contestants.iter();
    let labels: Vec<_> = contestants().map(|one| one.label.as_str()).collect();
    assert_eq!(labels, ["ours", "nats", "mqtt", "mqtt-2"]);
    let pids: Vec<_> = contestants().map(|one| one.plan.reporting.pid).collect();
    assert_eq!(pids, [Some(7), None, None, None]);
    assert!(contestants().all(|one| one.plan.shape == Shape::Pairs { pairs: 16 }));
    assert_eq!(plan.rounds, 5);
}

#[test]
fn what_concerns_slim_links_alone_may_be_said_beside_a_broker() {
    for words in ["--mac off", "--frame-bytes 16384", "--identity none"] {
        let words = format!("compare 127.0.0.1:1 nats://a:1 {words}");
        assert!(parse_words(&words).is_ok(), "{:?}", parse_words(&words));
    }
    let words = "run mqtt://a:1 --plan mixed-sizes";
    assert!(parse_words(words).is_ok(), "{:?}", parse_words(words));
}

#[test]
fn a_started_node_speaks_tls_when_asked() {
    // Any program does: it is started when the plan is carried out.
    let program = std::env::current_exe().unwrap();
    let words = |rest: &str| format!("run --spawn-slipring new={} {rest}", program.display());
    let plan = |rest: &str| plan(&words(rest));
    assert!(plan("--spawn-tls on").links.target.is_tls());
    assert!(!plan("--spawn-tls off").links.target.is_tls());
    assert!(!plan("--trace-syscalls 1").links.target.is_tls());
    let refused = format!("run --spawn-nats {} --spawn-tls on", program.display());
    assert!(parse_words(&refused).unwrap_err().contains("SLIM"));
}

#[test]
fn a_plan_on_disk_is_known_by_its_file_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.toml");
    std::fs::write(&path, "pairs = 3\n").unwrap();
    let shown = path.to_str().unwrap();
    let name = plan(&format!("run 127.0.0.1:1 --plan {shown}")).name;
    assert_eq!(name.as_deref(), Some("mine.toml"));
}
