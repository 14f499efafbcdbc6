//! Hooks that were not read whole. Whether there is such an agent is asked later, so that no answer takes longer for
//! one that there is.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix_web::http::header::HeaderMap;
use actix_web::web::Bytes;

use super::super::headers;
use super::super::raw::Unread;
use super::Row;
use super::counts::{Counts, hour};
use crate::app::{AgentEntry, App};
use crate::model::{AgentId, Hit, HitCount, HitId, HitReason, HitVerdict, Time};
use crate::store;

/// Different agents that are asked for between two writes, at most: anybody can name as many as he likes.
const AGENTS: usize = 1000;
/// Agents that are asked for at one write, one after the other; the others wait for the next.
const LOOKUPS: usize = 100;
/// Hooks that may get a row between two writes, at most.
const ROWS: usize = 128;

/// What was noted since it was last taken.
#[derive(Default)]
pub(super) struct Strangers(Mutex<Noted>);

#[derive(Default)]
struct Noted {
    /// By agent, hour and reason.
    counts: HashMap<AgentId, HashMap<(Time, HitReason), u64>>,
    rows: Vec<Stranger>,
}

struct Stranger {
    agent_id: AgentId,
    hit_id: HitId,
    received_at: Time,
    reason: HitReason,
    status_code: u16,
    headers: HeaderMap,
}

impl Strangers {
    /// Notes one.
    pub fn note(&self, hook: Unread, reason: HitReason, status_code: u16) {
        let Some(agent_id) = hook.agent_id else { return };
        let mut noted = self.lock();
        let has_room = noted.counts.len() < AGENTS || noted.counts.contains_key(&agent_id);
        if !has_room {
            return;
        }
        let hits = noted.counts.entry(agent_id).or_default();
        *hits.entry((hour(hook.received_at), reason)).or_default() += 1;
        if noted.rows.len() < ROWS {
            noted.rows.push(Stranger {
                agent_id,
                hit_id: HitId(hook.request_id),
                received_at: hook.received_at,
                reason,
                status_code,
                headers: hook.headers,
            });
        }
    }

    /// Takes those of some agents: counts them if there are such agents, and makes rows of them.
    ///
    /// # Errors
    /// The database's; then nothing is taken.
    pub async fn introduce(&self, app: &App, counts: &Counts) -> store::Result<Vec<Row>> {
        let Noted { counts: noted, rows } = self.some();
        let mut known = HashMap::new();
        for agent_id in noted.keys() {
            match app.agents.get(&app.store, &app.cipher, *agent_id).await {
                Ok(Some(entry)) => {
                    known.insert(*agent_id, entry);
                }
                Ok(_) => {}
                Err(error) => {
                    self.give_back(Noted { counts: noted, rows });
                    return Err(error);
                }
            }
        }
        for (agent_id, hits) in noted.into_iter().filter(|(agent_id, _)| known.contains_key(agent_id)) {
            let verdict = HitVerdict::Rejected;
            let hits = hits.into_iter();
            counts.add_all(
                hits.map(|((hour, reason), hits)| (HitCount { agent_id, hour, verdict, reason }, hits))
                    .collect(),
            );
        }
        let row = |stranger: Stranger| {
            let entry: &Arc<AgentEntry> = known.get(&stranger.agent_id)?;
            let may = counts.may_have_row(stranger.agent_id, stranger.received_at);
            may.then(|| stranger.row(entry))
        };
        Ok(rows.into_iter().filter_map(row).collect())
    }

    /// Takes those of up to [`LOOKUPS`] agents: whichever come first in a map whose order is another one every time, so
    /// that nobody has to wait for long.
    fn some(&self) -> Noted {
        let mut noted = self.lock();
        let Noted { counts, rows } = std::mem::take(&mut *noted);
        let mut counts = counts.into_iter();
        let some: HashMap<_, _> = counts.by_ref().take(LOOKUPS).collect();
        noted.counts = counts.collect();
        let (now, later) = rows.into_iter().partition(|row| some.contains_key(&row.agent_id));
        noted.rows = later;
        Noted { counts: some, rows: now }
    }

    /// Notes them again as far as there is room: others may have come meanwhile.
    fn give_back(&self, Noted { counts, rows }: Noted) {
        let mut noted = self.lock();
        for (agent_id, hits) in counts {
            if noted.counts.len() >= AGENTS && !noted.counts.contains_key(&agent_id) {
                continue;
            }
            let sums = noted.counts.entry(agent_id).or_default();
            hits.into_iter().for_each(|(key, hits)| *sums.entry(key).or_default() += hits);
        }
        noted.rows.extend(rows);
        noted.rows.truncate(ROWS);
    }

    fn lock(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stranger {
    fn row(self, entry: &AgentEntry) -> Row {
        let headers = headers::kept(&self.headers, entry);
        let hit = Hit {
            hit_id: self.hit_id,
            agent_id: self.agent_id,
            tenant_id: entry.agent.tenant_id.clone(),
            received_at: self.received_at,
            verdict: HitVerdict::Rejected,
            reason: self.reason,
            status_code: Some(self.status_code),
            execution_id: None,
            diagnosis: None,
            detail: None,
            body_bytes: None,
        };
        Row { hit, headers, body: Bytes::new(), _room: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(strangers: &Strangers, hooks: usize) {
        for _ in 0..hooks {
            let (agent_id, at) = (AgentId::new(), Time::UNIX_EPOCH);
            let hook = Unread {
                agent_id: Some(agent_id),
                request_id: uuid::Uuid::nil(),
                received_at: at,
                headers: HeaderMap::new(),
            };
            strangers.note(hook, HitReason::Incomplete, 400);
        }
    }

    fn noted(strangers: &Strangers) -> (usize, usize) {
        let noted = strangers.lock();
        (noted.counts.len(), noted.rows.len())
    }

    #[test]
    fn some_are_taken_and_the_others_stay() {
        for (hooks, taken) in [(LOOKUPS - 1, LOOKUPS - 1), (LOOKUPS, LOOKUPS), (LOOKUPS + 1, LOOKUPS)] {
            let strangers = Strangers::default();
            note(&strangers, hooks);
            let some = strangers.some();
            assert_eq!((some.counts.len(), some.rows.len()), (taken, taken), "of {hooks}");
            assert!(some.rows.iter().all(|row| some.counts.contains_key(&row.agent_id)));
            assert_eq!(noted(&strangers), (hooks - taken, hooks - taken), "of {hooks}");
            strangers.give_back(some);
            assert_eq!(noted(&strangers), (hooks, hooks), "of {hooks}");
        }
    }

    #[test]
    fn what_is_given_back_keeps_the_bounds() {
        let strangers = Strangers::default();
        note(&strangers, AGENTS + 1);
        assert_eq!(noted(&strangers), (AGENTS, ROWS));
        let some = strangers.some();
        let one = *some.counts.keys().next().expect("an agent");
        // others come meanwhile
        note(&strangers, LOOKUPS - 1);
        strangers
            .give_back(Noted { counts: HashMap::from([(one, some.counts[&one].clone())]), rows: Vec::new() });
        assert_eq!(noted(&strangers).0, AGENTS, "the last place");
        strangers.give_back(some);
        assert_eq!(noted(&strangers), (AGENTS, ROWS));
        let sum: u64 = strangers.lock().counts[&one].values().sum();
        assert_eq!(sum, 2, "whoever has a place is counted on");
    }
}
