//! The settings, each defined once: the help text, the flags and the keys of plan files come from
//! here.

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    /// Offer load once.
    Run,
    /// Offer the same load to several targets in turn.
    Compare,
    /// Offer load for hours, interval by interval.
    Soak,
    /// Open many links at once.
    Storm,
    /// Draw results that were kept.
    Report,
}

impl Verb {
    /// All of them, in the order of the help text.
    pub(crate) const ALL: [Self; 5] = [
        Self::Run,
        Self::Compare,
        Self::Soak,
        Self::Storm,
        Self::Report,
    ];

    /// As typed.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Compare => "compare",
            Self::Soak => "soak",
            Self::Storm => "storm",
            Self::Report => "report",
        }
    }

    /// What stands behind it.
    pub(crate) const fn operands(self) -> &'static str {
        match self {
            Self::Run | Self::Soak | Self::Storm => "TARGET",
            Self::Compare => "TARGET TARGET...",
            Self::Report => "FILE...",
        }
    }
}

/// How a value is written in a plan file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// No value: whether it is there.
    Bare,
    /// A whole number.
    Count,
    /// A number, a text such as `"2,4-7"`, or a list of numbers.
    Cpus,
    /// Whole or not.
    Number,
    /// `true` or `false`; `on` or `off` on the command line.
    Switch,
    /// A quoted text.
    Text,
    /// Seconds as a number, or a text with a unit.
    Time,
}

/// A flag of the command line and, unless it concerns this one start only, a key of plan files.
pub(crate) struct Setting {
    /// As typed, without the dashes.
    pub(crate) name: &'static str,
    /// What its value is called.
    pub(crate) value: &'static str,
    /// How it is written in a plan file.
    pub(crate) kind: Kind,
    /// Whether it may stand in a plan file.
    pub(crate) in_plan: bool,
    /// What it does.
    pub(crate) text: &'static str,
}

/// Settings that belong together.
pub(crate) struct Group {
    /// What they have in common.
    pub(crate) title: &'static str,
    /// The commands that take them.
    pub(crate) verbs: &'static [Verb],
    /// In the order of the help text.
    pub(crate) settings: &'static [Setting],
}

const fn key(name: &'static str, value: &'static str, kind: Kind, text: &'static str) -> Setting {
    Setting {
        name,
        value,
        kind,
        in_plan: true,
        text,
    }
}

const fn flag(name: &'static str, value: &'static str, kind: Kind, text: &'static str) -> Setting {
    Setting {
        in_plan: false,
        ..key(name, value, kind, text)
    }
}

const LOADED: &[Verb] = &[Verb::Run, Verb::Compare, Verb::Soak];
const EVERY: &[Verb] = &[Verb::Run, Verb::Compare, Verb::Soak, Verb::Storm];

/// All settings.
#[rustfmt::skip]
pub(crate) const GROUPS: &[Group] = &[
    Group { title: "plan", verbs: EVERY, settings: &[
        flag("plan", "NAME|FILE", Kind::Text, "take the values of a plan; flags given beside it win"),
    ] },
    Group { title: "who sends to whom (choose one)", verbs: LOADED, settings: &[
        key("pairs", "N", Kind::Count, "N publishers, each with a subscriber of its own (default 1)"),
        key("fanout", "N", Kind::Count, "one publisher, N subscribers of one name"),
        key("stalled", "N", Kind::Count, "with fanout: N further subscribers that never read"),
        key("incast", "N", Kind::Count, "N publishers, one subscriber"),
    ] },
    Group { title: "one message to each of many", verbs: &[Verb::Run], settings: &[
        key("instances", "N", Kind::Count, "subscribe N instances of one service, then send one message to each"),
    ] },
    Group { title: "how much, how fast, how long", verbs: LOADED, settings: &[
        key("window", "N", Kind::Count, "closed loop: messages under way per publisher (default 1024)"),
        key("rate", "N", Kind::Number, "open loop: messages per second, all publishers together"),
        key("stream", "N", Kind::Count, "bursts of N messages, as a model sends tokens, each a session of its own"),
        key("token-rate", "N", Kind::Number, "with stream: messages per second within a burst (default: at once)"),
        key("messages", "N", Kind::Count, "stop after N messages per publisher"),
        key("duration", "TIME", Kind::Time, "measured time (default 10; with soak 1h, all intervals together)"),
        key("warmup", "TIME", Kind::Time, "time before measuring starts (default 1)"),
    ] },
    Group { title: "what a message is", verbs: LOADED, settings: &[
        key("size", "BYTES", Kind::Count, "payload of a message (default 256, at least 32)"),
        key("sizes", "MIX", Kind::Text, "payloads by weight, for instance 256:80,1024:15,16384:5"),
        key("identity", "WHAT", Kind::Text, "identity text in headers: none (default), static[:BYTES], fresh[:BYTES]"),
        key("identity-pool", "N", Kind::Count, "with fresh: signed headers made beforehand per link (default 65536)"),
        key("seed", "N", Kind::Count, "what sizes and identities are drawn from (default 1)"),
    ] },
    Group { title: "beside the load", verbs: LOADED, settings: &[
        key("links", "L", Kind::Count, "idle links; with instances: the links that carry them"),
        key("names", "K", Kind::Count, "names each idle link subscribes to (default 0)"),
        key("churn-subscribe", "N", Kind::Number, "subscriptions made and ended per second"),
        key("churn-connect", "N", Kind::Number, "links closed and opened anew per second"),
        key("churn-links", "N", Kind::Count, "links that do so (default 4)"),
    ] },
    Group { title: "comparison", verbs: &[Verb::Compare], settings: &[
        flag("rounds", "N", Kind::Count, "turns of each target, in the order A B A B (default 5)"),
    ] },
    Group { title: "targets started here, instead of or beside TARGET", verbs: LOADED, settings: &[
        flag("spawn", "", Kind::Bare, "our router: slipring, beside loadgen or on PATH"),
        flag("spawn-slipring", "PATH", Kind::Text, "this build of our router"),
        flag("spawn-reference", "PATH", Kind::Text, "this binary of the reference node"),
        flag("spawn-nats", "PATH", Kind::Text, "this nats-server"),
        flag("spawn-mqtt", "PATH", Kind::Text, "this mosquitto"),
        flag("target-cpu", "CPU", Kind::Count, "the CPU of what is started (default: the first that loadgen leaves)"),
        flag("spawn-tls", "on|off", Kind::Switch, "on: SLIM nodes started here speak TLS, with a certificate made for the run"),
    ] },
    Group { title: "soak", verbs: &[Verb::Soak], settings: &[
        key("interval", "TIME", Kind::Time, "time measured per line (default 60)"),
        key("growth-max", "MIB", Kind::Count, "growth of the target's memory that is a failure (default 64)"),
    ] },
    Group { title: "storm", verbs: &[Verb::Storm], settings: &[
        key("links", "N", Kind::Count, "links to open (default 1000)"),
        key("concurrency", "C", Kind::Count, "links being opened at any time (default 64)"),
        key("hold", "TIME", Kind::Time, "how long all stay open (default 1)"),
        key("names", "K", Kind::Count, "names each link subscribes to (default 0)"),
    ] },
    Group { title: "links", verbs: EVERY, settings: &[
        key("frame-bytes", "N", Kind::Count, "largest h2 frame announced and sent; 16384 imitates published clients"),
        key("mac", "on|off", Kind::Switch, "off: no link key, no MAC; the target must not require one"),
        key("sources", "N", Kind::Count, "dial from N addresses 127.0.0.2 and up; one offers about 28,000 ports"),
        flag("ca", "FILE", Kind::Text, "TLS: the CA that signed the target's certificate"),
        flag("cert", "FILE", Kind::Text, "TLS: client certificate, with --key"),
        flag("key", "FILE", Kind::Text, "TLS: client key, with --cert"),
        flag("server-name", "NAME", Kind::Text, "TLS: name in the target's certificate, if not the host"),
    ] },
    Group { title: "this machine and results", verbs: EVERY, settings: &[
        key("threads", "T", Kind::Count, "threads, each a runtime of its own (default 1, or one per CPU of cpus)"),
        key("cpus", "LIST", Kind::Cpus, "CPUs to pin the threads to, for instance 1 or 2,3 or 4-7"),
        flag("pid", "PID", Kind::Count, "the target's process: its CPU time and memory are reported"),
        flag("json", "FILE", Kind::Text, "write the result as JSON"),
    ] },
    Group { title: "page", verbs: &[Verb::Report], settings: &[
        flag("html", "FILE", Kind::Text, "write one page with charts that needs nothing else"),
    ] },
    Group { title: "system calls", verbs: &[Verb::Run], settings: &[
        key("trace-syscalls", "TIME", Kind::Time, "with --pid or a target started here: count its calls for TIME after measuring"),
    ] },
];

/// The settings of a command.
pub(crate) fn settings(verb: Verb) -> impl Iterator<Item = &'static Setting> {
    GROUPS
        .iter()
        .filter(move |group| group.verbs.contains(&verb))
        .flat_map(|group| group.settings)
}

/// The setting of that name.
pub(crate) fn setting(verb: Verb, name: &str) -> Option<&'static Setting> {
    settings(verb).find(|setting| setting.name == name)
}

/// What is said about a name that is no setting of `verb`: whose it is, or what was meant.
pub(crate) fn unknown(verb: Verb, name: &str) -> String {
    let owners: Vec<_> = Verb::ALL
        .into_iter()
        .filter(|other| setting(*other, name).is_some())
        .map(|other| format!("loadgen {}", other.name()))
        .collect();
    if !owners.is_empty() {
        return format!("it belongs to {}", owners.join(" and "));
    }
    let known = settings(verb).map(|setting| setting.name);
    match nearest(name, known) {
        Some(meant) => format!("there is no such setting; did you mean \"{meant}\"?"),
        None => format!(
            "there is no such setting; try loadgen {} --help",
            verb.name()
        ),
    }
}

/// The known word nearest to what was typed, unless none is near.
pub(crate) fn nearest<'k>(typed: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let folded = typed.to_ascii_lowercase().replace('_', "-");
    let begun = |word: &str| folded.len() >= 4 && folded.starts_with(word);
    known
        .map(|word| {
            // A word that goes on, as in "identity-bytes", is taken for its beginning.
            let mistakes = match begun(word) {
                true => 1,
                false => strsim::damerau_levenshtein(&folded, word),
            };
            (mistakes, word)
        })
        .filter(|(mistakes, word)| *mistakes <= folded.len().min(word.len()).div_ceil(3))
        .min_by_key(|(mistakes, _)| *mistakes)
        .map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant_is_found_and_nonsense_is_not() {
        let known = || settings(Verb::Run).map(|setting| setting.name);
        for (typed, meant) in [
            ("windo", Some("window")),
            ("Frame_Bytes", Some("frame-bytes")),
            ("fanuot", Some("fanout")),
            ("identity-bytes", Some("identity")),
            ("xyzzy", None),
            ("", None),
        ] {
            assert_eq!(nearest(typed, known()), meant, "{typed}");
        }
    }

    #[test]
    fn a_setting_of_another_command_is_told_whose_it_is() {
        assert_eq!(unknown(Verb::Run, "hold"), "it belongs to loadgen storm");
        assert_eq!(
            unknown(Verb::Storm, "interval"),
            "it belongs to loadgen soak"
        );
        assert_eq!(
            unknown(Verb::Storm, "pairs"),
            "it belongs to loadgen run and loadgen compare and loadgen soak"
        );
    }

    #[test]
    fn no_command_has_a_name_twice() {
        for verb in Verb::ALL {
            let mut names: Vec<_> = settings(verb).map(|setting| setting.name).collect();
            let count = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), count, "{}", verb.name());
        }
    }
}
