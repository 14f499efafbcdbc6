//! `agenthook stats`: how executions go, as a table with sparklines.

use clap::Args;
use owo_colors::{AnsiColors, OwoColorize};
use serde_json::Value;

use super::api::ApiArgs;
use super::failure::Failure;
use super::output::{self, field};
use super::{input, trace};
use crate::model::{AgentId, TenantId, Window};

const WINDOWS: &[&str] = &["1h", "24h", "7d", "30d"];
/// The heights of a sparkline.
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// How executions go: how they ended, how long they took, tokens and cost, and what waits
#[derive(Args)]
#[command(after_help = "\
Examples:
  agenthook stats
  agenthook stats --window 7d --agent AGENT_ID
  agenthook stats --window 1h --json | jq .totals.success_rate")]
pub(super) struct Stats {
    #[command(flatten)]
    api: ApiArgs,
    /// How far back from now
    #[arg(long, default_value = "24h", value_parser = input::word::<Window>(WINDOWS))]
    window: Window,
    /// Only this agent's
    #[arg(long, value_name = "AGENT_ID")]
    agent: Option<AgentId>,
    /// Only this tenant's
    #[arg(long, value_name = "TENANT_ID")]
    tenant: Option<TenantId>,
}

impl Stats {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let api = self.api.api()?;
        let mut query = vec![("window", self.window.as_str().to_owned())];
        query.extend(self.agent.map(|id| ("agent_id", id.to_string())));
        query.extend(self.tenant.map(|id| ("tenant_id", String::from(id))));
        let answer = api.get(&["stats"], &query).await?;
        answer.show(self.api.json, page)
    }
}

/// A number that is drawn over time.
struct Line {
    name: &'static str,
    total: String,
    /// In each bucket; `None`: there is nothing to be measured.
    over_time: Vec<Option<f64>>,
    /// What two buckets are together.
    fold: fn(f64, f64) -> f64,
    color: AnsiColors,
}

fn page(stats: &Value) -> String {
    let all = lines(stats);
    let width = |of: fn(&Line) -> usize| all.iter().map(of).max().unwrap_or_default();
    let (names, totals) = (width(|line| line.name.len()), width(|line| line.total.chars().count()));
    let rows = all.iter().map(|line| {
        let numbers = format!("{:names$}  {:>totals$}", line.name, line.total);
        match sparkline(&folded(line)).trim_end() {
            "" => numbers,
            drawn => format!("{numbers}  {}", drawn.color(line.color)),
        }
    });
    let rows: Vec<_> = rows.collect();
    format!("{}\n\n{}", head(stats), rows.join("\n"))
}

fn head(stats: &Value) -> String {
    let queue = |name: &str| {
        let number = stats.pointer(&format!("/queue/{name}")).and_then(Value::as_i64).unwrap_or_default();
        if number >= 10_000 { "10000 or more".to_owned() } else { number.to_string() }
    };
    let oldest = match stats.pointer("/queue/oldest_waiting_ms") {
        None | Some(Value::Null) => String::new(),
        oldest => format!(" (the oldest for {})", trace::millis(oldest)),
    };
    output::sheet([
        ("window", format!("{}, from {} on", field(stats, "/window"), field(stats, "/from"))),
        (
            "now",
            format!(
                "{} queued{oldest}, {} running, {} held",
                queue("depth"),
                queue("running"),
                queue("held")
            ),
        ),
    ])
}

fn lines(stats: &Value) -> Vec<Line> {
    let total = |pointer: &str| stats.pointer(&format!("/totals{pointer}"));
    let over_time = |pointer: &str| -> Vec<Option<f64>> {
        let buckets = stats.pointer("/buckets").and_then(Value::as_array);
        buckets.into_iter().flatten().map(|bucket| bucket.pointer(pointer)?.as_f64()).collect()
    };
    let plus: fn(f64, f64) -> f64 = |a, b| a + b;
    let count = |name, pointer, color| Line {
        name,
        total: field(stats, &format!("/totals{pointer}")),
        over_time: over_time(pointer),
        fold: plus,
        color,
    };
    let latency = |name, pointer| Line {
        name,
        total: trace::millis(total(pointer)),
        over_time: over_time(pointer),
        fold: f64::max,
        color: AnsiColors::Cyan,
    };
    let rate = total("/success_rate").and_then(Value::as_f64);
    vec![
        count("success", "/success", AnsiColors::Green),
        count("failed", "/failed", AnsiColors::Red),
        count("cancelled", "/cancelled", AnsiColors::Yellow),
        Line {
            name: "success rate",
            total: rate.map_or("-".to_owned(), |rate| format!("{:.1} %", rate * 100.0)),
            over_time: over_time("/success_rate"),
            fold: f64::min,
            color: AnsiColors::Green,
        },
        latency("p50", "/latency_ms/p50"),
        latency("p95", "/latency_ms/p95"),
        latency("p99", "/latency_ms/p99"),
        count("prompt tokens", "/prompt_tokens", AnsiColors::Default),
        count("completion tokens", "/completion_tokens", AnsiColors::Default),
        Line {
            name: "cost",
            total: cost(stats),
            over_time: over_time("/known_cost_usd"),
            fold: plus,
            color: AnsiColors::Default,
        },
    ]
}

/// What is known of it, and whether that is all.
fn cost(stats: &Value) -> String {
    let known = trace::dollars(stats.pointer("/totals/known_cost_usd"));
    match stats.pointer("/totals/cost_usd") {
        None | Some(Value::Null) => format!("{known} or more"),
        Some(_) => known,
    }
}

/// Two buckets as one, so that a line has room beside its number.
fn folded(line: &Line) -> Vec<Option<f64>> {
    let pair = |pair: &[Option<f64>]| pair.iter().copied().flatten().reduce(line.fold);
    line.over_time.chunks(2).map(pair).collect()
}

/// From nothing to the highest; a gap where there is nothing to be measured, or nothing at all.
fn sparkline(values: &[Option<f64>]) -> String {
    let highest = values.iter().copied().flatten().fold(0.0, f64::max);
    let block = |value: &Option<f64>| match value {
        Some(value) if *value > 0.0 => {
            let step = (value / highest * BLOCKS.len() as f64).ceil() as usize;
            BLOCKS[step.clamp(1, BLOCKS.len()) - 1]
        }
        Some(_) | None => ' ',
    };
    values.iter().map(block).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn heights() {
        assert_eq!(sparkline(&[]), "");
        assert_eq!(sparkline(&[None, Some(0.0)]), "  ");
        let values = [0.0, 0.1, 1.0, 2.0, 4.0, 7.9, 8.0].map(Some);
        assert_eq!(sparkline(&values), " ▁▁▂▄██");
    }

    #[test]
    fn what_people_see() {
        let sum = |at: &str, success: i64, failed: i64, p95: Option<i64>| {
            json!({
                "at": at, "success": success, "failed": failed, "cancelled": 0, "success_rate": 0.75,
                "prompt_tokens": 10 * success, "completion_tokens": success, "cost_usd": null, "known_cost_usd": 0.5,
                "latency_ms": {"p50": p95, "p95": p95, "p99": p95}
            })
        };
        let buckets = [
            sum("a", 1, 0, Some(100)),
            sum("b", 1, 0, Some(200)),
            sum("c", 0, 0, None),
            sum("d", 4, 2, Some(400)),
        ];
        let stats = json!({
            "window": "1h", "from": "2026-01-31T12:00:00.000Z", "totals": sum("", 6, 2, Some(12_000)),
            "buckets": buckets, "queue": {"depth": 10_000, "oldest_waiting_ms": 1500, "running": 3, "held": 0}
        });
        insta::assert_snapshot!(anstream::adapter::strip_str(&page(&stats)).to_string(), @r"
        window  1h, from 2026-01-31T12:00:00.000Z on
        now     10000 or more queued (the oldest for 1500 ms), 3 running, 0 held

        success                       6  ▄█
        failed                        2   █
        cancelled                     0
        success rate             75.0 %  ██
        p50                      12.0 s  ▄█
        p95                      12.0 s  ▄█
        p99                      12.0 s  ▄█
        prompt tokens                60  ▄█
        completion tokens             6  ▄█
        cost               $0.5 or more  ██
        ");
    }
}
