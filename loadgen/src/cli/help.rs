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
  loadgen soak 127.0.0.1:46357 --duration 4h --pid $(pidof slipring)
                                                       a line a minute; fails on loss or growing memory
";

const COMMANDS: &str = "\
commands
  run TARGET      send, receive, check every delivery, measure
  soak TARGET     the same for hours, interval by interval
  storm TARGET    open many links at once, hold them, close them
  plans           list the ready-made plans
  help [COMMAND]  this, or every flag of one command

TARGET is host:port, http://host:port, https://host:port (with --ca FILE) or unix:///path.
";

const ENDING: &str = "\
exit status
  0   clean: every delivery once, in order, intact
  1   not a result: messages lost, doubled, reordered, damaged, or links failed
  64  the command line or the plan makes no sense
  69  the target cannot be reached or refuses
";

const TIMES: &str = "\
TIME is seconds (10, 0.5) or a number with a unit: ms, s, m, h. Every flag is also a key of plan files, without the
dashes (pairs = 16), but for --plan, --pid, --json and the TLS files; flags win. loadgen plans lists what is ready-made.
";

/// The help text.
pub(crate) fn overview() -> String {
    format!(
        "loadgen: offers load to a SLIM router and judges every delivery\n\n\
         usage: loadgen COMMAND [TARGET] [flags]\n\n{EXAMPLES}\n{COMMANDS}\n{ENDING}"
    )
}

/// The flags of one command.
pub(crate) fn on(verb: Verb) -> String {
    let mut text = format!("usage: loadgen {} TARGET [flags]\n\n", verb.name());
    for group in GROUPS.iter().filter(|group| group.verbs.contains(&verb)) {
        text.push_str(group.title);
        text.push('\n');
        for setting in group.settings {
            let left = format!("--{} {}", setting.name, setting.value);
            text.push_str(&format!("  {left:<24} {}\n", setting.text));
        }
        text.push('\n');
    }
    text.push_str(TIMES);
    text.push('\n');
    text.push_str(ENDING);
    text
}
