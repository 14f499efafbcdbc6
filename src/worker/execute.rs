//! One run: claim → who pays → call → trace, and on to the end, to a retry, or to another key.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use secrecy::SecretString;

use super::Worker;
use crate::app::TenantEntry;
use crate::llm::{self, Call, Completion, LlmError, keys, prompt};
use crate::model::{
    AgentSpec, Cost, ErrorCode, ExecutionError, ExecutionId, KeyPolicy, KeySource, RetryPolicy, Time, Usage,
};
use crate::store::{self, AttemptEnd, AttemptStart, Claimed, Finish, Spent};

/// Between two tries to write a result down. A result is worth waiting for: without it the call is repeated.
const WRITE_RETRY: Duration = Duration::from_millis(500);
/// Tries to write a result down. Its lease is renewed meanwhile, if the database lets anybody write at all.
const WRITE_TRIES: u32 = 50;

/// What a run needs besides its payload.
struct Plan {
    spec: Arc<AgentSpec>,
    tenant: Arc<TenantEntry>,
    message: String,
}

impl Worker {
    /// Runs one execution if it is due and nobody else has it. Whatever happens is in its row afterwards; an
    /// error here only means that the database was away, and the sweep lets go of the run.
    pub(super) async fn execute(self, id: ExecutionId) {
        let _under_way = self.under_way.begin(id);
        let claimed = self.app.store.claim(id, self.id, self.lease_until(), self.app.clock.now()).await;
        let outcome = match claimed {
            Ok(None) => return,
            Ok(Some(run)) => self.run_claimed(run).await,
            Err(error) => Err(error),
        };
        if let Err(error) = outcome {
            tracing::warn!(%id, %error, "a run was interrupted; it is taken up again soon");
        }
    }

    async fn run_claimed(&self, run: Claimed) -> store::Result<()> {
        match self.plan(&run).await? {
            Ok(plan) => self.call_until_settled(run, &plan).await,
            Err(error) => self.write(&run, None, Finish::Failed(error)).await.map(|_| ()),
        }
    }

    /// Everything that can fail without a call.
    async fn plan(&self, run: &Claimed) -> store::Result<Result<Plan, ExecutionError>> {
        let app = &self.app;
        let agent = app.agents.get(&app.store, &app.cipher, run.agent_id).await?;
        let spec = app.agents.version(&app.store, run.agent_id, run.agent_version).await?;
        let tenant = app.tenants.get(&app.store, &app.cipher, &run.tenant_id).await?;
        let (Some(_), Some(spec), Some(tenant)) = (agent, spec, tenant) else {
            return Ok(Err(failure(
                ErrorCode::AgentDeleted,
                "the agent was deleted before this execution ran",
            )));
        };
        let model = &spec.llm_config.model;
        if !tenant.tenant.allows_model(model) {
            let message = format!(
                "tenant {} may not call model {model}: it is not in its allowed_models",
                run.tenant_id
            );
            return Ok(Err(failure(ErrorCode::ModelNotAllowed, &message)));
        }
        let message = prompt::user_message(&run.payload, prompt::random_marker);
        Ok(Ok(Plan { spec, tenant, message }))
    }

    /// Calls with the key that policy chooses, and once more with the platform's if policy says so.
    async fn call_until_settled(&self, mut run: Claimed, plan: &Plan) -> store::Result<()> {
        let tenant = &plan.tenant.tenant;
        let platform_key = self.app.llm.platform_key();
        let tenant_key = match &plan.tenant.llm_key {
            Some(Ok(key)) => Some(key),
            // Another key must not stand in for one that is configured. Who never pays with it needs no key of its own.
            Some(Err(error)) if tenant.key_policy != KeyPolicy::PlatformOnly => {
                tracing::error!(tenant_id = %run.tenant_id, %error, "a tenant's LLM key cannot be opened");
                let message = "the tenant's LLM key cannot be decrypted; the operator has to look at AGENTHOOK_ENCRYPTION_KEYS";
                let error = failure(ErrorCode::NoKey, message);
                return self.write(&run, None, Finish::Failed(error)).await.map(|_| ());
            }
            Some(Err(_)) | None => None,
        };
        let (mut source, mut key) = match keys::choose(tenant, tenant_key, platform_key) {
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
                Err(error) => after_failure(&plan.spec.retry, run.tries, &error, self.app.clock.now()),
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
        let asked = &plan.spec.llm_config.model;
        let start = AttemptStart {
            number,
            started_at: self.app.clock.now(),
            key_source: source,
            llm_call_id: llm::call_id_for(run.execution_id, number),
            model: asked.clone(),
        };
        if !self.app.store.begin_attempt(run, &start).await? {
            return Ok(None);
        }
        run.attempt_count = number;
        let called = Instant::now();
        let result = self
            .app
            .llm
            .complete(&Call {
                config: &plan.spec.llm_config,
                system_prompt: &plan.spec.system_prompt,
                user_message: &plan.message,
                key,
                timeout: Duration::from_secs(plan.spec.timeout_seconds.into()),
                execution_id: run.execution_id,
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

    /// Writes a result down, for as long as the lease may last. `false`: the lease is lost.
    async fn write(&self, run: &Claimed, attempt: Option<AttemptEnd>, to: Finish) -> store::Result<bool> {
        let mut tries = 1;
        loop {
            match self.app.store.finish(run, attempt.as_ref(), &to, self.app.clock.now()).await {
                Err(error) if tries < WRITE_TRIES => {
                    tracing::warn!(execution_id = %run.execution_id, %error, "a result waits for the database");
                    tries += 1;
                    tokio::time::sleep(WRITE_RETRY).await;
                }
                Ok(false) => {
                    tracing::warn!(execution_id = %run.execution_id, "a late result was dropped: the lease was lost");
                    return Ok(false);
                }
                other => return other,
            }
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

fn failure(code: ErrorCode, message: &str) -> ExecutionError {
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
