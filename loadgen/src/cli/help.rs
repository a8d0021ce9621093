//! The help text: examples first, then what there is.

use crate::cli::flags::{GROUPS, Verb};

const EXAMPLES: &str = "\
examples
  loadgen run 127.0.0.1:46357                          one pair, 256 B, as fast as it goes
  loadgen run 127.0.0.1:46357 --plan pairs-256         a ready-made plan
  loadgen run 127.0.0.1:46357 --plan pairs-256 --pairs 4 --json out.json
                                                       the same plan, one value changed, result kept
  loadgen run 127.0.0.1:46357 --rate 50000 --cpus 1 --pid $(pidof slipring)
                                                       latency at a fixed rate; what the router spends
  loadgen compare --spawn --spawn-nats nats-server --plan pairs-256 --json out.json
                                                       our router and a NATS server in turn, and the ratios
  loadgen report out.json --html out.html              results as a table and a page with charts
  loadgen soak 127.0.0.1:46357 --duration 4h --pid $(pidof slipring)
                                                       a line a minute; fails on loss or growing memory
";

const COMMANDS: &str = "\
commands
  run TARGET      send, receive, check every delivery, measure
  compare T T...  the same for several targets in turn, and the ratios
  soak TARGET     the same as run for hours, interval by interval
  storm TARGET    open many links at once, hold them, close them
  report FILE...  draw results that were kept
  plans           list the ready-made plans
  help [COMMAND]  this, or every flag of one command

TARGET is a SLIM node at host:port, http://host:port, https://host:port (with --ca FILE) or unix:///path, or a broker at
nats://host:port or mqtt://host:port; run, compare and soak can start it (--spawn, --spawn-nats PATH, ...). compare takes
LABEL=TARGET and TARGET,pid=PID, and --spawn-nats LABEL=PATH; the first target is set against each of the others.
";

const ENDING: &str = "\
exit status
  0   clean: every delivery once, in order, intact
  1   not a result: messages lost, doubled, reordered, damaged, or links failed (a comparison is void then)
  64  the command line or the plan makes no sense
  69  the target cannot be reached or refuses
";

const TIMES: &str = "\
TIME is seconds (10, 0.5) or a number with a unit: ms, s, m, h. Every flag is also a key of plan files, without the
dashes (pairs = 16), but for --plan, --pid, --json, --rounds, the TLS files and what starts targets; flags win. loadgen plans lists what is ready-made.
";

/// The help text.
pub(crate) fn overview() -> String {
    format!(
        "loadgen: offers load to SLIM routers and brokers and judges every delivery\n\n\
         usage: loadgen COMMAND [TARGET] [flags]\n\n{EXAMPLES}\n{COMMANDS}\n{ENDING}"
    )
}

/// The flags of one command.
pub(crate) fn on(verb: Verb) -> String {
    let mut text = format!(
        "usage: loadgen {} {} [flags]\n\n",
        verb.name(),
        verb.operands()
    );
    for group in GROUPS.iter().filter(|group| group.verbs.contains(&verb)) {
        text.push_str(group.title);
        text.push('\n');
        for setting in group.settings {
            let left = format!("--{} {}", setting.name, setting.value);
            text.push_str(&format!("  {left:<24} {}\n", setting.text));
        }
        text.push('\n');
    }
    if verb == Verb::Report {
        return text;
    }
    text.push_str(TIMES);
    text.push('\n');
    text.push_str(ENDING);
    text
}
