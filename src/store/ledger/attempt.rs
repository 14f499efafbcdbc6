//! An attempt's row, written before its call.

use std::collections::HashSet;

use uuid::Uuid;

use super::{AttemptStart, Hold};
use crate::store::db::{Db, statements};
use crate::store::group::Entry;
use crate::store::row::spell;
use crate::store::{Result, Store};

statements! {
    COUNT = "UPDATE executions SET attempt_count = $4
        WHERE execution_id = $1 AND status = 'running' AND lease_owner = $2 AND claims = $3 RETURNING run";
    INSERT = "INSERT INTO attempts (execution_id, number, started_at, key_source, llm_call_id, model, run)
        VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (execution_id, number) DO NOTHING";
}

/// [`COUNT`] and [`INSERT`] for all of them in one round trip.
pub(in crate::store) const BEGIN_POSTGRES: &str = "WITH begun AS (
        SELECT * FROM UNNEST($1::uuid[], $2::uuid[], $3::int[], $4::int[], $5::timestamptz[], $6::text[], $7::text[], $8::text[])
            AS t (id, owner, claims, number, at, source, call, model)),
    held AS (UPDATE executions e SET attempt_count = b.number FROM begun b
        WHERE e.execution_id = b.id AND e.status = 'running' AND e.lease_owner = b.owner AND e.claims = b.claims
        RETURNING b.id, b.claims, e.run),
    written AS (INSERT INTO attempts (execution_id, number, started_at, key_source, llm_call_id, model, run)
        SELECT b.id, b.number, b.at, b.source, b.call, b.model, h.run FROM begun b JOIN held h ON h.id = b.id AND h.claims = b.claims
        ON CONFLICT (execution_id, number) DO NOTHING)
    SELECT id, claims FROM held";

/// An attempt about to be made. Writing it a second time, when it is not known whether it was written, does no harm.
#[derive(Clone, Debug)]
pub struct Begin {
    /// The right to make it.
    pub hold: Hold,
    /// The attempt.
    pub start: AttemptStart,
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
                for Self { hold, start } in batch {
                    let count = sqlx::query_scalar(COUNT)
                        .bind(hold.execution_id.0)
                        .bind(hold.owner.0)
                        .bind(hold.claims)
                        .bind(start.number);
                    let run: Option<i32> = count.fetch_optional(&mut *tx).await?;
                    let Some(run) = run else { continue };
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
                    .fetch_all(pool)
                    .await?;
                rows.into_iter().collect()
            }
        };
        Ok(batch.iter().map(|b| held.contains(&(b.hold.execution_id.0, b.hold.claims))).collect())
    }
}
