//! Nothing to do: how soon a process is ready, and what it costs to have it.

use std::time::Instant;

use crate::Outcome;
use crate::arguments::Scale;
use crate::deployment::{Home, Setup};
use crate::process::Process;
use crate::report::{median, megabytes, milliseconds};

/// Starts on a database that is there already; their median counts.
const STARTS: usize = 5;

/// One row per process.
pub async fn measure(setup: &Setup, scale: &Scale) -> Outcome<Vec<Vec<String>>> {
    let home = Home::create(setup, &[]).await?;
    let begin = Instant::now();
    // With all migrations.
    let mut front = home.front().await?;
    let first = begin.elapsed();
    let mut starts = Vec::new();
    for _ in 0..STARTS {
        drop(front);
        let begin = Instant::now();
        front = home.front().await?;
        starts.push(begin.elapsed().as_secs_f64());
    }
    let again = std::time::Duration::from_secs_f64(median(starts));
    let worker = home.worker()?;
    // What a start leaves to do is not idleness.
    tokio::time::sleep(scale.span.min(std::time::Duration::from_secs(2))).await;
    let processes: Vec<&Process> = [Some(&front), worker.as_ref()].into_iter().flatten().collect();
    let spent = |_: ()| processes.iter().map(|process| process.processor_time()).collect::<Outcome<Vec<_>>>();
    let (since, before) = (Instant::now(), spent(())?);
    tokio::time::sleep(scale.span).await;
    let (span, after) = (since.elapsed(), spent(())?);
    let names: &[_] = if worker.is_some() { &["api", "worker"] } else { &["serve"] };
    let mut rows = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let share = (after[index] - before[index]).as_secs_f64() / span.as_secs_f64();
        // A worker does not listen: nobody can ask it whether it is ready.
        let time = |time| if index == 0 { milliseconds(time) } else { "".into() };
        rows.push(vec![
            setup.name.into(),
            format!("`{name}`"),
            time(first),
            time(again),
            megabytes(processes[index].resident()?),
            format!("{:.2} %", share * 100.0),
        ]);
    }
    Ok(rows)
}
