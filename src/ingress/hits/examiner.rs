//! Finds out what is wrong with a signature: one at a time, off the server's threads.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::http::header::HeaderMap;
use tokio::sync::mpsc;

use super::{Row, ToExaminer, ToWriter};
use crate::app::{AgentEntry, App, Hook, secret_owner};
use crate::model::{Agent, AgentId, Diagnosis, DiagnosisCode, Time, WebhookSecret};
use crate::signature::{Case, Known, diagnose};
use crate::store;

/// Secrets of the tenant's other agents that are tried, at most: those of the newest agents.
const NEIGHBORS: i64 = 100;
/// How long secrets that were read are good for the next refusal of the same version of the agent: in a flood they are
/// read once.
const FRESH: Duration = Duration::from_secs(1);

/// A hook whose signature was refused.
pub(super) struct Patient {
    pub row: Row,
    pub agent: Arc<AgentEntry>,
    /// As they came.
    pub headers: HeaderMap,
    /// Where the sender thinks it has sent it to.
    pub url: String,
}

/// What may have signed it.
struct Secrets {
    live: Vec<Known>,
    strange: Vec<Known>,
}

/// Examines whoever comes, and hands them on to the writer.
pub(super) async fn examine(
    app: Arc<App>,
    mut patients: mpsc::Receiver<ToExaminer>,
    writer: mpsc::Sender<ToWriter>,
) {
    let mut examiner = Examiner { app, last: None };
    while let Some(message) = patients.recv().await {
        let onward = match message {
            ToExaminer::Examine(patient) => {
                let diagnosis = examiner.diagnosis(&patient).await;
                ToWriter::Write(Box::new(patient.row.examined(diagnosis)))
            }
            ToExaminer::Flush(done) => ToWriter::Flush(done),
        };
        if writer.send(onward).await.is_err() {
            return;
        }
    }
}

struct Examiner {
    app: Arc<App>,
    /// The secrets that were read last.
    last: Option<Read>,
}

struct Read {
    agent: (AgentId, i32),
    /// By the stopwatch.
    at: Instant,
    /// For a hook of this time: secrets end by the clock.
    now: Time,
    secrets: Arc<Secrets>,
}

impl Examiner {
    /// `None` if it cannot be looked at: the database is away, or the server is about to stop.
    async fn diagnosis(&mut self, patient: &Patient) -> Option<Diagnosis> {
        if self.app.is_draining() {
            return None;
        }
        let secrets = self.secrets(&patient.agent.agent, patient.row.hit.received_at).await.ok()?;
        let (agent, headers) = (patient.agent.clone(), pairs(&patient.headers));
        let (body, url, now) = (patient.row.body.clone(), patient.url.clone(), patient.row.hit.received_at);
        let look = move || {
            let scheme = match &agent.hook {
                Some(Ok(Hook { scheme, .. })) => scheme,
                Some(Err(_)) => return None,
                None => {
                    let detail = "the agent has no trigger, so it takes no webhooks: give it one";
                    return Some(Diagnosis { code: DiagnosisCode::Unknown, detail: detail.to_owned() });
                }
            };
            let Secrets { live, strange } = &*secrets;
            Some(diagnose(&Case { scheme, headers: &headers, body: &body, url: &url, now, live, strange }))
        };
        tokio::task::spawn_blocking(look).await.ok().flatten()
    }

    async fn secrets(&mut self, agent: &Agent, now: Time) -> store::Result<Arc<Secrets>> {
        let version = (agent.agent_id, agent.version);
        if let Some(read) = &self.last
            && read.agent == version
            && read.at.elapsed() < FRESH
            && (now - read.now).abs().to_std().is_ok_and(|between| between < FRESH)
        {
            return Ok(read.secrets.clone());
        }
        let at = Instant::now();
        let (app, agent_id) = (&self.app, agent.agent_id);
        let is_live = |secret: &WebhookSecret| secret.expires_at.is_none_or(|end| now < end);
        let own = app.store.webhook_secrets(agent_id).await?;
        let ended = app.store.ended_secrets(agent_id, now, WebhookSecret::MAX_RETIRED).await?;
        let neighbors = app.store.neighbors_secrets(&agent.tenant_id, agent_id, NEIGHBORS).await?;
        let known = |whose: String, secret: WebhookSecret| {
            // One that no key opens can be told apart from nothing.
            let text = app.cipher.open(&secret_owner(secret.secret_id), &secret.sealed).ok()?;
            Some(Known { whose, text, encoding: secret.encoding })
        };
        let live = own.into_iter().filter(is_live);
        let live = live.filter_map(|secret| known(format!("secret {}", secret.secret_id), secret)).collect();
        let ended = ended.into_iter().filter_map(|secret| {
            let since = secret.expires_at.unwrap_or(now).format("%Y-%m-%d %H:%M:%S");
            let whose = format!(
                "secret {} of this agent, which verifies nothing since {since} UTC",
                secret.secret_id
            );
            known(whose, secret)
        });
        let neighbors = neighbors.into_iter().filter_map(|secret| {
            known(format!("secret {} of agent {}", secret.secret_id, secret.agent_id), secret)
        });
        let secrets = Arc::new(Secrets { live, strange: ended.chain(neighbors).collect() });
        self.last = Some(Read { agent: version, at, now, secrets: secrets.clone() });
        Ok(secrets)
    }
}

fn pairs(headers: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect()
}
