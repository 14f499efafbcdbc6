//! All executions: first what was missed, then what happens.

use std::collections::HashSet;

use super::reader::{Gone, Reader, Turn};
use super::text;
use crate::app::{App, Follow, MISSED, Told};
use crate::model::{AgentId, Execution, ExecutionStatus, Position, TenantId};
use crate::store::{Newest, News, Result};
use crate::web::Scope;

/// A position that is older says nothing any more, in ms: events are forgotten some time.
const OLDEST_MS: u64 = 24 * 3600 * 1000;
/// Executions that are read together.
const CHUNK: usize = 200;

/// Whose executions are told, and which.
pub(super) struct Filter {
    scope: Scope,
    agent_id: Option<AgentId>,
    status: Option<ExecutionStatus>,
}

/// What has happened since somebody was here.
pub(super) enum Missed {
    /// These, from there to there.
    These(Position, Position, Vec<News>),
    /// More than is told, up to there.
    TooMuch(Position),
}

impl Filter {
    pub fn of(scope: Scope, agent_id: Option<AgentId>, status: Option<ExecutionStatus>) -> Self {
        Self { scope, agent_id, status }
    }

    fn passes(&self, execution: &Execution) -> bool {
        let is_seen = |tenant_id: &TenantId| *tenant_id == execution.tenant_id;
        let in_scope = match &self.scope {
            Scope::All => true,
            Scope::Tenant(tenant_id) => is_seen(tenant_id),
            Scope::Nothing => false,
        };
        in_scope
            && self.agent_id.is_none_or(|agent_id| agent_id == execution.agent_id)
            && self.status.is_none_or(|status| status == execution.status)
    }
}

impl Missed {
    /// Since this position.
    pub async fn since(from: Position, app: &App) -> Result<Self> {
        let now = Position::now();
        if from.ms_until(now) > OLDEST_MS {
            return Ok(Self::TooMuch(now));
        }
        Ok(match app.store.news(from, MISSED).await? {
            Newest::All(news) => Self::These(from, now, once(news)),
            Newest::TooMuch => Self::TooMuch(now),
        })
    }
}

/// Of each execution the last.
fn once(mut news: Vec<News>) -> Vec<News> {
    let mut seen = HashSet::new();
    news.reverse();
    news.retain(|news| seen.insert(news.execution_id));
    news.reverse();
    news
}

/// Tells a reader until it is gone.
pub(super) async fn tell(mut reader: Reader, follow: Follow, filter: Filter, missed: Option<Missed>) {
    // That nobody reads any more is how each ends.
    let _ = go_on(&mut reader, follow, filter, missed).await;
}

async fn go_on(
    reader: &mut Reader,
    mut follow: Follow,
    filter: Filter,
    missed: Option<Missed>,
) -> std::result::Result<(), Gone> {
    match missed {
        None => reader.send(text::beginning(follow.position().unwrap_or_else(Position::now))).await?,
        Some(Missed::TooMuch(now)) => {
            reader.send(text::beginning(now)).await?;
            reader.send(text::reset(now)).await?;
        }
        Some(Missed::These(from, until, news)) => {
            reader.send(text::beginning(from)).await?;
            catch_up(reader, &filter, (from, until), &news).await?;
        }
    }
    loop {
        match reader.wait(follow.next()).await? {
            Turn::Done(Ok(Told::State(position, execution))) => {
                if filter.passes(&execution) {
                    reader.send(text::state(position, &execution)).await?;
                }
            }
            Turn::Done(Ok(Told::LeftOut(position))) => reader.send(text::reset(position)).await?,
            Turn::Done(Err(_)) => {
                reader.bye("too slow: come back with the last id");
                return Ok(());
            }
            Turn::Beat => reader.send(text::beat(follow.position())).await?,
        }
    }
}

/// Tells what was missed, in the order in which it happened: whoever has come to one of them has heard of all before it.
async fn catch_up(
    reader: &mut Reader,
    filter: &Filter,
    (from, until): (Position, Position),
    news: &[News],
) -> std::result::Result<(), Gone> {
    for some in news.chunks(CHUNK) {
        reader.go_on().await?;
        let ids: Vec<_> = some.iter().map(|news| news.execution_id).collect();
        let executions = reader.app.store.these_executions(&ids).await.map_err(|error| {
            tracing::warn!(%error, "a stream broke off");
            Gone
        })?;
        let mut told = executions.iter().peekable();
        for news in some {
            let Some(execution) = told.next_if(|one| one.execution_id == news.execution_id) else { continue };
            if filter.passes(execution) {
                // Whose clock is ahead must not have others left out.
                let position = Position::of(news.id).min(until).max(from);
                // Whoever reads slowly takes long for these few.
                reader.go_on().await?;
                reader.send(text::state(position, execution)).await?;
            }
        }
    }
    Ok(())
}
