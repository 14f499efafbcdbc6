//! The bench: what docs/performance.md reports, measured in one run, against a bare actix-web server in the same run.
//!
//! The program under test is the real binary in processes of its own. This process sends, plays the LLM and reads
//! the clock, all on one thread, so that it takes one core at most and costs both sides of every ratio the same.

mod accept;
mod arguments;
mod database;
mod deliver;
mod deployment;
mod dispatch;
mod flight;
mod hello;
mod history;
mod hooks;
mod idle;
mod load;
mod process;
mod report;
mod rules;
mod upstream;
mod wire;

use std::error::Error;

use clap::Parser;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::arguments::{Arguments, Phase, Scale};
use crate::deployment::Setup;
use crate::report::Table;

/// What a measurement ends in: a bench that cannot measure says why and stops.
pub type Outcome<T> = Result<T, Box<dyn Error>>;

/// Open files that 5,000 calls need: two sockets each would do, one of them is in the other process.
const OPEN_FILES: u64 = 16_384;

fn main() -> Outcome<()> {
    let arguments = Arguments::parse();
    if let Some(address) = arguments.hello {
        return Ok(hello::serve(address)?);
    }
    raise_open_files();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // At Ctrl-C everything is dropped: processes end, databases go.
        tokio::select! {
            outcome = measure(&arguments) => outcome,
            _ = tokio::signal::ctrl_c() => Err("interrupted".into()),
        }
    })
}

/// The soft limit is often 1,024, and the processes under test inherit it.
fn raise_open_files() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.map_or(OPEN_FILES, |maximum| maximum.min(OPEN_FILES));
    if current.is_some_and(|current| current < wanted) {
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum });
    }
    if wanted < OPEN_FILES {
        eprintln!(
            "only {wanted} files may be open: raise the hard limit (ulimit -Hn) for 5,000 calls at once"
        );
    }
}

async fn measure(arguments: &Arguments) -> Outcome<()> {
    let scale = arguments.scale();
    let setups = arguments.setups();
    // Accepting comes last: it leaves a backlog behind, in Redis too.
    let mut tables = Vec::new();
    for phase in Phase::ALL.into_iter().filter(|phase| arguments.wants(*phase)) {
        let mut table = Table::new(phase.title(), phase.columns());
        for setup in &setups {
            eprintln!("{}: {}", phase.title(), setup.name);
            match phase.run(setup, &scale).await {
                Ok(rows) => rows.into_iter().for_each(|row| table.row(row)),
                // The other measurements are worth having.
                Err(error) => table.note(format!("{}: not measured, {error}", setup.name)),
            }
        }
        tables.push(table);
    }
    println!("{}", report::machine(&setups, &scale, arguments.is_smoke()).await);
    tables.iter().for_each(|table| print!("\n{table}"));
    Ok(())
}

impl Phase {
    async fn run(self, setup: &Setup, scale: &Scale) -> Outcome<Vec<Vec<String>>> {
        match self {
            Self::Idle => idle::measure(setup, scale).await,
            Self::Dispatch => dispatch::measure(setup, scale).await,
            Self::Flight => flight::measure(setup, scale).await,
            Self::Accept => accept::measure(setup, scale).await,
            Self::Rules => rules::measure(setup, scale).await,
            Self::Deliver => deliver::measure(setup, scale).await,
            Self::History => history::measure(setup, scale).await,
        }
    }
}
