//! Results as they were written, read back.

use serde_json::Value;

use crate::compare::Spread;

/// Points of a curve beyond which a file is not one of ours.
const CURVE_POINTS_MAX: usize = 100_000;

/// Results that belong on one chart: a comparison, or runs of one plan.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sheet {
    /// The plan in words.
    pub(crate) title: String,
    /// Deliveries, or links for a storm.
    pub(crate) unit: &'static str,
    /// What latencies count.
    pub(crate) timed: &'static str,
    /// From when they count.
    pub(crate) since: &'static str,
    /// Whether these are runs, which may be joined with others of the same plan.
    is_run: bool,
    /// One per target or per file.
    pub(crate) series: Vec<Series>,
    /// What a comparison concluded.
    pub(crate) ratios: Vec<Ratio>,
    /// Where and how it was measured, one line each.
    pub(crate) origin: Vec<(String, String)>,
}

/// The figures of one target.
#[derive(Clone, Debug, Default)]
pub(crate) struct Series {
    /// Its name.
    pub(crate) label: String,
    /// Its colour, which all series of one name have, on whatever sheet.
    pub(crate) colour: usize,
    /// Per second.
    pub(crate) rate: Option<Spread>,
    /// Per CPU second of the target.
    pub(crate) per_cpu_second: Option<Spread>,
    /// The greatest resident memory of the target, KiB.
    pub(crate) resident_kib: Option<f64>,
    /// p50, p90, p99, p99.9 and the greatest, nanoseconds.
    pub(crate) percentiles: [Option<f64>; 5],
    /// How many latencies were recorded.
    pub(crate) count: f64,
    /// The quantile, from 0 to 1, and its nanoseconds.
    pub(crate) curve: Vec<(f64, f64)>,
    /// Due and not delivered, or links that failed.
    pub(crate) lost: u64,
    /// Why this is no result.
    pub(crate) fault: Option<String>,
}

impl Series {
    /// A line that says why this is no result, if it is none.
    pub(crate) fn void(&self) -> Option<String> {
        let fault = self.fault.as_ref()?;
        Some(format!("{} is NOT A RESULT: {fault}", self.label))
    }
}

/// What one target is to another.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ratio {
    of: String,
    to: String,
    /// Why it does not count.
    pub(crate) void: Option<String>,
    /// Name and ratio.
    pub(crate) figures: Vec<(&'static str, Spread)>,
}

impl Ratio {
    /// Both labels.
    pub(crate) fn title(&self) -> String {
        format!("{} : {}", self.of, self.to)
    }

    /// As a line of text.
    pub(crate) fn line(&self) -> String {
        let title = self.title();
        if let Some(void) = &self.void {
            return format!("{title}  VOID ({void})");
        }
        let one = |(name, spread): &(&str, Spread)| format!("{name} {:.2}", spread.median);
        let figures: Vec<_> = self.figures.iter().map(one).collect();
        format!("{title}  {}", figures.join(", "))
    }
}

impl Sheet {
    /// Reads one file, called `stem` without its ending.
    ///
    /// # Errors
    /// It is not JSON, or not a result of the load generator.
    pub(crate) fn read(stem: &str, text: &str) -> Result<Self, String> {
        let document: Value = serde_json::from_str(text).map_err(|e| format!("not JSON: {e}"))?;
        let plan = document.get("plan").filter(|plan| plan.is_object());
        let plan = plan.ok_or("no result of loadgen: it has no plan")?;
        let shape = text_of(plan, "shape").ok_or("no result of loadgen: its plan has no shape")?;
        let mut sheet = Self {
            title: text_of(plan, "summary").unwrap_or_else(|| shape.clone()),
            unit: "deliveries",
            timed: "latency",
            since: if number(plan, &["rate_per_second"]).is_some() {
                "from the moment each message was due, whether or not it could leave then"
            } else {
                "from sending; a closed loop waits for the target, so its queue is in it"
            },
            ..Self::default()
        };
        if let Some(targets) = document.get("targets").and_then(Value::as_array) {
            sheet.series = targets.iter().map(contestant).collect();
            let ratios = document.get("ratios").and_then(Value::as_array);
            sheet.ratios = ratios.into_iter().flatten().map(ratio).collect();
            if let Some(rounds) = number(&document, &["rounds"]) {
                sheet.title += &format!(", medians of {rounds}");
            }
        } else if shape == "storm" {
            (sheet.unit, sheet.timed) = ("links", "time to open a link");
            sheet.since = "from dialling to the last acknowledgement";
            sheet.title = format!("storm: {stem}");
            sheet.series = vec![storm(stem, &document)];
        } else {
            sheet.is_run = true;
            sheet.series = vec![run(stem, &document)];
        }
        sheet.origin = origin(stem, &document);
        Ok(sheet)
    }

    /// Whether both are runs of one plan.
    pub(crate) fn is_alike(&self, other: &Self) -> bool {
        self.is_run && other.is_run && self.title == other.title
    }

    /// Takes in the figures of another.
    pub(crate) fn join(&mut self, other: Self) {
        self.series.extend(other.series);
        self.origin.extend(other.origin);
    }
}

/// One target of a comparison.
fn contestant(value: &Value) -> Series {
    let medians = value.get("medians").unwrap_or(&Value::Null);
    let turns = value.get("turns").and_then(Value::as_array);
    let peaks = turns
        .into_iter()
        .flatten()
        .filter_map(|turn| number(turn, &["measured", "target_resident_kib_peak"]));
    Series {
        label: text_of(value, "label").unwrap_or_default(),
        rate: spread(medians.get("deliveries_per_second")),
        per_cpu_second: spread(medians.get("deliveries_per_cpu_second")),
        resident_kib: peaks.reduce(f64::max),
        lost: whole(value, &["lost"]),
        fault: text_of(value, "fault"),
        ..timed(value.get("latency"))
    }
}

fn run(stem: &str, document: &Value) -> Series {
    let count = number(document, &["measured", "count"]);
    let cpu = number(document, &["measured", "target_cpu_seconds"]).filter(|cpu| *cpu > 0.0);
    Series {
        label: stem.to_owned(),
        rate: number(document, &["deliveries_per_second"]).map(single),
        per_cpu_second: count.zip(cpu).map(|(count, cpu)| single(count / cpu)),
        resident_kib: number(document, &["measured", "target_resident_kib_peak"]),
        lost: whole(document, &["deliveries", "lost"]),
        fault: fault(document),
        ..timed(document.get("latency"))
    }
}

fn storm(stem: &str, document: &Value) -> Series {
    let opened = number(document, &["opening", "count"]);
    let cpu = number(document, &["opening", "target_cpu_seconds"]).filter(|cpu| *cpu > 0.0);
    let wanted = whole(document, &["plan", "links"]);
    Series {
        label: stem.to_owned(),
        rate: number(document, &["links_per_second"]).map(single),
        per_cpu_second: opened.zip(cpu).map(|(count, cpu)| single(count / cpu)),
        resident_kib: number(document, &["holding", "target_resident_kib_peak"]),
        lost: wanted.saturating_sub(whole(document, &["opened"])),
        fault: fault(document),
        ..timed(document.get("open_time"))
    }
}

/// The part of a series that latencies make.
fn timed(latency: Option<&Value>) -> Series {
    let latency = latency.unwrap_or(&Value::Null);
    let point = |point: &Value| {
        let (quantile, ns) = (point.get(0)?.as_f64()?, point.get(1)?.as_f64()?);
        let is_sound = (0.0..=1.0).contains(&quantile) && ns >= 0.0;
        is_sound.then_some((quantile, ns))
    };
    let curve = latency.get("curve").and_then(Value::as_array);
    let curve = curve.into_iter().flatten().take(CURVE_POINTS_MAX);
    Series {
        percentiles: ["p50_ns", "p90_ns", "p99_ns", "p99.9_ns", "max_ns"]
            .map(|name| number(latency, &[name])),
        count: number(latency, &["count"]).unwrap_or(0.0),
        curve: curve.filter_map(point).collect(),
        ..Series::default()
    }
}

fn ratio(value: &Value) -> Ratio {
    let named = [
        ("deliveries_per_second", "deliveries/s"),
        ("deliveries_per_cpu_second", "deliveries/CPU second"),
        ("latency_p50_ns", "p50"),
        ("latency_p99_ns", "p99"),
        ("latency_p99.9_ns", "p99.9"),
    ];
    let figure = |(field, name)| Some((name, spread(value.get(field))?));
    Ratio {
        of: text_of(value, "of").unwrap_or_default(),
        to: text_of(value, "to").unwrap_or_default(),
        void: text_of(value, "void"),
        figures: named.into_iter().filter_map(figure).collect(),
    }
}

/// Where and how it was measured.
fn origin(stem: &str, document: &Value) -> Vec<(String, String)> {
    let mut lines = Vec::new();
    let mut line = |name: &str, text: String| lines.push((name.to_owned(), text));
    let words = document.get("command_line").and_then(Value::as_array);
    let words: Vec<_> = words
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    line(stem, words.join(" "));
    let host = document.get("host").unwrap_or(&Value::Null);
    let known = |name: &str| host.get(name).filter(|value| !value.is_null()).map(plain);
    let facts = [
        ("cpus", " CPUs"),
        ("cpu_model", ""),
        ("kernel", " kernel"),
        ("governor", " governor"),
    ];
    let facts = facts.map(|(name, what)| known(name).map(|value| format!("{value}{what}")));
    line(
        "host",
        facts.into_iter().flatten().collect::<Vec<_>>().join(", "),
    );
    let version = text_of(document, "version").unwrap_or_default();
    let commit = text_of(document, "commit").map(|commit| format!(", commit {commit}"));
    line(
        "loadgen",
        format!("{version}{}", commit.unwrap_or_default()),
    );
    if let Some(seconds) = document.get("written_at").and_then(Value::as_u64) {
        line("written", super::scale::date(seconds));
    }
    let plan = document.get("plan").unwrap_or(&Value::Null);
    if let Some(cpus) = plan
        .get("cpus")
        .and_then(Value::as_array)
        .filter(|all| !all.is_empty())
    {
        let cpus: Vec<_> = cpus.iter().map(plain).collect();
        line("loadgen on CPU", cpus.join(", "));
    }
    let targets = document.get("targets").and_then(Value::as_array);
    let own = [plan.clone()];
    for target in targets.map_or(&own[..], Vec::as_slice) {
        let Some(spawned) = target.get("spawned").filter(|value| value.is_object()) else {
            continue;
        };
        let label = text_of(target, "label").unwrap_or_else(|| "target".to_owned());
        let facts = ["program", "version"].map(|name| text_of(spawned, name));
        let mut text = facts.into_iter().flatten().collect::<Vec<_>>().join(": ");
        if let Some(cpu) = spawned.get("cpu").and_then(Value::as_u64) {
            text += &format!(", on CPU {cpu}");
        }
        if let Some(settings) = text_of(spawned, "settings") {
            text += &format!("\n{}", settings.trim_end());
        }
        line(&label, text);
    }
    lines
}

fn fault(document: &Value) -> Option<String> {
    match document.get("clean").and_then(Value::as_bool) {
        Some(true) => None,
        _ => {
            let verdict = text_of(document, "verdict").unwrap_or_else(|| "no verdict".to_owned());
            Some(verdict.trim_start_matches("NOT A RESULT: ").to_owned())
        }
    }
}

fn single(figure: f64) -> Spread {
    Spread {
        median: figure,
        min: figure,
        max: figure,
    }
}

fn spread(value: Option<&Value>) -> Option<Spread> {
    let value = value?;
    Some(Spread {
        median: number(value, &["median"])?,
        min: number(value, &["min"])?,
        max: number(value, &["max"])?,
    })
}

/// A finite, non-negative number at the end of a path of fields.
fn number(value: &Value, path: &[&str]) -> Option<f64> {
    let found = path.iter().try_fold(value, |value, name| value.get(name));
    found?.as_f64().filter(|n| n.is_finite() && *n >= 0.0)
}

fn whole(value: &Value, path: &[&str]) -> u64 {
    let found = path.iter().try_fold(value, |value, name| value.get(name));
    found.and_then(Value::as_u64).unwrap_or(0)
}

fn text_of(value: &Value, name: &str) -> Option<String> {
    value.get(name)?.as_str().map(str::to_owned)
}

/// A value without the quotes of a text.
fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_result_is_refused_with_the_reason() {
        for (text, expected) in [
            ("", "not JSON"),
            ("[1, 2]", "no plan"),
            ("{\"plan\": 3}", "no plan"),
            ("{\"plan\": {}}", "no shape"),
        ] {
            let refused = Sheet::read("x", text).unwrap_err();
            assert!(refused.contains(expected), "{text}: {refused}");
        }
    }

    #[test]
    fn fields_of_the_wrong_kind_are_left_out() {
        let text = r#"{"plan": {"shape": "pairs"}, "deliveries_per_second": "many",
            "latency": {"count": -1, "curve": [[2, 5], [0.5], "x", [0.5, 7]]},
            "targets": null, "host": 7, "command_line": {"a": 1}}"#;
        let sheet = Sheet::read("x", text).unwrap();
        let series = &sheet.series[0];
        assert_eq!((series.rate, series.count), (None, 0.0));
        assert_eq!(series.curve, [(0.5, 7.0)]);
        assert_eq!(series.fault.as_deref(), Some("no verdict"));
    }

    #[test]
    fn runs_of_one_plan_are_joined_and_comparisons_are_not() {
        let run = r#"{"clean": true, "plan": {"shape": "pairs", "summary": "p"}}"#;
        let mut first = Sheet::read("a", run).unwrap();
        let second = Sheet::read("b", run).unwrap();
        assert!(first.is_alike(&second));
        first.join(second);
        assert_eq!(first.series.len(), 2);
        let compared = r#"{"plan": {"shape": "pairs", "summary": "p"}, "targets": []}"#;
        assert!(!first.is_alike(&Sheet::read("c", compared).unwrap()));
    }
}
