//! The message of a run: the payload as JSON, or what the agent's template makes of it.

use std::sync::Arc;

use super::Worker;
use super::execute::failure;
use crate::app::Version;
use crate::llm::prompt;
use crate::model::{AgentFacts, ErrorCode, ExecutionError, payload_json};
use crate::store::Claimed;
use crate::template;

/// Templates rendered at once. Hostile ones take some ten MB and a part of a second each.
pub(super) const AT_ONCE: usize = 2;

impl Worker {
    /// What the model is to read.
    pub(super) async fn message(
        &self,
        run: &Claimed,
        version: &Arc<Version>,
    ) -> Result<String, ExecutionError> {
        match &version.template {
            None => {
                return Ok(prompt::user_message(
                    &payload_json(&run.payload, &run.headers),
                    prompt::random_marker,
                ));
            }
            Some(Ok(_)) => {}
            // It compiled when it was saved: it was changed by hand, or the rules have changed.
            Some(Err(fault)) => {
                return Err(failed(&format!("the stored prompt template cannot be used: {fault}")));
            }
        }
        let stopping = "the worker is stopping";
        let turn = self.prompts.clone().acquire_owned().await.map_err(|_| failed(stopping))?;
        let payload = payload_json(&run.payload, &run.headers).into_owned();
        let (headers, version) = (run.headers.clone(), version.clone());
        let (id, tenant_id, number) = (run.agent_id, run.tenant_id.clone(), run.agent_version);
        let rendered = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let Some(Ok(template)) = &version.template else { return None };
            let agent = AgentFacts { id, tenant_id: &tenant_id, name: &version.spec.name, version: number };
            Some(template.render(&template::payload(&payload), &headers, agent, prompt::random_marker))
        });
        match rendered.await {
            Ok(Some(Ok(message))) => Ok(message.text),
            Ok(Some(Err(fault))) => Err(failed(&format!("the prompt template: {fault}"))),
            Ok(None) | Err(_) => Err(failed("the prompt template cannot be rendered")),
        }
    }
}

fn failed(message: &str) -> ExecutionError {
    failure(ErrorCode::PromptFailed, message)
}
