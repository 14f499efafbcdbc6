//! How executions go, drawn: what the API's sums (`GET /api/v1/stats`) look like over time.
//!
//! The drawing has colours of the light scheme as presentation attributes, and nothing of CSS: `files/charts.css` finds them
//! by these attributes, and gives each the colour of the scheme that is on. No text in it is anybody's but ours.

use charts_rs::{BarChart, ChartBase, Color, LineChart, Series, Symbol, YAxisConfig};

use super::show::{percent, took, usd};
use crate::api::view::{BucketView, StatsView, SumView};
use crate::model::Window;

/// The drawing's own units: as wide as a telephone's page, so that its text is read there as it stands.
pub(super) const WIDTH: u16 = 380;
pub(super) const HEIGHT: u16 = 190;
/// Steps of the y axis.
const STEPS: usize = 4;

const GOOD: &str = "#14653a";
const BAD: &str = "#a4161a";
const WAIT: &str = "#7a4d00";
const CALM: &str = "#1d4fb8";
const TEXT: &str = "#4d5a6d";
const LINE: &str = "#d5dbe4";

/// A drawing and what is said of it.
pub(super) struct Chart {
    /// Its name on the page.
    pub id: &'static str,
    pub title: String,
    /// What it comes to, in a sentence.
    pub summary: String,
    /// What the colours mean: name, colour.
    pub legend: Vec<(&'static str, &'static str)>,
    /// What is inside of the `<svg>` element.
    pub svg: String,
}

/// Values over time.
struct Line {
    name: &'static str,
    colour: &'static str,
    /// One for each bucket; `None`: there is none.
    values: Vec<Option<f32>>,
    /// So that lines are told apart without their colours.
    dashes: Option<&'static str>,
}

impl Line {
    fn of(
        name: &'static str,
        colour: &'static str,
        buckets: &[BucketView],
        value: impl Fn(&BucketView) -> Option<f64>,
    ) -> Self {
        let values = buckets.iter().map(|bucket| value(bucket).map(|value| value as f32)).collect();
        Self { name, colour, values, dashes: None }
    }

    fn dashed(self, dashes: &'static str) -> Self {
        Self { dashes: Some(dashes), ..self }
    }
}

/// How values are drawn.
enum Form {
    /// As bars, one on top of the other.
    Bars,
    /// As lines, up to this value where it is known.
    Lines { most: Option<f32> },
}

/// All charts of a window.
pub(super) fn charts(stats: &StatsView) -> Vec<Chart> {
    let (buckets, totals, each) = (&stats.buckets[..], &stats.totals, bucket(stats.window));
    let draw = |lines: Vec<Line>, form| (legend(&lines), drawn(stats, lines, &form));
    let count = |value: i64| Some(value as f64);
    let ended = vec![
        Line::of("success", GOOD, buckets, |bucket| count(bucket.sum.success)),
        Line::of("failed", BAD, buckets, |bucket| count(bucket.sum.failed)),
        Line::of("cancelled", WAIT, buckets, |bucket| count(bucket.sum.cancelled)),
    ];
    let rate = vec![Line::of("success", GOOD, buckets, |bucket| Some(bucket.sum.success_rate? * 100.0))];
    let (unit, ms) = unit(buckets);
    let within = |ended: Option<i64>| ended.map(|value| value as f64 / ms);
    let latency = vec![
        Line::of("p50", CALM, buckets, |bucket| within(bucket.sum.latency_ms.p50)),
        Line::of("p95", WAIT, buckets, |bucket| within(bucket.sum.latency_ms.p95)).dashed("6,3"),
        Line::of("p99", BAD, buckets, |bucket| within(bucket.sum.latency_ms.p99)).dashed("2,3"),
    ];
    let tokens = vec![
        Line::of("in", CALM, buckets, |bucket| count(bucket.sum.prompt_tokens)),
        Line::of("out", WAIT, buckets, |bucket| count(bucket.sum.completion_tokens)),
    ];
    let (money, per_usd) = money(buckets);
    let cost =
        vec![Line::of("known cost", CALM, buckets, |bucket| Some(bucket.sum.known_cost_usd * per_usd))];
    let percentile = |value: &Option<i64>| value.as_ref().map_or_else(|| "none".to_owned(), took);
    let chart = |id, title, summary, (legend, svg)| Chart { id, title, summary, legend, svg };
    vec![
        chart(
            "ended",
            format!("Executions per {each}"),
            format!("{} success, {} failed, {} cancelled", totals.success, totals.failed, totals.cancelled),
            draw(ended, Form::Bars),
        ),
        chart(
            "rate",
            "Success rate in %".to_owned(),
            percent(&totals.success_rate),
            draw(rate, Form::Lines { most: Some(100.0) }),
        ),
        chart(
            "latency",
            format!("Latency in {unit}"),
            format!(
                "p50 {}, p95 {}, p99 {}",
                percentile(&totals.latency_ms.p50),
                percentile(&totals.latency_ms.p95),
                percentile(&totals.latency_ms.p99)
            ),
            draw(latency, Form::Lines { most: None }),
        ),
        chart(
            "tokens",
            format!("Tokens per {each}"),
            format!("{} in, {} out", totals.prompt_tokens, totals.completion_tokens),
            draw(tokens, Form::Bars),
        ),
        chart("cost", format!("Cost in {money} per {each}"), cost_of(totals), draw(cost, Form::Bars)),
    ]
}

/// What it cost, as far as that is known.
pub(super) fn cost_of(sum: &SumView) -> String {
    let known = usd(&Some(sum.known_cost_usd));
    match sum.unknown_costs {
        0 => known,
        unknown => format!("{known}, and {unknown} executions whose cost is unknown"),
    }
}

/// How long a bucket is, in words.
pub(super) fn bucket(window: Window) -> &'static str {
    match window {
        Window::Hour => "minute",
        Window::Day => "15 minutes",
        Window::Week => "2 hours",
        Window::Month => "12 hours",
    }
}

/// What the longest latency is said in, and how many ms that is.
fn unit(buckets: &[BucketView]) -> (&'static str, f64) {
    match buckets.iter().filter_map(|bucket| bucket.sum.latency_ms.p99).max().unwrap_or_default() {
        ..10_000 => ("ms", 1.0),
        10_000..600_000 => ("s", 1000.0),
        _ => ("min", 60_000.0),
    }
}

/// What the highest cost is said in, and how many of them a dollar is: an axis has no steps of less than a tenth.
fn money(buckets: &[BucketView]) -> (&'static str, f64) {
    match buckets.iter().map(|bucket| bucket.sum.known_cost_usd).fold(0.0, f64::max) {
        0.0 | 1.0.. => ("$", 1.0),
        0.01..1.0 => ("cents", 100.0),
        _ => ("millionths of a $", 1_000_000.0),
    }
}

fn legend(lines: &[Line]) -> Vec<(&'static str, &'static str)> {
    lines.iter().map(|line| (line.name, line.colour)).collect()
}

fn drawn(stats: &StatsView, lines: Vec<Line>, form: &Form) -> String {
    let format = match stats.window {
        Window::Hour | Window::Day => "%H:%M",
        Window::Week | Window::Month => "%d %b",
    };
    let times = stats.buckets.iter().map(|bucket| bucket.at.0.format(format).to_string()).collect();
    let colours = lines.iter().map(|line| Color::from(line.colour)).collect();
    let peak = peak(&lines);
    let series = lines.into_iter().map(|line| Series {
        stroke_dash_array: line.dashes.map(str::to_owned),
        stack: matches!(form, Form::Bars).then(|| "all".to_owned()),
        ..Series::new_nullable(line.name.to_owned(), line.values)
    });
    let svg = match form {
        Form::Bars => {
            let mut chart = BarChart::new(series.collect(), times);
            // Of few there are no fractions on the axis.
            let most = (peak > 0.0 && peak <= STEPS as f32 && peak.fract() == 0.0).then_some(STEPS as f32);
            dress(&mut chart.base, &mut chart.y_axis_configs, colours, most);
            chart.svg()
        }
        Form::Lines { most } => {
            let mut chart = LineChart::new(series.collect(), times);
            dress(&mut chart.base, &mut chart.y_axis_configs, colours, *most);
            // A point between two gaps has no line.
            chart.series.symbol = Some(Symbol::Circle(1.5, None));
            chart.svg()
        }
    };
    let svg = svg.unwrap_or_else(|error| {
        tracing::error!(%error, "a chart cannot be drawn");
        String::new()
    });
    inside(&svg).to_owned()
}

/// The highest bar, as far as one series reaches.
fn peak(lines: &[Line]) -> f32 {
    let buckets = lines.iter().map(|line| line.values.len()).max().unwrap_or_default();
    let sum = |at: usize| lines.iter().filter_map(|line| line.values.get(at).copied().flatten()).sum::<f32>();
    (0..buckets).map(sum).fold(0.0, f32::max)
}

fn dress(chart: &mut ChartBase, axes: &mut [YAxisConfig], colours: Vec<Color>, most: Option<f32>) {
    (chart.width, chart.height) = (f32::from(WIDTH), f32::from(HEIGHT));
    chart.background_color = Color::transparent();
    chart.legend.show = Some(false);
    chart.series.colors = colours;
    chart.x_axis.font.color = TEXT.into();
    chart.x_axis.font.size = 12.0;
    chart.x_axis.stroke_color = TEXT.into();
    chart.grid.stroke_color = LINE.into();
    for axis in axes {
        axis.font.color = TEXT.into();
        axis.font.size = 12.0;
        axis.split_number = STEPS;
        (axis.min, axis.max) = (Some(0.0), most);
    }
}

/// What is in the outermost element: the page writes that one itself, with its name.
fn inside(svg: &str) -> &str {
    let body = svg.split_once('>').map_or("", |(_, body)| body);
    body.rsplit_once("</svg>").map_or("", |(body, _)| body).trim()
}

#[cfg(test)]
#[path = "chart_tests.rs"]
mod tests;
