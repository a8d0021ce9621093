//! RESULTS.md and the lines that README quotes.

use std::fmt::Write as _;

use super::{
    judge::{Outcome, judge, ratio},
    run::{Measure, OURS, Run, Set, Tables},
    scenario::{Against, Criterion, Scenario},
};

/// All of RESULTS.md. `charts` names those of each set.
pub(super) fn results(sets: &[Set], charts: &[Vec<String>], scenarios: &[Scenario]) -> String {
    let mut out = String::from(
        "# Results\n\n\
         Generated from the raw results beside it by `cargo run -p slipring-benches --bin results`; a test\n\
         compares. What the figures mean, and what they do not, is in [METHOD.md](METHOD.md). Figures are medians,\n\
         with the least and the most in brackets; a ratio says how many times better the router is.\n",
    );
    targets(sets, scenarios, &mut out);
    for (set, charts) in sets.iter().zip(charts) {
        section(set, charts, scenarios, &mut out);
    }
    out
}

/// What README says: the newest set that compares.
pub(super) fn headline(sets: &[Set], scenarios: &[Scenario]) -> String {
    let compares = |set: &&Set| !set.runs.is_empty();
    let Some(set) = sets.iter().find(compares) else {
        return "Nothing has been measured yet.\n".to_owned();
    };
    let mut peers: Vec<&str> = set
        .plans()
        .iter()
        .flat_map(|plan| set.peers(plan))
        .collect();
    peers.sort_unstable_by(|a, b| b.cmp(a));
    peers.dedup();
    let mut out = String::from("| one core | deliveries a second | CPU each |");
    for peer in &peers {
        write!(out, " {} needs |", peer_name(peer)).expect(STRING);
    }
    writeln!(out, "\n|---|---|---|{}", "---|".repeat(peers.len())).expect(STRING);
    for (plan, title) in titled_plans(set, scenarios) {
        let rate = set.figure(plan, OURS, Measure::Rate);
        let cpu = set.figure(plan, OURS, Measure::Cpu);
        let (Some(rate), Some(cpu)) = (rate, cpu) else {
            continue;
        };
        let cpu = cpu.median;
        write!(out, "| {title} | {} | {cpu:.2} µs |", grouped(rate.median)).expect(STRING);
        for peer in &peers {
            match ratio(set, plan, peer, Measure::Cpu) {
                Some(ratio) => write!(out, " {} × |", factor(ratio)),
                None => write!(out, " |"),
            }
            .expect(STRING);
        }
        out.push('\n');
    }
    let host = set.host();
    writeln!(
        out,
        "\nMedians of one set of runs, {}, on {} with {} CPUs, Linux {}.\nOnly the ratios travel to another machine; all of it is in [RESULTS.md](benches/RESULTS.md).",
        set.name, host.cpu_model, host.cpus, host.kernel
    )
    .expect(STRING);
    out
}

/// Plans of a set with their titles: those of the table in its order, then the others.
pub(super) fn titled_plans<'a>(set: &'a Set, scenarios: &'a [Scenario]) -> Vec<(&'a str, &'a str)> {
    let plans = set.plans();
    let known = scenarios
        .iter()
        .filter(|scenario| plans.contains(&scenario.name.as_str()))
        .map(|scenario| (scenario.name.as_str(), scenario.title.as_str()));
    let is_unknown = |plan: &&str| scenarios.iter().all(|scenario| scenario.name != **plan);
    let unknown = plans
        .iter()
        .copied()
        .filter(is_unknown)
        .map(|plan| (plan, plan));
    known.chain(unknown).collect()
}

/// Each target, in the newest set that measured it.
fn targets(sets: &[Set], scenarios: &[Scenario], out: &mut String) {
    out.push_str("\n## Targets\n\n| plan | target | measured | | in |\n|---|---|---|---|---|\n");
    for scenario in scenarios {
        for criterion in &scenario.criteria {
            let found = sets
                .iter()
                .find_map(|set| match judge(set, scenario, criterion) {
                    Outcome::Measured { figure, is_met } => Some((set, figure, is_met)),
                    Outcome::Unmeasured => None,
                });
            let target = target(criterion, scenarios);
            match found {
                Some((set, figure, is_met)) => writeln!(
                    out,
                    "| {} | {target} | {} | {} | {} |",
                    scenario.title,
                    measured(criterion, figure),
                    if is_met { "met" } else { "**not met**" },
                    set.name
                ),
                None => writeln!(out, "| {} | {target} | not measured | | |", scenario.title),
            }
            .expect(STRING);
        }
    }
}

fn target(criterion: &Criterion, scenarios: &[Scenario]) -> String {
    let measure = match criterion.measure {
        Measure::Cpu => "CPU each",
        Measure::Rate => "deliveries a second",
        Measure::P50 => "median latency",
        Measure::P99 => "p99",
        Measure::P999 => "p99.9",
        Measure::Resident => "resident memory",
    };
    let bound = criterion.bound;
    match &criterion.against {
        Against::Microseconds => format!("{measure}: at most {bound} µs"),
        Against::Peer(peer) => format!("{measure}: {bound} × against {}", peer_name(peer)),
        Against::Plan(plan) => {
            let title = scenarios
                .iter()
                .find(|scenario| scenario.name == *plan)
                .map_or(plan.as_str(), |scenario| &scenario.title);
            format!("{measure}: {bound} × against \"{title}\"")
        }
    }
}

fn measured(criterion: &Criterion, figure: f64) -> String {
    match criterion.against {
        Against::Microseconds => format!("{figure:.0} µs"),
        Against::Peer(_) | Against::Plan(_) => format!("{} ×", factor(figure)),
    }
}

fn section(set: &Set, charts: &[String], scenarios: &[Scenario], out: &mut String) {
    writeln!(out, "\n## {}\n", set.name).expect(STRING);
    let host = set.host();
    if !host.cpu_model.is_empty() {
        writeln!(
            out,
            "{}, {} CPUs, Linux {}.",
            host.cpu_model, host.cpus, host.kernel
        )
        .expect(STRING);
    }
    if set.has_page {
        writeln!(
            out,
            "[How it was measured](results/{}/README.md).",
            set.name
        )
        .expect(STRING);
    }
    for chart in charts {
        writeln!(out, "\n![{chart}](charts/{chart}.svg)").expect(STRING);
    }
    if !set.runs.is_empty() {
        comparisons(set, scenarios, out);
    }
    void(set, out);
    if !set.alone.is_empty() {
        alone(set, out);
    }
    if !set.storms.is_empty() {
        storms(set, out);
    }
    for tables in &set.tables {
        side_by_side(tables, out);
    }
}

fn comparisons(set: &Set, scenarios: &[Scenario], out: &mut String) {
    out.push_str(
        "\n| plan | target | rounds | deliveries/s | CPU µs each | ratio of CPU | p50 µs | p99 µs | p99.9 µs |\n\
         |---|---|---|---|---|---|---|---|---|\n",
    );
    for (plan, title) in titled_plans(set, scenarios) {
        let mut labels = vec![OURS];
        labels.extend(set.peers(plan));
        for label in labels {
            let shown = |measure| set.figure(plan, label, measure);
            let whole = |measure| shown(measure).map_or_else(String::new, |it| grouped(it.median));
            let cpu = shown(Measure::Cpu).map_or_else(String::new, |it| {
                format!("{:.2} ({:.2}–{:.2})", it.median, it.min, it.max)
            });
            let ratio = ratio(set, plan, label, Measure::Cpu).filter(|_| label != OURS);
            writeln!(
                out,
                "| {title} | {} | {} | {} | {cpu} | {} | {} | {} | {} |",
                peer_name(label),
                set.rounds(plan, label),
                whole(Measure::Rate),
                ratio.map_or_else(String::new, factor),
                whole(Measure::P50),
                whole(Measure::P99),
                whole(Measure::P999),
            )
            .expect(STRING);
        }
    }
}

/// Runs that lost, doubled or broke something say nothing but that.
fn void(set: &Set, out: &mut String) {
    let runs = set.runs.iter().chain(&set.alone);
    let void: Vec<&Run> = runs.filter(|run| !run.clean).collect();
    if void.is_empty() {
        return;
    }
    out.push_str("\nVoid, and in no figure above:\n\n");
    for run in void {
        writeln!(
            out,
            "- `{}`, {}: {}",
            run.file,
            peer_name(&run.label),
            run.verdict
        )
        .expect(STRING);
    }
}

fn alone(set: &Set, out: &mut String) {
    out.push_str(
        "\n| single run | deliveries/s | CPU µs each | p50 µs | p99 µs | p99.9 µs | resident KiB at most |\n\
         |---|---|---|---|---|---|---|\n",
    );
    for run in set.alone.iter().filter(|run| run.clean) {
        let figure = |measure| run.figures.get(&measure).copied();
        let whole = |measure| figure(measure).map_or_else(String::new, grouped);
        writeln!(
            out,
            "| [{}](results/{}/{}) | {} | {} | {} | {} | {} | {} |",
            run.plan,
            set.name,
            run.file,
            whole(Measure::Rate),
            figure(Measure::Cpu).map_or_else(String::new, |cpu| format!("{cpu:.2}")),
            whole(Measure::P50),
            whole(Measure::P99),
            whole(Measure::P999),
            whole(Measure::Resident),
        )
        .expect(STRING);
    }
}

fn storms(set: &Set, out: &mut String) {
    out.push_str(
        "\n| storm | links | opened/s | CPU µs each | p99 µs to open | resident KiB a link |\n\
         |---|---|---|---|---|---|\n",
    );
    for storm in &set.storms {
        let whole = |figure: Option<f64>| figure.map_or_else(String::new, grouped);
        writeln!(
            out,
            "| [{}](results/{}/{}) | {} | {} | {} | {} | {} |",
            storm.name,
            set.name,
            storm.file,
            grouped(storm.links),
            grouped(storm.links_per_second),
            whole(storm.cpu_us_each),
            whole(storm.p99_us),
            storm.resident_kib_each.map_or_else(String::new, rounded),
        )
        .expect(STRING);
    }
}

fn side_by_side(tables: &Tables, out: &mut String) {
    writeln!(
        out,
        "\n| tables by themselves | names | slipring | {} | | ratio |\n|---|---|---|---|---|---|",
        tables.peer
    )
    .expect(STRING);
    for row in &tables.rows {
        let shown = |value: Option<f64>| value.map_or_else(String::new, rounded);
        let ratio = row.ours.zip(row.theirs).map(|(ours, theirs)| {
            // Of everything but rates less is better.
            if row.unit.ends_with("/s") {
                ours / theirs
            } else {
                theirs / ours
            }
        });
        writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} |",
            row.measure,
            grouped(row.names as f64),
            shown(row.ours),
            shown(row.theirs),
            row.unit,
            ratio.map_or_else(String::new, factor),
        )
        .expect(STRING);
    }
    for note in &tables.notes {
        writeln!(out, "\n{note}.").expect(STRING);
    }
}

const STRING: &str = "a string takes everything";

fn peer_name(label: &str) -> &str {
    match label {
        "nats" => "NATS",
        "reference" => "the reference",
        other => other,
    }
}

/// A ratio with as many digits as it deserves.
fn factor(ratio: f64) -> String {
    if ratio >= 100.0 {
        grouped(ratio)
    } else if ratio >= 3.0 {
        format!("{ratio:.1}")
    } else {
        format!("{ratio:.2}")
    }
}

fn rounded(value: f64) -> String {
    if value < 100.0 {
        format!("{value:.1}")
    } else {
        grouped(value)
    }
}

/// A whole number in groups of three digits.
fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_to_be_read() {
        assert_eq!(grouped(0.4), "0");
        assert_eq!(grouped(999.6), "1,000");
        assert_eq!(grouped(1_234_567.0), "1,234,567");
        assert_eq!([2.049, 8.83, 1234.0].map(factor), ["2.05", "8.8", "1,234"]);
    }

    #[test]
    fn a_void_run_is_named_and_counts_for_nothing() {
        let value = r#"{"clean":false,"verdict":"3 lost","deliveries_per_second":9.0}"#;
        let value = serde_json::from_str(value).expect("JSON");
        let run = Run::read("fast", OURS, "fast-slipring-1.json", &value).expect("a run");
        let set = Set {
            name: "day".to_owned(),
            runs: vec![run],
            ..Set::default()
        };
        let text = results(&[set], &[Vec::new()], &[]);
        assert!(
            text.contains("- `fast-slipring-1.json`, slipring: 3 lost"),
            "{text}"
        );
        assert!(text.contains("| fast | slipring | 0 |  |"), "{text}");
    }
}
