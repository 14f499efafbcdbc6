//! The demo's tenant, agent and ticket.

use std::time::{Duration, Instant};

use reqwest::Method;
use secrecy::SecretString;
use serde_json::{Value, json};
use url::Url;

use crate::app::App;
use crate::cli::api::Api;
use crate::cli::failure::Failure;
use crate::cli::problem::refusal;
use crate::model::SecretEncoding;
use crate::signature::{Scheme, SigningKey, ToSign};

/// What the printed curl command sends.
pub(super) const TICKET: &str = r#"{"ticket_id":"TKT-123","description":"Issue"}"#;
const TENANT: &str = "demo";
const AGENT: &str = "Ticket triage";
const MOCK: &str = "agenthook-mock";
/// How long the demo's run may take.
const PATIENCE: Duration = Duration::from_secs(180);

/// The agent and what its sender knows.
pub(super) struct Demo {
    agent_id: String,
    pub webhook_url: Url,
    key: SigningKey,
}

/// The mock model if the proxy has it, else the first that it lists.
pub(super) async fn pick_model(app: &App) -> Result<String, Failure> {
    let key = app.llm.platform_key().ok_or_else(|| {
        Failure::Usage("LITELLM_API_KEY is not set: the proxy at LITELLM_BASE_URL needs a key".into())
    })?;
    let models = app.llm.models(key).await.map_err(|error| Failure::Fault(error.message))?;
    let mock = models.iter().find(|model| *model == MOCK);
    mock.or(models.first())
        .cloned()
        .ok_or_else(|| Failure::Fault("the LiteLLM proxy lists no model for this key".into()))
}

/// Makes the tenant and the agent, or finds them.
pub(super) async fn prepare(api: &Api, model: &str) -> Result<Demo, Failure> {
    let tenants = api.get(&["tenants"], &[("limit", "200".into())]).await?;
    if !list(&tenants.json, "tenants").any(|tenant| tenant["tenant_id"] == TENANT) {
        api.write(Method::POST, &["tenants"], &json!({"tenant_id": TENANT, "name": "Quickstart"})).await?;
    }
    let agents = api.get(&["agents"], &[("tenant_id", TENANT.into()), ("limit", "200".into())]).await?;
    let mut found = list(&agents.json, "agents")
        .find(|agent| agent["name"] == AGENT && agent["trigger"].is_object())
        .cloned();
    let agent = match found.take() {
        None => api.write(Method::POST, &["agents"], &agent(model)).await?.json,
        Some(agent) if agent["llm_config"]["model"] == model && agent["status"] == "active" => agent,
        Some(agent) => {
            let change = json!({"llm_config": {"model": model}, "status": "active"});
            api.write(Method::PATCH, &["agents", &text(&agent["agent_id"])], &change).await?.json
        }
    };
    let agent_id = text(&agent["agent_id"]);
    let secrets = api.get(&["agents", &agent_id, "webhook-secret"], &[("reveal", "true".into())]).await?;
    let newest = &secrets.json["secrets"][0];
    let encoding: SecretEncoding =
        serde_json::from_value(newest["secret_encoding"].clone()).unwrap_or_default();
    let key = Scheme::hub()
        .key(&SecretString::from(text(&newest["webhook_secret"])), encoding)
        .map_err(|fault| Failure::Fault(format!("the demo agent's secret: {fault}")))?;
    let webhook_url = text(&agent["webhook_url"]).parse();
    let webhook_url = webhook_url.map_err(|_| Failure::Fault("the demo agent has no webhook URL".into()))?;
    Ok(Demo { agent_id, webhook_url, key })
}

impl Demo {
    /// The headers that sign these bytes, with their `Content-Type`.
    pub fn sign(&self, body: &[u8]) -> Result<Vec<(String, String)>, Failure> {
        let signed = Scheme::hub().sign(&self.key, &ToSign::body(body));
        let mut headers = signed.map_err(|fault| Failure::Fault(fault.to_string()))?;
        headers.insert(0, ("Content-Type".to_owned(), "application/json".to_owned()));
        Ok(headers)
    }

    /// Sends a ticket that is new each time, and returns its trace's JSON.
    pub async fn send_ticket(&self, api: &Api) -> Result<String, Failure> {
        let number = uuid::Uuid::now_v7().simple().to_string();
        let body = format!(
            r#"{{"ticket_id":"TKT-{}","description":"I cannot sign in since I changed my password this morning."}}"#,
            &number[number.len() - 6..]
        );
        let (status, answer) =
            api.deliver(&self.agent_id, &self.sign(body.as_bytes())?, body.into_bytes()).await?;
        if status != 202 {
            return Err(Failure::Fault(refusal(status, &answer)));
        }
        let answer: Value = serde_json::from_str(&answer).unwrap_or_default();
        let (start, id) = (Instant::now(), text(&answer["execution_id"]));
        loop {
            let execution = api.get(&["executions", &id], &[]).await?;
            if matches!(execution.json["status"].as_str(), Some("success" | "failed" | "cancelled")) {
                return Ok(execution.text);
            }
            if start.elapsed() > PATIENCE {
                return Err(Failure::Fault(format!("execution {id} has not ended: is the proxy well?")));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

fn agent(model: &str) -> Value {
    json!({
        "tenant_id": TENANT,
        "name": AGENT,
        "system_prompt": "You triage support tickets. Name category, priority, summary and next step.",
        "llm_config": {"model": model},
        "trigger": {"type": "webhook", "payload_schema": {
            "type": "object",
            "required": ["ticket_id"],
            "properties": {"ticket_id": {"type": "string"}, "description": {"type": "string"}},
        }},
    })
}

fn list<'a>(answer: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    answer[name].as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
