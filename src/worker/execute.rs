//! One run: claim → who pays → call → trace, and on to the end, to a retry, or to another key.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use futures_util::FutureExt;
use secrecy::SecretString;

use super::Worker;
use super::lease::LEASE;
use super::slots::Slot;
use crate::app::{TenantEntry, Version};
use crate::llm::{self, Call, Completion, LlmError, keys};
use crate::model::{Cost, ErrorCode, Event, EventType, ExecutionError, KeySource, RetryPolicy, Time, Usage};
use crate::store::{self, AttemptEnd, AttemptStart, Begin, Claimed, End, Error, Finish, Hold, Loss, Spent};

/// Between two tries to reach the ledger. A result is worth waiting for: without it the call is repeated.
const AGAIN: Duration = Duration::from_millis(500);
/// A run that panicked is due again after this.
const AFTER_PANIC: Duration = Duration::from_secs(1);

/// What a run needs besides its payload.
struct Plan {
    version: Arc<Version>,
    tenant: Arc<TenantEntry>,
    message: String,
}

impl Worker {
    /// Starts a claimed run in a task of its own.
    pub(super) fn start(&self, run: Claimed, mut slot: Slot) {
        slot.give_to(&run.tenant_id);
        let (worker, note) = (self.clone(), self.under_way.begin(run.hold));
        tokio::spawn(async move {
            tokio::select! {
                () = worker.settle(run) => {}
                // Dropped in mid-call it closes the connection, which is how LiteLLM learns that nobody waits.
                () = note.given_up() => {}
                () = worker.given_up.cancelled() => {}
            }
            drop((note, slot));
        });
    }

    /// Runs a claimed run. Whatever happens is in its row afterwards.
    pub(super) async fn settle(&self, run: Claimed) {
        let hold = run.hold;
        match AssertUnwindSafe(self.run_claimed(run)).catch_unwind().await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::error!(id = %hold.execution_id, %error, "the ledger cannot take this run; it is run again later");
                self.let_go(&hold, Loss::Dropped, LEASE).await;
            }
            Err(_) => {
                tracing::error!(id = %hold.execution_id, "a run panicked; it is run again");
                self.let_go(&hold, Loss::Died, AFTER_PANIC).await;
            }
        }
    }

    async fn let_go(&self, hold: &Hold, how: Loss, wait: Duration) {
        let let_go = || async move {
            let now = self.app.clock.now();
            self.app.store.let_go(hold, how, now + wait, now).await
        };
        match patiently(let_go).await {
            Ok(lost) => self.tell_ends(&lost),
            Err(error) => tracing::error!(id = %hold.execution_id, %error, "could not let go of a run"),
        }
    }

    async fn run_claimed(&self, run: Claimed) -> store::Result<()> {
        match patiently(|| self.plan(&run)).await? {
            Ok(plan) => self.call_until_settled(run, &plan).await,
            Err(error) => self.write(&run, None, Finish::Failed(error)).await.map(|_| ()),
        }
    }

    /// Everything that can fail without a call.
    async fn plan(&self, run: &Claimed) -> store::Result<Result<Plan, ExecutionError>> {
        let app = &self.app;
        let agent = app.agents.get(&app.store, &app.cipher, run.agent_id).await?;
        let version = app.agents.version(&app.store, run.agent_id, run.agent_version).await?;
        let tenant = app.tenants.get(&app.store, &app.cipher, &run.tenant_id).await?;
        let (Some(_), Some(version), Some(tenant)) = (agent, version, tenant) else {
            return Ok(Err(failure(
                ErrorCode::AgentDeleted,
                "the agent was deleted before this execution ran",
            )));
        };
        if let Err(error) = tenant.allows(&version.spec.llm_config.model) {
            return Ok(Err(error));
        }
        Ok(self.message(run, &version).await.map(|message| Plan { version, tenant, message }))
    }

    /// Calls with the key that policy chooses, and once more with the platform's if policy says so.
    async fn call_until_settled(&self, mut run: Claimed, plan: &Plan) -> store::Result<()> {
        let tenant = &plan.tenant.tenant;
        let platform_key = self.app.llm.platform_key();
        let (mut source, mut key) = match plan.tenant.pays(platform_key) {
            Ok(chosen) => chosen,
            Err(error) => return self.write(&run, None, Finish::Failed(error)).await.map(|_| ()),
        };
        loop {
            let Some((attempt, result)) = self.attempt(&mut run, plan, source, key).await? else {
                return Ok(());
            };
            let next_key = match &result {
                Err(LlmError { fallback: Some(reason), .. }) => {
                    keys::fallback(tenant, source, *reason, platform_key)
                }
                _ => None,
            };
            let next = match result {
                Ok(completion) => Finish::Success(completion.output),
                Err(_) if next_key.is_some() => Finish::GoOn,
                Err(error) => {
                    after_failure(&plan.version.spec.retry, run.tries, &error, self.app.clock.now())
                }
            };
            let held = self.write(&run, Some(attempt), next).await?;
            match next_key {
                Some(platforms) if held => (source, key) = (KeySource::Platform, platforms),
                _ => return Ok(()),
            }
        }
    }

    /// One call: its row first, then the call. `None`: the lease is lost and no call was made.
    async fn attempt(
        &self,
        run: &mut Claimed,
        plan: &Plan,
        source: KeySource,
        key: &SecretString,
    ) -> store::Result<Option<(AttemptEnd, Result<Completion, LlmError>)>> {
        let number = run.attempt_count + 1;
        let asked = &plan.version.spec.llm_config.model;
        let start = AttemptStart {
            number,
            started_at: self.app.clock.now(),
            key_source: source,
            llm_call_id: llm::call_id_for(run.hold.execution_id, number),
            model: asked.clone(),
        };
        let event = patiently(|| self.begun(run, start.started_at)).await?;
        let begin = Begin { hold: run.hold, start, event };
        if !patiently(|| self.writers.begins.write(begin.clone())).await? {
            return Ok(None);
        }
        if begin.event.is_some() {
            self.app.events_written();
        }
        run.attempt_count = number;
        let called = Instant::now();
        let result = self
            .app
            .llm
            .complete(&Call {
                config: &plan.version.spec.llm_config,
                system_prompt: &plan.version.spec.system_prompt,
                user_message: &plan.message,
                key,
                timeout: Duration::from_secs(plan.version.spec.timeout_seconds.into()),
                execution_id: run.hold.execution_id,
                agent_id: run.agent_id,
                tenant_id: &run.tenant_id,
                attempt: number,
            })
            .await;
        let (usage, cost, model) = match &result {
            Ok(answer) => (answer.usage, answer.cost, answer.model.clone()),
            Err(error) => {
                error.billed.as_deref().map_or((None, None, None), |b| (b.usage, b.cost, b.model.clone()))
            }
        };
        let billed = result.as_ref().map_or_else(|error| error.billed.is_some(), |_| true);
        run.spent = add(run.spent, usage, cost, billed, called.elapsed());
        let end = AttemptEnd {
            number,
            finished_at: self.app.clock.now(),
            key_source: source,
            model: model.unwrap_or_else(|| asked.clone()),
            status_code: result.as_ref().map_or_else(|error| error.status, |answer| Some(answer.status)),
            error: result.as_ref().err().map(LlmError::to_execution_error),
            usage,
            cost,
            spent: run.spent,
        };
        Ok(Some((end, result)))
    }

    /// That the first call of a run begins, if somebody wants to hear of it. The ledger knows whether it is the first.
    async fn begun(&self, run: &Claimed, at: Time) -> store::Result<Option<Event>> {
        let wanted = self.app.is_wanted(&EventType::ExecutionStarted, &run.tenant_id, run.agent_id).await?;
        Ok(wanted.then(|| Event::of_run(&run.execution, None, at)))
    }

    /// Writes a result down. `false`: the hold is lost.
    async fn write(&self, run: &Claimed, attempt: Option<AttemptEnd>, to: Finish) -> store::Result<bool> {
        let is_end = matches!(to, Finish::Success(_) | Finish::Failed(_));
        let now = self.app.clock.now();
        // An event with an id of its own for each try: whoever follows what happens goes back by a few seconds only, and
        // the database may be away for longer. The hold keeps a second one from being written.
        let end = || End::of(run, attempt.clone(), to.clone(), now);
        let held = match patiently(|| self.writers.ends.write(end())).await {
            // Better an end that says so than another call whose result cannot be written either.
            Err(Error::Fault(error)) => {
                tracing::error!(id = %run.hold.execution_id, %error, "the ledger refused a result");
                let error =
                    failure(ErrorCode::Crashed, "the result could not be stored; the server's log says why");
                let end = || End::of(run, None, Finish::Failed(error.clone()), now);
                patiently(|| self.writers.ends.write(end())).await?
            }
            written => written?,
        };
        if !held {
            tracing::warn!(id = %run.hold.execution_id, "a late result was dropped: the hold was lost");
        } else if is_end {
            self.app.ended(run.hold.execution_id, run.agent_id, run.agent_version).await;
        }
        Ok(held)
    }
}

/// Asks the ledger again and again while it is away. What a run does there may be done twice.
async fn patiently<T, F: Future<Output = store::Result<T>>>(ask: impl Fn() -> F) -> store::Result<T> {
    let mut told = false;
    loop {
        match ask().await {
            Err(Error::Unavailable(error)) => {
                if !told {
                    tracing::warn!(%error, "a run waits for the database");
                    told = true;
                }
                tokio::time::sleep(AGAIN).await;
            }
            answer => return answer,
        }
    }
}

/// A retry if the error may pass and the policy has one left, else the end.
fn after_failure(policy: &RetryPolicy, tries: u32, error: &LlmError, now: Time) -> Finish {
    let tries = tries + 1;
    if !error.retryable || tries >= policy.max_attempts {
        return Finish::Failed(error.to_execution_error());
    }
    let wait = policy.delay(tries, rand::random()).max(error.retry_after.unwrap_or_default());
    Finish::RetryAt(now + TimeDelta::from_std(wait).unwrap_or(TimeDelta::days(1)))
}

pub(super) fn failure(code: ErrorCode, message: &str) -> ExecutionError {
    ExecutionError { code, message: message.to_owned(), retryable: false }
}

/// The sum after one more call. An answer that was billed without a price makes the sum unknown; a call that
/// gave none cost nothing.
fn add(spent: Spent, usage: Option<Usage>, cost: Option<Cost>, billed: bool, took: Duration) -> Spent {
    Spent {
        usage: match (spent.usage, usage) {
            (Some(a), Some(b)) => Some(a + b),
            (a, b) => a.or(b),
        },
        cost: match (spent.cost, cost) {
            (_, None) if billed => None,
            (Some(a), Some(b)) => Some(Cost(a.0.saturating_add(b.0))),
            (a, b) => a.or(b),
        },
        llm_ms: spent.llm_ms.saturating_add(took.as_millis() as i64),
    }
}
