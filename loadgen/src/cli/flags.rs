//! The flags, each defined once: the help text and the parser's list of known names come from here.

/// A flag of one command or several.
pub(crate) struct Flag {
    /// As typed, without the dashes.
    pub(crate) name: &'static str,
    /// What its value is called.
    pub(crate) value: &'static str,
    /// What it does.
    pub(crate) text: &'static str,
}

const fn flag(name: &'static str, value: &'static str, text: &'static str) -> Flag {
    Flag { name, value, text }
}

/// Flags of `run` and `compare`.
pub(crate) const RUN_FLAGS: &[Flag] = &[
    flag(
        "pairs",
        "N",
        "N publishers, each with a subscriber of its own (default 1)",
    ),
    flag("fanout", "N", "one publisher, N subscribers of one name"),
    flag(
        "stalled",
        "N",
        "with --fanout: N further subscribers that never read",
    ),
    flag("incast", "N", "N publishers, one subscriber"),
    flag(
        "instances",
        "N",
        "subscribe N instances of one service, then send one message to each",
    ),
    flag(
        "links",
        "L",
        "with --instances: links that carry them; else: idle links beside",
    ),
    flag(
        "names",
        "K",
        "names each idle link subscribes to (default 0)",
    ),
    flag(
        "size",
        "BYTES",
        "payload of a message (default 256, at least 32)",
    ),
    flag(
        "window",
        "N",
        "closed loop: messages under way per publisher (default 1024)",
    ),
    flag(
        "rate",
        "N",
        "open loop: messages per second, all publishers together",
    ),
    flag("duration", "SECONDS", "measured time (default 10)"),
    flag("messages", "N", "stop after N messages per publisher"),
    flag(
        "warmup",
        "SECONDS",
        "time before measuring starts (default 1)",
    ),
    flag(
        "identity-bytes",
        "N",
        "length of the identity text in every header (default 0)",
    ),
];

/// Flags of `storm`.
pub(crate) const STORM_FLAGS: &[Flag] = &[
    flag("links", "N", "links to open (default 1000)"),
    flag(
        "concurrency",
        "C",
        "links being opened at any time (default 64)",
    ),
    flag("hold", "SECONDS", "how long all stay open (default 1)"),
    flag("names", "K", "names each link subscribes to (default 0)"),
];

/// Flags of `run`, `compare` and `storm`.
pub(crate) const SHARED_FLAGS: &[Flag] = &[
    flag(
        "threads",
        "T",
        "threads, each a runtime of its own (default 1; also --shards-threads)",
    ),
    flag(
        "cpus",
        "LIST",
        "CPUs to pin the threads to, for instance 1 or 2,3 or 4-7",
    ),
    flag(
        "frame-bytes",
        "N",
        "largest h2 frame announced and sent; 16384 imitates published clients",
    ),
    flag(
        "mac",
        "on|off",
        "off: no link key, no MAC; the target must not require one",
    ),
    flag(
        "sources",
        "N",
        "dial from N addresses 127.0.0.2 and up; one offers about 28,000 ports",
    ),
    flag(
        "ca",
        "FILE",
        "TLS: the CA that signed the target's certificate",
    ),
    flag("cert", "FILE", "TLS: client certificate, with --key"),
    flag("key", "FILE", "TLS: client key, with --cert"),
    flag(
        "server-name",
        "NAME",
        "TLS: name in the target's certificate, if not the host",
    ),
    flag(
        "pid",
        "PID",
        "the target's process: its CPU time and memory are reported",
    ),
    flag("json", "FILE", "write the result as JSON"),
];

/// Flags of `run` and `compare` that start targets.
pub(crate) const SPAWN_FLAGS: &[Flag] = &[
    flag(
        "spawn",
        "",
        "start our router (slipring, beside loadgen or on PATH) as a target",
    ),
    flag(
        "spawn-slipring",
        "PATH",
        "start this build of our router as a target",
    ),
    flag(
        "spawn-reference",
        "PATH",
        "start this binary of the reference node as a target",
    ),
    flag("spawn-nats", "PATH", "start this nats-server as a target"),
    flag("spawn-mqtt", "PATH", "start this mosquitto as a target"),
    flag(
        "target-cpu",
        "CPU",
        "the CPU of what is started (default: the first that loadgen leaves)",
    ),
];

/// Flags of `compare`.
pub(crate) const COMPARE_FLAGS: &[Flag] = &[flag(
    "rounds",
    "N",
    "turns of each target, in the order A B A B (default 5)",
)];

/// Flags of `report`.
const REPORT_FLAGS: &[Flag] = &[flag(
    "html",
    "FILE",
    "write one page with charts that needs nothing else",
)];

/// How each command is written.
const USAGE: &str = "loadgen - offers load to SLIM routers and brokers and judges every delivery

usage: loadgen run TARGET [flags]               send, receive, count, time
       loadgen compare TARGET TARGET... [flags] the same load in turn, and the ratios
       loadgen storm TARGET [flags]             open many links, hold, close
       loadgen report FILE... [--html FILE]     results as a table and as charts
       loadgen --help | --version

TARGET is a SLIM node at host:port, http://host:port, https://host:port or unix:///path, or
a broker at nats://host:port or mqtt://host:port. With run and compare it may be started
here (--spawn, --spawn-nats PATH, ...). compare takes LABEL=TARGET and TARGET,pid=PID, and
--spawn-...=LABEL=PATH; the first target is set against each of the others.

";

/// The help text.
pub(crate) fn help() -> String {
    let mut text = String::from(USAGE);
    let groups = [
        ("run and compare", RUN_FLAGS),
        ("run and compare, to start targets", SPAWN_FLAGS),
        ("compare", COMPARE_FLAGS),
        ("storm", STORM_FLAGS),
        ("run, compare and storm", SHARED_FLAGS),
        ("report", REPORT_FLAGS),
    ];
    for (title, flags) in groups {
        text.push_str(&format!("flags of {title}:\n"));
        for Flag {
            name,
            value,
            text: what,
        } in flags
        {
            let left = format!("--{name} {value}");
            text.push_str(&format!("  {left:<24} {what}\n"));
        }
        text.push('\n');
    }
    text.push_str(
        "exit status: 0 clean, 1 messages lost, doubled, reordered, damaged or links failed (a\n             \
         comparison is void then), 64 wrong usage, 69 target unavailable\n",
    );
    text
}
