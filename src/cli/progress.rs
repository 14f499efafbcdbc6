//! How far work in the server has come, told by what is left of it.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::api::Api;
use super::failure::Failure;

/// How often it is counted what is left.
const POLL: Duration = Duration::from_secs(1);
/// The count stands still for so long when all has been done that could be.
const STILL: Duration = Duration::from_secs(10);

/// Shows what is left until that is nothing or stands still: as a bar on a terminal, else as a line for each change, on
/// standard error.
pub(super) async fn follow(
    api: &Api,
    left: impl AsyncFn(&Api) -> Result<u64, Failure>,
) -> Result<(), Failure> {
    let mut last = left(api).await?;
    let (bar, mut most, mut since) = (ProgressBar::new(last), last, Instant::now());
    let style = ProgressStyle::with_template("{bar:40} {pos} of {len} done, {elapsed}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let tell = |left: u64, most: u64| {
        bar.set_length(most);
        bar.set_position(most - left);
        if bar.is_hidden() {
            anstream::eprintln!("{left} left");
        }
    };
    tell(last, most);
    while last > 0 && since.elapsed() <= STILL {
        tokio::time::sleep(POLL).await;
        let now = left(api).await?;
        if now != last {
            (last, most, since) = (now, most.max(now), Instant::now());
            tell(now, most);
        }
    }
    bar.finish_and_clear();
    if last > 0 && !bar.is_hidden() {
        anstream::eprintln!("{last} left");
    }
    Ok(())
}
