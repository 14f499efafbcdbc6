//! What is printed: Markdown, ready for docs/performance.md.

use std::fmt;
use std::fs;
use std::time::Duration;

use crate::arguments::{Phase, Scale};
use crate::database;
use crate::deployment::Setup;

impl Phase {
    /// In the order in which they are measured.
    pub const ALL: [Self; 7] =
        [Self::Idle, Self::Dispatch, Self::Flight, Self::Deliver, Self::History, Self::Accept, Self::Rules];

    /// The table's heading.
    pub fn title(self) -> &'static str {
        match self {
            Self::Idle => "Idle",
            Self::Dispatch => "From webhook to LLM call",
            Self::Flight => "Executions in flight",
            Self::Accept => "Accepting",
            Self::Rules => "Accepting by rules",
            Self::Deliver => "Delivering",
            Self::History => "Looking at history",
        }
    }

    /// The table's columns.
    pub fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Idle => &["on", "process", "first start", "start", "resident", "of one core"],
            Self::Dispatch => &["on", "webhooks", "from the POST, p50", "p99", "from the 202, p50", "p99"],
            Self::Flight => &[
                "on",
                "concurrency",
                "in flight at once",
                "resident before",
                "at the peak",
                "per execution",
                "ended/s, calls of 2 s",
                "ended/s, calls of 200 ms",
            ],
            Self::Accept => {
                &["on", "accepted/s", "bare actix-web/s", "ratio", "at half the rate: p50", "p99", "max"]
            }
            Self::Rules => &["on", "accepted/s without", "with filter and rate limits", "ratio"],
            Self::Deliver => &[
                "on",
                "accepted/s without an endpoint",
                "with one",
                "ratio",
                "delivered/s",
                "beside a hanging one",
            ],
            Self::History => &["page, median", "with 3,000 executions", "with a million more", "ratio"],
        }
    }
}

/// A Markdown table with a heading.
pub struct Table {
    title: &'static str,
    columns: &'static [&'static str],
    rows: Vec<Vec<String>>,
    notes: Vec<String>,
}

impl Table {
    /// Without rows.
    pub fn new(title: &'static str, columns: &'static [&'static str]) -> Self {
        Self { title, columns, rows: Vec::new(), notes: Vec::new() }
    }

    /// One more row.
    pub fn row(&mut self, row: Vec<String>) {
        eprintln!("  {}", row.join(" | "));
        self.rows.push(row);
    }

    /// A line below the table.
    pub fn note(&mut self, note: String) {
        eprintln!("  {note}");
        self.notes.push(note);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "### {}\n\n| {} |", self.title, self.columns.join(" | "))?;
        // The first column is text, the others are numbers.
        writeln!(f, "|---|{}", "--:|".repeat(self.columns.len() - 1))?;
        self.rows.iter().try_for_each(|row| writeln!(f, "| {} |", row.join(" | ")))?;
        self.notes.iter().try_for_each(|note| writeln!(f, "\n{note}"))
    }
}

/// What it was measured on, in a paragraph.
pub async fn machine(setups: &[Setup], scale: &Scale, smoke: bool) -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let processor = read("/proc/cpuinfo");
    let processor = processor.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let kernel = read("/proc/sys/kernel/osrelease");
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let mut text = format!(
        "agenthook {}, {} cores ({}), Linux {}",
        env!("CARGO_PKG_VERSION"),
        cores,
        processor.map_or("unknown", |(_, name)| name.trim()),
        kernel.trim()
    );
    if let Some(server) = setups.iter().find_map(|setup| setup.postgres.as_deref()) {
        let server = database::describe(server).await.unwrap_or_else(|error| format!("Postgres: {error}"));
        text += &format!("; {server}");
    }
    text += &format!("; {} s per phase, {} rounds.", scale.span.as_secs_f64(), scale.rounds);
    if smoke || cfg!(debug_assertions) {
        text += " **A smoke test or a debug build: these numbers mean nothing.**";
    }
    text
}

/// The value below which this share of them lies.
pub fn percentile(sorted: &[Duration], share: f64) -> Duration {
    let index = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(index.saturating_sub(1)).copied().unwrap_or_default()
}

/// The middle one.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// `1.23 ms`, `210 ms`
pub fn milliseconds(time: Duration) -> String {
    let milliseconds = time.as_secs_f64() * 1000.0;
    if milliseconds < 100.0 { format!("{milliseconds:.2} ms") } else { format!("{milliseconds:.0} ms") }
}

/// `12,345`
pub fn count(number: f64) -> String {
    let digits = format!("{number:.0}");
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    groups.join(",")
}

/// `31.5 MB`
pub fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}
