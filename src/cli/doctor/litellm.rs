//! LiteLLM: is it up, does it take the platform's key, and has it the models that agents ask for?

use std::collections::BTreeSet;

use secrecy::SecretString;

use super::{Finding, fail, ok, warn};
use crate::config::Settings;
use crate::llm::{LlmClient, LlmSettings};
use crate::model::FallbackReason;
use crate::store::Store;

const PROXY: &str = "LiteLLM";
const KEY: &str = "LiteLLM key";
const MODELS: &str = "LiteLLM models";
/// Agents whose models are looked for.
const SAMPLE: i64 = 1000;
/// Models that are named; of more only the number is told.
const NAMED: usize = 8;

pub(super) async fn check(settings: &Settings, store: Option<&Store>) -> Vec<Finding> {
    let url = settings.litellm_base_url.as_str().trim_end_matches('/');
    let client = LlmClient::new(LlmSettings {
        base_url: settings.litellm_base_url.clone(),
        platform_key: settings.platform_key.clone(),
        max_response_bytes: settings.max_llm_response_bytes,
    });
    let client = match client {
        Ok(client) => client,
        Err(error) => return vec![fail(PROXY, error.to_string())],
    };
    if let Err(error) = client.liveliness().await {
        let message = format!("{error}: start LiteLLM at {url}, or set LITELLM_BASE_URL to where it is");
        return vec![fail(PROXY, message)];
    }
    let mut findings = vec![ok(PROXY, format!("{url} is up"))];
    match client.platform_key() {
        Some(key) => findings.extend(key_and_models(&client, key, store).await),
        None => findings.push(warn(
            KEY,
            "no platform key: only tenants with an LLM key of their own can run; set LITELLM_API_KEY to a virtual key \
             with limits",
        )),
    }
    findings
}

async fn key_and_models(client: &LlmClient, key: &SecretString, store: Option<&Store>) -> Vec<Finding> {
    let listed = match client.models(key).await {
        Ok(listed) => listed,
        Err(error) if error.fallback == Some(FallbackReason::Rejected) => {
            return vec![fail(KEY, format!("{error} (LITELLM_API_KEY is the platform's)"))];
        }
        Err(error) => return vec![fail(KEY, format!("cannot be tried: {error}"))],
    };
    let key = match client.is_admin(key).await {
        Ok(true) => warn(
            KEY,
            "accepted, but it is LiteLLM's master key (or an administrator's), which no budget or rate limit \
             holds back: make a virtual key with limits and set it as LITELLM_API_KEY",
        ),
        Ok(false) => ok(KEY, "accepted"),
        Err(error) => warn(KEY, format!("accepted; whether it is the master key cannot be told: {error}")),
    };
    vec![key, models(&listed, store).await]
}

/// Whether agents ask for models that the platform's key does not see.
async fn models(listed: &[String], store: Option<&Store>) -> Finding {
    if listed.is_empty() {
        return fail(
            MODELS,
            "the platform key may call no model: add models to LiteLLM's model_list, or to the key",
        );
    }
    // `*` and `openai/*` stand for more than they say.
    if listed.iter().any(|model| model.contains('*')) {
        return ok(MODELS, format!("{}, with wildcards", named(listed.iter().map(String::as_str))));
    }
    let agents = match store {
        Some(store) => store.agents(None, None, SAMPLE).await,
        None => Ok(Vec::new()),
    };
    let agents = match agents {
        Ok(agents) => agents,
        Err(error) => return warn(MODELS, format!("which models agents ask for cannot be read: {error}")),
    };
    let wanted: BTreeSet<&str> = agents.iter().map(|agent| agent.spec.llm_config.model.as_str()).collect();
    let missing: Vec<&str> =
        wanted.into_iter().filter(|model| !listed.iter().any(|known| known == model)).collect();
    if missing.is_empty() {
        return ok(MODELS, named(listed.iter().map(String::as_str)));
    }
    warn(
        MODELS,
        format!(
            "agents ask for {}, which the platform key cannot call: add them to LiteLLM's model_list (a tenant's own \
             key may see more)",
            named(missing.into_iter())
        ),
    )
}

fn named<'m>(models: impl ExactSizeIterator<Item = &'m str>) -> String {
    let count = models.len();
    let names: Vec<_> = models.take(NAMED).collect();
    let more = if count > NAMED { format!(" and {} more", count - NAMED) } else { String::new() };
    names.join(", ") + &more
}
