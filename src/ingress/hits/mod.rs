//! The hit ledger: what became of every POST to a known agent, noted beside the accept path.
//!
//! Noting never waits. Counts are added to in memory ([`counts`]); what gets a row goes into a bounded channel, first to
//! whoever finds out what is wrong with a signature ([`examiner`]), then to the one writer ([`writer`]). Without room the
//! row is lost, and never a count. A hit that was accepted is its execution and has no other row.

mod counts;
mod examiner;
mod unread;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use actix_web::web::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::headers;
use super::outcome::{self, Outcome, reason};
use super::raw::{RawWebhook, Unread};
use crate::app::{AgentEntry, App};
use crate::model::{Diagnosis, Headers, Hit, HitDetail, HitId, HitVerdict, Time};
use crate::web::ApiError;
use counts::Counts;
use examiner::Patient;
use unread::Strangers;

/// Hits that may wait for a diagnosis, and rows that may wait for the writer.
const ROOM: usize = 1024;
/// Bytes of their bodies, at most.
const ROOM_BYTES: usize = 32 << 20;
/// What a hit counts as beside its body, in bytes.
const OVERHEAD: usize = 4096;
/// How long somebody who wants to read hits waits for those under way.
const PATIENCE: Duration = Duration::from_secs(3);

/// Notes hits.
pub struct Hits {
    /// How long they are kept.
    days: u32,
    counts: Arc<Counts>,
    strangers: Arc<Strangers>,
    room: Arc<Semaphore>,
    examiner: mpsc::Sender<ToExaminer>,
    writer: mpsc::Sender<ToWriter>,
}

enum ToExaminer {
    Examine(Box<Patient>),
    /// To the writer, when all before it has been examined.
    Flush(oneshot::Sender<()>),
}

enum ToWriter {
    Write(Box<Row>),
    /// Write now what there is, and say so.
    Flush(oneshot::Sender<()>),
}

/// A hit that is to be a row.
struct Row {
    hit: Hit,
    headers: Headers,
    body: Bytes,
    /// As long as it is held in memory.
    _room: Option<OwnedSemaphorePermit>,
}

impl Row {
    /// The same, when all of the body is needed no more.
    fn examined(mut self, diagnosis: Option<Diagnosis>) -> Self {
        self.hit.diagnosis = diagnosis;
        self.body = shortened(&self.body);
        self
    }

    fn detail(&self) -> HitDetail {
        HitDetail { hit: self.hit.clone(), headers: self.headers.clone(), body: self.body.to_vec() }
    }
}

impl Hits {
    /// Starts examiner and writer on the current runtime. They end when this is dropped and all is written.
    pub(super) fn start(app: &Arc<App>) -> Self {
        let (counts, strangers) = (Arc::new(Counts::default()), Arc::new(Strangers::default()));
        let (examiner, patients) = mpsc::channel(ROOM);
        let (writer, rows) = mpsc::channel(ROOM);
        app.tasks.spawn(examiner::examine(app.clone(), patients, writer.clone()));
        app.tasks.spawn(writer::Writer::new(app.clone(), counts.clone(), strangers.clone()).run(rows));
        let room = Arc::new(Semaphore::new(ROOM_BYTES));
        Self { days: app.settings.hits_days, counts, strangers, room, examiner, writer }
    }

    /// Notes what became of a hook; never waits.
    pub(super) fn note(
        &self,
        hook: &RawWebhook,
        agent: &Arc<AgentEntry>,
        outcome: &Result<Outcome, ApiError>,
    ) {
        let agent_id = agent.agent.agent_id;
        let (verdict, reason) = match outcome {
            Ok(outcome) => outcome.verdict(),
            Err(error) => (HitVerdict::Rejected, reason(error)),
        };
        self.counts.add(agent_id, hook.received_at, verdict, reason);
        let has_row = match verdict {
            HitVerdict::Accepted | HitVerdict::Held => false,
            HitVerdict::Duplicate | HitVerdict::Ignored => true,
            HitVerdict::Rejected => self.counts.may_have_row(agent_id, hook.received_at),
        };
        if !has_row {
            return;
        }
        let is_unverified = matches!(outcome, Ok(Outcome::Unverified));
        let (status_code, execution_id, detail) = match outcome {
            Ok(outcome) => (outcome.status(), outcome.execution_id(), outcome.detail()),
            Err(error) => (error.code().parts().1, None, Some(outcome::told(error))),
        };
        // A signature is over all of the body; of others the rest is not held on to.
        let body = if is_unverified { hook.body.clone() } else { shortened(&hook.body) };
        let weight = u32::try_from(body.len() + OVERHEAD).unwrap_or(u32::MAX);
        let Ok(room) = self.room.clone().try_acquire_many_owned(weight) else { return };
        let hit = Hit {
            hit_id: HitId(hook.request_id),
            agent_id,
            tenant_id: agent.agent.tenant_id.clone(),
            received_at: hook.received_at,
            verdict,
            reason,
            status_code: Some(status_code),
            execution_id,
            diagnosis: None,
            detail,
            body_bytes: Some(hook.body.len() as u64),
        };
        let row = Row { hit, headers: headers::kept(hook.headers(), agent), body, _room: Some(room) };
        // Full: the row is lost.
        if is_unverified {
            let (agent, headers, url) = (agent.clone(), hook.headers().clone(), hook.url.clone());
            let patient = Patient { row, agent, headers, url };
            let _ = self.examiner.try_send(ToExaminer::Examine(Box::new(patient)));
        } else {
            let _ = self.writer.try_send(ToWriter::Write(Box::new(row)));
        }
    }

    /// Notes a hook that was not read whole; whether its agent is known is looked up later. Never waits.
    pub(super) fn unread(&self, hook: Unread, error: &ApiError) {
        self.strangers.note(hook, reason(error), error.code().parts().1);
    }

    /// Since when hits are counted.
    #[must_use]
    pub fn counted_since(&self, now: Time) -> Time {
        writer::counted_since(self.days, now)
    }

    /// Returns when all that was noted before is written, or after a while.
    pub async fn flush(&self) {
        let (done, written) = oneshot::channel();
        let flushed = async {
            if self.examiner.send(ToExaminer::Flush(done)).await.is_ok() {
                let _ = written.await;
            }
        };
        let _ = tokio::time::timeout(PATIENCE, flushed).await;
    }
}

/// The part of a body that is kept.
fn shortened(body: &Bytes) -> Bytes {
    match body.get(..Hit::BODY_BYTES) {
        Some(part) if part.len() < body.len() => Bytes::copy_from_slice(part),
        Some(_) | None => body.clone(),
    }
}
