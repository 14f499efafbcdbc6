//! An agent's settings as flags. What has no flag is written in a `--file`.

use std::path::PathBuf;

use clap::Args;
use clap::builder::PossibleValuesParser;
use secrecy::ExposeSecret;
use serde_json::{Map, Number, Value, json};

use super::super::failure::Failure;
use super::super::input;
use super::super::key::{ENCODINGS, SCHEMES};
use super::super::limits::LimitArgs;
use crate::model::TenantId;

#[derive(Args)]
pub(super) struct SpecArgs {
    /// Its name, for people
    #[arg(long)]
    name: Option<String>,
    /// active takes webhooks, paused refuses them for now, archived for good
    #[arg(long, value_parser = PossibleValuesParser::new(["active", "paused", "archived"]))]
    status: Option<String>,
    /// A model of the LiteLLM proxy
    #[arg(long)]
    model: Option<String>,
    /// What the model is told about its task, byte for byte
    #[arg(long, value_name = "TEXT", conflicts_with = "system_prompt_file")]
    system_prompt: Option<String>,
    /// The same from a file; `-` is standard input
    #[arg(long, value_name = "FILE")]
    system_prompt_file: Option<PathBuf>,
    /// Sampling temperature, 0 to 2
    #[arg(long, value_name = "NUMBER")]
    temperature: Option<Number>,
    /// The longest answer, in tokens
    #[arg(long, value_name = "N")]
    max_tokens: Option<u32>,
    /// How long one LLM call may take
    #[arg(long, value_name = "SECONDS")]
    timeout_seconds: Option<u32>,
    /// LLM calls in all before a failing execution is given up
    #[arg(long, value_name = "N")]
    max_attempts: Option<u32>,
    /// A JSON Schema that payloads must match
    #[arg(long, value_name = "FILE", help_heading = "Webhook")]
    schema: Option<PathBuf>,
    /// Take any JSON
    #[arg(long, conflicts_with = "schema", help_heading = "Webhook")]
    no_schema: bool,
    /// Which payloads run: a CEL expression over payload, headers and agent
    #[arg(long, value_name = "CEL", help_heading = "Webhook")]
    filter: Option<String>,
    /// Run them all
    #[arg(long, conflicts_with = "filter", help_heading = "Webhook")]
    no_filter: bool,
    /// What the model reads of a payload: a file with a minijinja template; `-` is standard input
    #[arg(long, value_name = "FILE", help_heading = "Webhook")]
    template: Option<PathBuf>,
    /// Show it the payload as JSON
    #[arg(long, conflicts_with = "template", help_heading = "Webhook")]
    no_template: bool,
    /// How its senders sign
    #[arg(long, help_heading = "Webhook", value_parser = PossibleValuesParser::new(SCHEMES))]
    scheme: Option<String>,
    /// A file with a `custom` scheme in JSON: {"header": "X-Signature", "template": "{timestamp}.{body}", …}
    #[arg(long, value_name = "FILE", conflicts_with = "scheme", help_heading = "Webhook")]
    custom: Option<PathBuf>,
    /// How the secret's text becomes the key; without it as the scheme's senders have it
    #[arg(long, value_name = "ENCODING", help_heading = "Webhook", value_parser = PossibleValuesParser::new(ENCODINGS))]
    secret_encoding: Option<String>,
    /// A secret that the sender made, in a file; `-` is standard input. Without it one is generated
    #[arg(long, value_name = "FILE", help_heading = "Webhook")]
    webhook_secret_file: Option<PathBuf>,
    /// What a webhook gets while the agent is paused: refuse, or hold for a person
    #[arg(long, value_name = "WHAT", help_heading = "Webhook", value_parser = PossibleValuesParser::new(["refuse", "hold"]))]
    when_paused: Option<String>,
    /// What a payload gets that does not match the schema: reject, or quarantine for a person
    #[arg(long, value_name = "WHAT", help_heading = "Webhook", value_parser = PossibleValuesParser::new(["reject", "quarantine"]))]
    schema_policy: Option<String>,
    /// Whether senders may wait for the end (`Prefer: wait`)
    #[arg(long, value_name = "BOOL", help_heading = "Webhook")]
    allow_wait: Option<bool>,
    /// A host that senders may be called back at (Agenthook-Callback-Url), such as hooks.example.com, *.example.com or
    /// 192.0.2.7:8443; may be given several times, and replaces those that are set
    #[arg(long = "callback-host", value_name = "HOST", help_heading = "Webhook")]
    callback_hosts: Vec<String>,
    /// Call nobody back
    #[arg(long, conflicts_with = "callback_hosts", help_heading = "Webhook")]
    no_callbacks: bool,
    #[command(flatten)]
    limits: LimitArgs,
}

impl SpecArgs {
    /// Whether what an agent cannot do without is there.
    pub(super) fn is_enough(&self) -> bool {
        self.name.is_some() && self.model.is_some()
    }

    /// The body of a POST.
    pub(super) fn to_create(&self, tenant: Option<&TenantId>, no_webhook: bool) -> Result<Value, Failure> {
        let mut body = self.changes()?;
        // Without it the server takes the key's own.
        if let Some(tenant) = tenant {
            body.insert("tenant_id".into(), tenant.as_str().into());
        }
        match (no_webhook, body.contains_key("trigger")) {
            (true, true) => {
                return Err(Failure::Usage(
                    "--no-webhook leaves nothing for the flags about the webhook".into(),
                ));
            }
            (false, false) => drop(body.insert("trigger".into(), json!({"type": "webhook"}))),
            _ => {}
        }
        Ok(body.into())
    }

    /// The body of a PATCH: the server changes the members that are there, also inside an object.
    pub(super) fn to_update(&self) -> Result<Value, Failure> {
        let body = self.changes()?;
        if body.is_empty() {
            return Err(Failure::Usage("nothing to change: see agenthook agent update --help".into()));
        }
        Ok(body.into())
    }

    /// The members that the flags name.
    fn changes(&self) -> Result<Map<String, Value>, Failure> {
        let prompt = match (&self.system_prompt, &self.system_prompt_file) {
            (Some(text), _) => Some(text.clone()),
            (None, Some(path)) => Some(input::text(path)?),
            (None, None) => None,
        };
        let secret = self.webhook_secret_file.as_deref().map(input::secret).transpose()?;
        let schema = match &self.schema {
            Some(path) => Some(input::json(path)?),
            None => self.no_schema.then_some(Value::Null),
        };
        let filter = self.filter.clone().map(Value::from).or(self.no_filter.then_some(Value::Null));
        let template = match &self.template {
            Some(path) => Some(input::text(path)?.into()),
            None => self.no_template.then_some(Value::Null),
        };
        let custom = self.custom.as_deref().map(input::json).transpose()?;
        let scheme = match &custom {
            Some(_) => Some("custom".to_owned()),
            None => self.scheme.clone(),
        };
        // Under another scheme an agent's custom one has no place any more.
        let custom = custom.or(scheme.is_some().then_some(Value::Null));
        let callback_hosts = match self.callback_hosts.as_slice() {
            [] => self.no_callbacks.then_some(Value::Null),
            hosts => Some(hosts.into()),
        };
        let mut body = filled([
            ("name", self.name.clone().map(Value::from)),
            ("status", self.status.clone().map(Value::from)),
            ("system_prompt", prompt.map(Value::from)),
            ("timeout_seconds", self.timeout_seconds.map(Value::from)),
        ]);
        let [rate_limit, concurrency] = self.limits.fields();
        let parts = [
            (
                "llm_config",
                filled([
                    ("model", self.model.clone().map(Value::from)),
                    ("temperature", self.temperature.clone().map(Value::Number)),
                    ("max_tokens", self.max_tokens.map(Value::from)),
                ]),
            ),
            ("retry", filled([("max_attempts", self.max_attempts.map(Value::from))])),
            (
                "trigger",
                filled([
                    ("scheme", scheme.map(Value::from)),
                    ("custom", custom),
                    ("secret_encoding", self.secret_encoding.clone().map(Value::from)),
                    ("filter", filter),
                    ("payload_schema", schema),
                    ("prompt_template", template),
                    ("when_paused", self.when_paused.clone().map(Value::from)),
                    ("schema_policy", self.schema_policy.clone().map(Value::from)),
                    ("allow_wait", self.allow_wait.map(Value::from)),
                    ("callback_hosts", callback_hosts),
                    rate_limit,
                    concurrency,
                    ("secret", secret.map(|secret| Value::from(secret.expose_secret()))),
                ]),
            ),
        ];
        for (name, mut members) in parts {
            if members.is_empty() {
                continue;
            }
            if name == "trigger" {
                // for an agent that has had none
                members.insert("type".into(), "webhook".into());
            }
            body.insert(name.into(), members.into());
        }
        Ok(body)
    }
}

fn filled<const N: usize>(members: [(&str, Option<Value>); N]) -> Map<String, Value> {
    members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        spec: SpecArgs,
    }

    fn spec(flags: &[&str]) -> SpecArgs {
        Flags::try_parse_from([&["x"], flags].concat()).expect("flags").spec
    }

    #[test]
    fn flags_become_the_body_of_a_post() {
        let tenant: TenantId = "acme".parse().expect("an id");
        let flags = ["--name", "n", "--model", "m", "--temperature", "0.2", "--secret-encoding", "hex"];
        let body = spec(&flags).to_create(Some(&tenant), false).expect("a body");
        assert_eq!(
            body,
            json!({"tenant_id": "acme", "name": "n", "llm_config": {"model": "m", "temperature": 0.2},
                "trigger": {"type": "webhook", "secret_encoding": "hex"}})
        );
        let bare = spec(&["--name", "n", "--model", "m"]);
        assert_eq!(
            bare.to_create(Some(&tenant), false).expect("a body")["trigger"],
            json!({"type": "webhook"})
        );
        assert!(bare.to_create(Some(&tenant), true).expect("a body").get("trigger").is_none());
        assert!(spec(&flags).to_create(Some(&tenant), true).is_err());
        assert!(Flags::try_parse_from(["x", "--temperature", "NaN"]).is_err());
    }

    #[test]
    fn a_change_has_what_the_flags_name_and_no_more() {
        let flags =
            ["--model", "m2", "--max-attempts", "1", "--no-schema", "--no-rate", "--concurrency", "2"];
        assert_eq!(
            spec(&flags).to_update().expect("a body"),
            json!({"llm_config": {"model": "m2"}, "retry": {"max_attempts": 1},
                "trigger": {"type": "webhook", "payload_schema": null, "rate_limit": null, "concurrency": 2}})
        );
        let flags = ["--when-paused", "hold", "--schema-policy", "quarantine", "--allow-wait", "true"];
        assert_eq!(
            spec(&flags).to_update().expect("a body"),
            json!({"trigger": {"type": "webhook", "when_paused": "hold", "schema_policy": "quarantine", "allow_wait": true}})
        );
        let flags = ["--callback-host", "a.example", "--callback-host", "*.b.example"];
        assert_eq!(
            spec(&flags).to_update().expect("a body"),
            json!({"trigger": {"type": "webhook", "callback_hosts": ["a.example", "*.b.example"]}})
        );
        assert_eq!(
            spec(&["--no-callbacks"]).to_update().expect("a body"),
            json!({"trigger": {"type": "webhook", "callback_hosts": null}})
        );
        assert!(spec(&[]).to_update().is_err());
    }
}
