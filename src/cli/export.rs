//! `agenthook executions export`: all executions that match, as a file.

use std::fs::File;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};

use super::api::{Api, Download};
use super::execution_filter::FilterArgs;
use super::failure::Failure;

/// Export executions with input and output, the newest first
///
/// Without --output to standard output. What breaks off leaves no file, and ends with exit code 1.
#[derive(Args)]
#[command(after_help = "\
Examples:
  agenthook executions export --format csv --output january.csv --from 2026-01-01T00:00:00Z --to 2026-02-01T00:00:00Z
  agenthook executions export --status failed | jq -r '.error.code' | sort | uniq -c")]
pub(super) struct Export {
    /// An execution per line as JSON, or a table
    #[arg(long, value_enum, default_value_t = Format::Ndjson)]
    format: Format,
    /// Write to this file
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    filter: FilterArgs,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Ndjson,
    Csv,
}

impl Export {
    pub(super) async fn run(self, api: &Api) -> Result<(), Failure> {
        let format = match self.format {
            Format::Ndjson => "ndjson",
            Format::Csv => "csv",
        };
        let filter = self.filter.query();
        let query = [("format", Some(format.to_owned()))].into_iter().chain(filter);
        let query: Vec<_> = query.filter_map(|(name, value)| Some((name, value?))).collect();
        let download = api.download(&["executions", "export"], &query).await?;
        match &self.output {
            Some(path) => to_file(download, path).await,
            // The bar would stand among the lines.
            None if std::io::stdout().is_terminal() => {
                copy(download, &mut std::io::stdout(), ProgressBar::hidden(), cannot_print).await
            }
            None => copy(download, &mut std::io::stdout(), bar(), cannot_print).await,
        }
    }
}

/// Writes beside the file, which is there only when it is whole.
async fn to_file(download: Download, path: &Path) -> Result<(), Failure> {
    // Of a name that nobody else has: two may write the same file, and a FILE.part may be somebody's.
    let mut part = path.as_os_str().to_owned();
    part.push(format!(".{}.part", uuid::Uuid::now_v7().simple()));
    let part = PathBuf::from(part);
    let fault = |error| Failure::Fault(format!("cannot write {}: {error}", path.display()));
    let mut file = File::create_new(&part).map_err(fault)?;
    let written = tokio::select! {
        written = copy(download, &mut file, bar(), fault) => written,
        _ = tokio::signal::ctrl_c() => Err(Failure::Fault("interrupted: no file was written".to_owned())),
    };
    drop(file);
    match written {
        Ok(()) => std::fs::rename(&part, path).map_err(fault),
        Err(failure) => {
            let _ = std::fs::remove_file(&part);
            Err(failure)
        }
    }
}

async fn copy(
    mut download: Download,
    to: &mut impl Write,
    bar: ProgressBar,
    fault: impl Fn(std::io::Error) -> Failure,
) -> Result<(), Failure> {
    let copied = async {
        while let Some(piece) = download.next().await? {
            let piece = piece.as_ref();
            to.write_all(piece).map_err(&fault)?;
            bar.inc(piece.len() as u64);
        }
        to.flush().map_err(&fault)
    }
    .await;
    bar.finish_and_clear();
    copied
}

fn cannot_print(error: std::io::Error) -> Failure {
    error.into()
}

/// How much has come, on standard error if that is a terminal. How much there is nobody knows.
fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {bytes} in {elapsed} ({bytes_per_sec})");
    let bar =
        ProgressBar::new_spinner().with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}
