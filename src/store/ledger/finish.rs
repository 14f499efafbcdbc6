//! The end of an attempt, and where the run goes from there, in one commit.

use std::collections::HashSet;

use sqlx::types::Json;
use uuid::Uuid;

use super::{AttemptEnd, Claimed, Finish, Hold, Spent};
use crate::model::{Event, Execution, ExecutionError, ExecutionStatus, TenantId, Time, Usage};
use crate::store::db::{Db, statements};
use crate::store::group::Entry;
use crate::store::row::spell;
use crate::store::{Result, Store, events};

statements! {
    // Whoever survives alone was not the one that killed.
    END = "UPDATE executions SET status = $4, finished_at = $5, due_at = $6, tries = tries + $7, output = $8, error = $9,
            usage = $10, cost_nano = $11, llm_ms = $12, model = COALESCE($13, model), key_source = COALESCE($14, key_source),
            deaths = CASE WHEN alone THEN 0 ELSE deaths END, alone = (alone AND $4 = 'running'),
            lease_owner = CASE WHEN $4 = 'running' THEN lease_owner END
        WHERE execution_id = $1 AND status = 'running' AND lease_owner = $2 AND claims = $3";
    CLOSE = "UPDATE attempts SET finished_at = $3, status_code = $4, error = $5, usage = $6, cost_nano = $7, model = $8
        WHERE execution_id = $1 AND number = $2";
}

/// [`END`], [`CLOSE`] and the events for all of them in one round trip.
pub(in crate::store) const END_POSTGRES: &str = "WITH ended AS (
        SELECT * FROM UNNEST($1::uuid[], $2::uuid[], $3::int[], $4::text[], $5::timestamptz[], $6::timestamptz[], $7::int[],
            $8::text[], $9::jsonb[], $10::jsonb[], $11::bigint[], $12::bigint[], $13::text[], $14::text[],
            $15::int[], $16::timestamptz[], $17::int[], $18::jsonb[], $19::jsonb[], $20::bigint[],
            $21::uuid[], $22::text[], $23::text[], $24::uuid[], $25::timestamptz[], $26::text[])
        AS t (id, owner, claims, status, finished, due, tried, output, error, usage, cost, llm_ms, model, source,
            number, returned, status_code, attempt_error, attempt_usage, attempt_cost,
            event, event_type, event_tenant, event_agent, event_at, event_data)),
    held AS (UPDATE executions e SET status = t.status, finished_at = t.finished, due_at = t.due, tries = e.tries + t.tried,
            output = t.output, error = t.error, usage = t.usage, cost_nano = t.cost, llm_ms = t.llm_ms,
            model = COALESCE(t.model, e.model), key_source = COALESCE(t.source, e.key_source),
            deaths = CASE WHEN e.alone THEN 0 ELSE e.deaths END, alone = (e.alone AND t.status = 'running'),
            lease_owner = CASE WHEN t.status = 'running' THEN e.lease_owner END
        FROM ended t
        WHERE e.execution_id = t.id AND e.status = 'running' AND e.lease_owner = t.owner AND e.claims = t.claims
        RETURNING t.id, t.claims),
    closed AS (UPDATE attempts a SET finished_at = t.returned, status_code = t.status_code, error = t.attempt_error,
            usage = t.attempt_usage, cost_nano = t.attempt_cost, model = t.model
        FROM ended t JOIN held h ON h.id = t.id AND h.claims = t.claims
        WHERE a.execution_id = t.id AND a.number = t.number),
    told AS (INSERT INTO events (event_id, event_type, tenant_id, agent_id, execution_id, at, data)
        SELECT t.event, t.event_type, t.event_tenant, t.event_agent, t.id, t.event_at, t.event_data
        FROM ended t JOIN held h ON h.id = t.id AND h.claims = t.claims WHERE t.event IS NOT NULL)
    SELECT id, claims FROM held";

/// An attempt that ends (none if no call was made), and where its run goes.
#[derive(Clone, Debug)]
pub struct End {
    /// The right to tell it.
    pub hold: Hold,
    /// The attempt.
    pub attempt: Option<AttemptEnd>,
    /// What all attempts took, this one included.
    pub spent: Spent,
    /// Where to.
    pub to: Finish,
    /// What is told of it, if it is the end of the run.
    pub event: Option<Event>,
    /// The time.
    pub now: Time,
}

impl End {
    /// The end of this attempt of a run, and of the run itself if that is where it goes: then with the event that tells it.
    #[must_use]
    pub fn of(run: &Claimed, attempt: Option<AttemptEnd>, to: Finish, now: Time) -> Self {
        let spent = attempt.as_ref().map_or(run.spent, |attempt| attempt.spent);
        let event = told(run, attempt.as_ref(), spent, &to, now);
        Self { hold: run.hold, attempt, spent, to, event, now }
    }

    fn status(&self) -> &'static str {
        match self.to {
            Finish::Success(_) => "success",
            Finish::Failed(_) => "failed",
            Finish::RetryAt(_) => "queued",
            Finish::GoOn => "running",
        }
    }

    fn finished_at(&self) -> Option<Time> {
        matches!(self.to, Finish::Success(_) | Finish::Failed(_)).then_some(self.now)
    }

    fn due_at(&self) -> Option<Time> {
        if let Finish::RetryAt(due_at) = self.to { Some(due_at) } else { None }
    }

    fn tried(&self) -> i32 {
        matches!(self.to, Finish::RetryAt(_)).into()
    }

    fn output(&self) -> Option<&str> {
        if let Finish::Success(output) = &self.to { Some(output) } else { None }
    }

    fn error(&self) -> Option<Json<&ExecutionError>> {
        if let Finish::Failed(error) = &self.to { Some(Json(error)) } else { None }
    }

    fn usage(&self) -> Option<Json<Usage>> {
        self.spent.usage.map(Json)
    }

    fn cost(&self) -> Option<i64> {
        self.spent.cost.map(|cost| cost.0)
    }

    fn model(&self) -> Option<&str> {
        self.attempt.as_ref().map(|attempt| attempt.model.as_str())
    }

    fn key_source(&self) -> Option<String> {
        self.attempt.as_ref().map(|attempt| spell(attempt.key_source))
    }

    fn of_event<'a, T>(&'a self, of: impl Fn(&'a Event) -> Option<T>) -> Option<T> {
        self.event.as_ref().and_then(of)
    }

    fn of_attempt<'a, T>(&'a self, of: impl Fn(&'a AttemptEnd) -> Option<T>) -> Option<T> {
        self.attempt.as_ref().and_then(of)
    }
}

impl Entry for End {
    /// `false`: the hold is lost, and nothing is written: somebody else tells this run's end.
    type Outcome = bool;

    fn size(&self) -> usize {
        size_of::<Self>()
            + self.output().map_or(0, str::len)
            + self.event.as_ref().map_or(0, |event| event.data.len())
    }

    async fn write(store: &Store, batch: &[Self]) -> Result<Vec<bool>> {
        let held = match &store.db {
            Db::Sqlite { write, .. } => {
                let mut tx = write.begin_with("BEGIN IMMEDIATE").await?;
                let held = one_by_one(&mut tx, batch).await?;
                tx.commit().await?;
                held
            }
            Db::Postgres { pool, .. } => all_at_once(pool, batch).await?,
        };
        Ok(batch.iter().map(|end| held.contains(&(end.hold.execution_id.0, end.hold.claims))).collect())
    }
}

async fn one_by_one(tx: &mut sqlx::SqliteConnection, batch: &[End]) -> Result<HashSet<(Uuid, i32)>> {
    let mut held = HashSet::with_capacity(batch.len());
    for end in batch {
        let done = sqlx::query(END)
            .bind(end.hold.execution_id.0)
            .bind(end.hold.owner.0)
            .bind(end.hold.claims)
            .bind(end.status())
            .bind(end.finished_at())
            .bind(end.due_at())
            .bind(end.tried())
            .bind(end.output())
            .bind(end.error())
            .bind(end.usage())
            .bind(end.cost())
            .bind(end.spent.llm_ms)
            .bind(end.model())
            .bind(end.key_source())
            .execute(&mut *tx)
            .await?;
        if done.rows_affected() == 0 {
            continue;
        }
        held.insert((end.hold.execution_id.0, end.hold.claims));
        if let Some(event) = &end.event {
            events::note_sqlite(tx, event).await?;
        }
        if let Some(attempt) = &end.attempt {
            sqlx::query(CLOSE)
                .bind(end.hold.execution_id.0)
                .bind(attempt.number)
                .bind(attempt.finished_at)
                .bind(attempt.status_code.map(i32::from))
                .bind(attempt.error.as_ref().map(Json))
                .bind(attempt.usage.map(Json))
                .bind(attempt.cost.map(|cost| cost.0))
                .bind(&attempt.model)
                .execute(&mut *tx)
                .await?;
        }
    }
    Ok(held)
}

async fn all_at_once(pool: &sqlx::PgPool, batch: &[End]) -> Result<HashSet<(Uuid, i32)>> {
    let rows: Vec<(Uuid, i32)> = sqlx::query_as(END_POSTGRES)
        .bind(column(batch, |end| end.hold.execution_id.0))
        .bind(column(batch, |end| end.hold.owner.0))
        .bind(column(batch, |end| end.hold.claims))
        .bind(column(batch, End::status))
        .bind(column(batch, End::finished_at))
        .bind(column(batch, End::due_at))
        .bind(column(batch, End::tried))
        .bind(column(batch, End::output))
        .bind(column(batch, End::error))
        .bind(column(batch, End::usage))
        .bind(column(batch, End::cost))
        .bind(column(batch, |end| end.spent.llm_ms))
        .bind(column(batch, End::model))
        .bind(column(batch, End::key_source))
        .bind(column(batch, |end| end.of_attempt(|a| Some(a.number))))
        .bind(column(batch, |end| end.of_attempt(|a| Some(a.finished_at))))
        .bind(column(batch, |end| end.of_attempt(|a| a.status_code.map(i32::from))))
        .bind(column(batch, |end| end.of_attempt(|a| a.error.as_ref().map(Json))))
        .bind(column(batch, |end| end.of_attempt(|a| a.usage.map(Json))))
        .bind(column(batch, |end| end.of_attempt(|a| a.cost.map(|cost| cost.0))))
        .bind(column(batch, |end| end.of_event(|event| Some(event.event_id.0))))
        .bind(column(batch, |end| end.of_event(|event| Some(event.event_type.as_str()))))
        .bind(column(batch, |end| end.of_event(|event| event.tenant_id.as_ref().map(TenantId::as_str))))
        .bind(column(batch, |end| end.of_event(|event| event.agent_id.map(|id| id.0))))
        .bind(column(batch, |end| end.of_event(|event| Some(event.at))))
        .bind(column(batch, |end| end.of_event(|event| Some(event.data.as_str()))))
        .fetch_all(pool)
        .await?;
    Ok(rows.into_iter().collect())
}

/// What is told of a run that has ended.
fn told(run: &Claimed, attempt: Option<&AttemptEnd>, spent: Spent, to: &Finish, now: Time) -> Option<Event> {
    let (status, output, error) = match to {
        Finish::Success(output) => (ExecutionStatus::Success, Some(output.as_str()), None),
        Finish::Failed(error) => (ExecutionStatus::Failed, None, Some(error.clone())),
        Finish::RetryAt(_) | Finish::GoOn => return None,
    };
    let mut execution = Execution { status, error, ..run.execution.clone() };
    if let Some(attempt) = attempt {
        (execution.model, execution.key_source) = (Some(attempt.model.clone()), Some(attempt.key_source));
    }
    (execution.usage, execution.cost) = (spent.usage, spent.cost);
    (execution.timing.finished_at, execution.timing.llm_ms) = (Some(now), Some(spent.llm_ms));
    Some(Event::of_run(&execution, output, now))
}

fn column<'a, T>(batch: &'a [End], of: impl Fn(&'a End) -> T) -> Vec<T> {
    batch.iter().map(of).collect()
}
