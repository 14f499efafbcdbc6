//! Adds ends of runs to the sums.

use std::collections::{BTreeMap, HashSet};

use uuid::Uuid;

use crate::model::{Cost, EventId, Grain, Latencies, Rollup, RunEnd, Time};
use crate::store::Result;
use crate::store::db::{Tx, in_tx, statements};

statements! {
    // What a run after the first took: the execution's own sums go over all of them.
    OF_RUN = "SELECT CAST(usage AS TEXT), cost_nano, error IS NULL FROM attempts
        WHERE execution_id = $1 AND run = $2 AND finished_at IS NOT NULL";
    // From here to the commit the row is ours: its latencies are read, and written with those that are new.
    ADD = "INSERT INTO execution_stats (agent_id, tenant_id, grain, at, succeeded, failed, cancelled, prompt_tokens,
            completion_tokens, cost_nano, unknown_costs, latencies)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, '{}')
        ON CONFLICT (agent_id, tenant_id, grain, at) DO UPDATE SET
            succeeded = execution_stats.succeeded + excluded.succeeded,
            failed = execution_stats.failed + excluded.failed,
            cancelled = execution_stats.cancelled + excluded.cancelled,
            prompt_tokens = execution_stats.prompt_tokens + excluded.prompt_tokens,
            completion_tokens = execution_stats.completion_tokens + excluded.completion_tokens,
            cost_nano = execution_stats.cost_nano + excluded.cost_nano,
            unknown_costs = execution_stats.unknown_costs + excluded.unknown_costs
        RETURNING latencies";
    SET = "UPDATE execution_stats SET latencies = $5
        WHERE agent_id = $1 AND tenant_id = $2 AND grain = $3 AND at = $4";
}

/// [`ADD`] for all of them in one round trip, in the order in which they are named.
pub(in crate::store) const ADD_POSTGRES: &str = "INSERT INTO execution_stats (agent_id, tenant_id, grain, at, succeeded,
        failed, cancelled, prompt_tokens, completion_tokens, cost_nano, unknown_costs, latencies)
    SELECT t.*, '{}' FROM UNNEST($1::uuid[], $2::text[], $3::text[], $4::timestamptz[], $5::bigint[], $6::bigint[],
        $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[]) AS t
    ON CONFLICT (agent_id, tenant_id, grain, at) DO UPDATE SET
        succeeded = execution_stats.succeeded + excluded.succeeded,
        failed = execution_stats.failed + excluded.failed,
        cancelled = execution_stats.cancelled + excluded.cancelled,
        prompt_tokens = execution_stats.prompt_tokens + excluded.prompt_tokens,
        completion_tokens = execution_stats.completion_tokens + excluded.completion_tokens,
        cost_nano = execution_stats.cost_nano + excluded.cost_nano,
        unknown_costs = execution_stats.unknown_costs + excluded.unknown_costs
    RETURNING agent_id, tenant_id, grain, at, latencies";

/// [`SET`] for all of them in one round trip.
pub(in crate::store) const SET_POSTGRES: &str = "UPDATE execution_stats s SET latencies = t.latencies
    FROM UNNEST($1::uuid[], $2::text[], $3::text[], $4::timestamptz[], $5::text[])
        AS t (agent_id, tenant_id, grain, at, latencies)
    WHERE s.agent_id = t.agent_id AND s.tenant_id = t.tenant_id AND s.grain = t.grain AND s.at = t.at";

/// A row. Everybody takes rows in this order, so whoever waits for one never holds another that is waited for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    agent_id: Uuid,
    tenant_id: String,
    grain: Grain,
    at: Time,
}

/// Adds the ends whose events were won, in the transaction that won them.
pub(in crate::store) async fn count(
    tx: &mut Tx,
    ends: &[RunEnd],
    won: &HashSet<EventId>,
    now: Time,
) -> Result<()> {
    let mut sums: BTreeMap<Key, Rollup> = BTreeMap::new();
    for end in ends.iter().filter(|end| won.contains(&end.event_id)) {
        let mut adds = end.adds.clone();
        if end.run > 1 {
            of_run(tx, end, &mut adds).await?;
        }
        for key in keys(end, now) {
            sums.entry(key).or_default().add(&adds);
        }
    }
    if sums.is_empty() {
        return Ok(());
    }
    for (key, before) in add(tx, &sums).await? {
        // Text that somebody has changed by hand counts for nothing, and stops nobody.
        let before: Latencies = serde_json::from_str(&before).unwrap_or_default();
        if let Some(sum) = sums.get_mut(&key) {
            sum.latencies.add(&before);
        }
    }
    sums.retain(|_, sum| sum.latencies != Latencies::default());
    set(tx, &sums).await
}

/// The rows that an end is added to: those that are kept for so long.
fn keys(end: &RunEnd, now: Time) -> impl Iterator<Item = Key> {
    let tenant = end.tenant_id.as_str().to_owned();
    let whose = [(Uuid::nil(), String::new()), (Uuid::nil(), tenant.clone()), (end.agent_id.0, tenant)];
    let at = end.at;
    let grains = Grain::ALL.into_iter().filter(move |grain| grain.beginning(at) >= now - grain.kept());
    grains.flat_map(move |grain| {
        let at = grain.beginning(at);
        whose.clone().map(|(agent_id, tenant_id)| Key { agent_id, tenant_id, grain, at })
    })
}

/// Says what a run took by its own calls.
async fn of_run(tx: &mut Tx, end: &RunEnd, adds: &mut Rollup) -> Result<()> {
    let calls: Vec<(Option<String>, Option<i64>, bool)> = in_tx!(tx, |conn| sqlx::query_as(OF_RUN)
        .bind(end.execution_id.0)
        .bind(end.run)
        .fetch_all(&mut *conn)
        .await)?;
    adds.spent(None, None, false);
    for (usage, cost, gave) in calls {
        let mut call = Rollup::default();
        let usage = usage.and_then(|text| serde_json::from_str(&text).ok());
        call.spent(usage, cost.map(Cost), gave);
        adds.add(&call);
    }
    // One run is unknown once, however many of its calls are.
    adds.unknown_costs = adds.unknown_costs.min(1);
    Ok(())
}

/// Adds all but the latencies, and says what these were.
async fn add(tx: &mut Tx, sums: &BTreeMap<Key, Rollup>) -> Result<Vec<(Key, String)>> {
    match tx {
        Tx::Sqlite(tx) => {
            let mut before = Vec::with_capacity(sums.len());
            for (key, sum) in sums {
                let latencies = sqlx::query_scalar(ADD)
                    .bind(key.agent_id)
                    .bind(&key.tenant_id)
                    .bind(key.grain.as_str())
                    .bind(key.at)
                    .bind(sum.succeeded)
                    .bind(sum.failed)
                    .bind(sum.cancelled)
                    .bind(sum.prompt_tokens)
                    .bind(sum.completion_tokens)
                    .bind(sum.cost.0)
                    .bind(sum.unknown_costs)
                    .fetch_one(&mut **tx)
                    .await?;
                before.push((key.clone(), latencies));
            }
            Ok(before)
        }
        Tx::Postgres(tx) => {
            let rows: Vec<(Uuid, String, String, Time, String)> = sqlx::query_as(ADD_POSTGRES)
                .bind(column(sums, |key, _| key.agent_id))
                .bind(column(sums, |key, _| key.tenant_id.clone()))
                .bind(column(sums, |key, _| key.grain.as_str()))
                .bind(column(sums, |key, _| key.at))
                .bind(column(sums, |_, sum| sum.succeeded))
                .bind(column(sums, |_, sum| sum.failed))
                .bind(column(sums, |_, sum| sum.cancelled))
                .bind(column(sums, |_, sum| sum.prompt_tokens))
                .bind(column(sums, |_, sum| sum.completion_tokens))
                .bind(column(sums, |_, sum| sum.cost.0))
                .bind(column(sums, |_, sum| sum.unknown_costs))
                .fetch_all(&mut **tx)
                .await?;
            let key = |(agent_id, tenant_id, grain, at, latencies): (_, _, String, _, _)| {
                let grain = Grain::ALL.into_iter().find(|one| one.as_str() == grain)?;
                Some((Key { agent_id, tenant_id, grain, at }, latencies))
            };
            Ok(rows.into_iter().filter_map(key).collect())
        }
    }
}

async fn set(tx: &mut Tx, sums: &BTreeMap<Key, Rollup>) -> Result<()> {
    let text = |sum: &Rollup| serde_json::to_string(&sum.latencies).unwrap_or_else(|_| "{}".into());
    match tx {
        Tx::Sqlite(tx) => {
            for (key, sum) in sums {
                sqlx::query(SET)
                    .bind(key.agent_id)
                    .bind(&key.tenant_id)
                    .bind(key.grain.as_str())
                    .bind(key.at)
                    .bind(text(sum))
                    .execute(&mut **tx)
                    .await?;
            }
        }
        Tx::Postgres(_) if sums.is_empty() => {}
        Tx::Postgres(tx) => {
            sqlx::query(SET_POSTGRES)
                .bind(column(sums, |key, _| key.agent_id))
                .bind(column(sums, |key, _| key.tenant_id.clone()))
                .bind(column(sums, |key, _| key.grain.as_str()))
                .bind(column(sums, |key, _| key.at))
                .bind(column(sums, |_, sum| text(sum)))
                .execute(&mut **tx)
                .await?;
        }
    }
    Ok(())
}

fn column<T>(sums: &BTreeMap<Key, Rollup>, of: impl Fn(&Key, &Rollup) -> T) -> Vec<T> {
    sums.iter().map(|(key, sum)| of(key, sum)).collect()
}
