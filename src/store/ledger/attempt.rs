//! An attempt's row, written before its call.

use std::collections::HashSet;

use uuid::Uuid;

use super::{AttemptStart, Hold};
use crate::model::{Event, TenantId};
use crate::store::db::{Db, statements};
use crate::store::group::Entry;
use crate::store::row::spell;
use crate::store::{Result, Store, events};

statements! {
    COUNT = "UPDATE executions SET attempt_count = $4
        WHERE execution_id = $1 AND status = 'running' AND lease_owner = $2 AND claims = $3 RETURNING run";
    CALLED = "SELECT number FROM attempts WHERE execution_id = $1 AND run = $2 LIMIT 1";
    INSERT = "INSERT INTO attempts (execution_id, number, started_at, key_source, llm_call_id, model, run)
        VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (execution_id, number) DO NOTHING";
}

/// [`COUNT`], [`CALLED`], [`INSERT`] and the events for all of them in one round trip.
pub(in crate::store) const BEGIN_POSTGRES: &str = "WITH begun AS (
        SELECT * FROM UNNEST($1::uuid[], $2::uuid[], $3::int[], $4::int[], $5::timestamptz[], $6::text[], $7::text[], $8::text[],
            $9::uuid[], $10::text[], $11::text[], $12::uuid[], $13::timestamptz[], $14::text[])
            AS t (id, owner, claims, number, at, source, call, model,
                event, event_type, event_tenant, event_agent, event_at, event_data)),
    held AS (UPDATE executions e SET attempt_count = b.number FROM begun b
        WHERE e.execution_id = b.id AND e.status = 'running' AND e.lease_owner = b.owner AND e.claims = b.claims
        RETURNING b.id, b.claims, e.run),
    written AS (INSERT INTO attempts (execution_id, number, started_at, key_source, llm_call_id, model, run)
        SELECT b.id, b.number, b.at, b.source, b.call, b.model, h.run FROM begun b JOIN held h ON h.id = b.id AND h.claims = b.claims
        ON CONFLICT (execution_id, number) DO NOTHING),
    told AS (INSERT INTO events (event_id, event_type, tenant_id, agent_id, execution_id, at, data)
        SELECT b.event, b.event_type, b.event_tenant, b.event_agent, b.id, b.event_at, b.event_data
        FROM begun b JOIN held h ON h.id = b.id AND h.claims = b.claims WHERE b.event IS NOT NULL
            AND NOT EXISTS (SELECT 1 FROM attempts a WHERE a.execution_id = b.id AND a.run = h.run))
    SELECT id, claims FROM held";

/// An attempt about to be made. Writing it a second time, when it is not known whether it was written, does no harm.
#[derive(Clone, Debug)]
pub struct Begin {
    /// The right to make it.
    pub hold: Hold,
    /// The attempt.
    pub start: AttemptStart,
    /// What is told if it is the first of its run.
    pub event: Option<Event>,
}

impl Entry for Begin {
    /// `false`: the hold is lost, make no call.
    type Outcome = bool;

    fn size(&self) -> usize {
        size_of::<Self>() + self.start.llm_call_id.len() + self.start.model.len()
    }

    async fn write(store: &Store, batch: &[Self]) -> Result<Vec<bool>> {
        let held = match &store.db {
            Db::Sqlite { write, .. } => {
                let mut tx = write.begin_with("BEGIN IMMEDIATE").await?;
                let mut held = HashSet::with_capacity(batch.len());
                for Self { hold, start, event } in batch {
                    let count = sqlx::query_scalar(COUNT)
                        .bind(hold.execution_id.0)
                        .bind(hold.owner.0)
                        .bind(hold.claims)
                        .bind(start.number);
                    let run: Option<i32> = count.fetch_optional(&mut *tx).await?;
                    let Some(run) = run else { continue };
                    if let Some(event) = event {
                        let called = sqlx::query_scalar::<_, i32>(CALLED).bind(hold.execution_id.0).bind(run);
                        if called.fetch_optional(&mut *tx).await?.is_none() {
                            events::note_sqlite(&mut tx, event).await?;
                        }
                    }
                    sqlx::query(INSERT)
                        .bind(hold.execution_id.0)
                        .bind(start.number)
                        .bind(start.started_at)
                        .bind(spell(start.key_source))
                        .bind(&start.llm_call_id)
                        .bind(&start.model)
                        .bind(run)
                        .execute(&mut *tx)
                        .await?;
                    held.insert((hold.execution_id.0, hold.claims));
                }
                tx.commit().await?;
                held
            }
            Db::Postgres { pool, .. } => {
                let column = |of: &dyn Fn(&Self) -> String| batch.iter().map(of).collect::<Vec<_>>();
                let rows: Vec<(Uuid, i32)> = sqlx::query_as(BEGIN_POSTGRES)
                    .bind(batch.iter().map(|b| b.hold.execution_id.0).collect::<Vec<_>>())
                    .bind(batch.iter().map(|b| b.hold.owner.0).collect::<Vec<_>>())
                    .bind(batch.iter().map(|b| b.hold.claims).collect::<Vec<_>>())
                    .bind(batch.iter().map(|b| b.start.number).collect::<Vec<_>>())
                    .bind(batch.iter().map(|b| b.start.started_at).collect::<Vec<_>>())
                    .bind(column(&|b| spell(b.start.key_source)))
                    .bind(column(&|b| b.start.llm_call_id.clone()))
                    .bind(column(&|b| b.start.model.clone()))
                    .bind(of_event(batch, |event| Some(event.event_id.0)))
                    .bind(of_event(batch, |event| Some(event.event_type.as_str())))
                    .bind(of_event(batch, |event| event.tenant_id.as_ref().map(TenantId::as_str)))
                    .bind(of_event(batch, |event| event.agent_id.map(|id| id.0)))
                    .bind(of_event(batch, |event| Some(event.at)))
                    .bind(of_event(batch, |event| Some(event.data.as_str())))
                    .fetch_all(pool)
                    .await?;
                rows.into_iter().collect()
            }
        };
        Ok(batch.iter().map(|b| held.contains(&(b.hold.execution_id.0, b.hold.claims))).collect())
    }
}

fn of_event<'a, T>(batch: &'a [Begin], of: impl Fn(&'a Event) -> Option<T>) -> Vec<Option<T>> {
    batch.iter().map(|begin| begin.event.as_ref().and_then(&of)).collect()
}
