//! The form of an agent's settings: what stands in its fields, and the API's JSON that they stand for.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::dashboard::show::Show;
use crate::model::{AgentSpec, TenantId};
use crate::web::ApiError;

/// Its fields, in the order of the page.
const FIELDS: [&str; 29] = [
    "tenant_id",
    "name",
    "model",
    "system_prompt",
    "status",
    "started_by",
    "scheme",
    "payload_schema",
    "schema_policy",
    "filter",
    "prompt_template",
    "secret",
    "secret_encoding",
    "custom",
    "dedupe_by",
    "window_seconds",
    "identical_seconds",
    "when_paused",
    "per_minute",
    "burst",
    "concurrency",
    "allow_wait",
    "callback_hosts",
    "llm_config",
    "max_attempts",
    "initial_delay_ms",
    "max_delay_ms",
    "timeout_seconds",
    // The version that the form was made of.
    "version",
];

/// What stands in the fields, by their names. What is not there is empty: an unticked box is not sent.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
pub struct AgentForm(BTreeMap<String, String>);

impl AgentForm {
    /// For a new agent: what most want.
    pub fn empty() -> Self {
        let fields = [("started_by", "webhook"), ("scheme", "hub"), ("status", "active")];
        Self(fields.map(|(name, value)| (name.to_owned(), value.to_owned())).into())
    }

    /// Of an agent as it is at a version.
    pub fn of(spec: &AgentSpec, tenant_id: &TenantId, version: i32) -> Self {
        let mut form = Self::default();
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let mut llm = serde_json::to_value(&spec.llm_config).unwrap_or_default();
        if let Value::Object(llm) = &mut llm {
            llm.remove("model");
        }
        let is_plain = llm == json!({});
        form.set("tenant_id", tenant_id.to_string());
        form.set("version", version.to_string());
        form.set("name", spec.name.clone());
        form.set("status", spec.status.word());
        form.set("system_prompt", spec.system_prompt.clone());
        form.set("model", spec.llm_config.model.clone());
        form.set("llm_config", if is_plain { String::new() } else { pretty(&llm) });
        form.set("max_attempts", spec.retry.max_attempts.to_string());
        form.set("initial_delay_ms", spec.retry.initial_delay_ms.to_string());
        form.set("max_delay_ms", spec.retry.max_delay_ms.to_string());
        form.set("timeout_seconds", spec.timeout_seconds.to_string());
        let Some(trigger) = &spec.trigger else { return form };
        form.set("started_by", "webhook".to_owned());
        form.set("scheme", trigger.scheme.word());
        form.set("secret_encoding", trigger.secret_encoding.map(|word| word.word()).unwrap_or_default());
        form.set("custom", trigger.custom.as_ref().map(pretty).unwrap_or_default());
        form.set("payload_schema", trigger.payload_schema.as_ref().map(pretty).unwrap_or_default());
        form.set("schema_policy", trigger.schema_policy.word());
        form.set("filter", text(&trigger.filter));
        form.set("prompt_template", text(&trigger.prompt_template));
        form.set("dedupe_by", trigger.dedupe.by.map(|word| word.word()).unwrap_or_default());
        form.set("window_seconds", trigger.dedupe.window_seconds.to_string());
        form.set("identical_seconds", trigger.dedupe.identical_seconds.to_string());
        form.set("when_paused", trigger.when_paused.word());
        if let Some(limit) = &trigger.rate_limit {
            form.set("per_minute", limit.per_minute.to_string());
            form.set("burst", limit.burst.to_string());
        }
        form.set("concurrency", trigger.concurrency.map(|most| most.to_string()).unwrap_or_default());
        form.set("allow_wait", if trigger.allow_wait { "true" } else { "" }.to_owned());
        let hosts: Vec<_> = trigger.callback_hosts.iter().flatten().map(Show::word).collect();
        form.set("callback_hosts", hosts.join("\n"));
        form
    }

    fn set(&mut self, name: &str, value: String) {
        self.0.insert(name.to_owned(), value);
    }

    /// What stands in a field. Browsers end lines with a carriage return too, which nobody has typed.
    pub fn get(&self, name: &str) -> String {
        self.0.get(name).map(|value| value.replace("\r\n", "\n")).unwrap_or_default()
    }

    /// The version that the form was made of.
    pub fn version(&self) -> i32 {
        self.get("version").parse().unwrap_or_default()
    }

    /// The form as it is shown again: secrets are typed anew.
    pub fn without_secret(mut self) -> Self {
        self.0.remove("secret");
        self
    }

    /// The same on another version: what was changed here stays, what was not is as it is there. With the names of the
    /// fields that both have changed.
    pub fn onto(self, base: &Self, present: &Self) -> (Self, Vec<&'static str>) {
        let (mut form, mut both) = (self, Vec::new());
        for name in FIELDS {
            let (mine, was, is) = (form.get(name), base.get(name), present.get(name));
            if mine == was || name == "version" {
                form.set(name, is);
            } else if was != is && mine != is && name != "secret" {
                both.push(name);
            }
        }
        (form, both)
    }

    /// The agent's settings, as the API takes them to make one; what is empty is left out.
    ///
    /// # Errors
    /// 422: a text that must be JSON is none.
    pub fn settings(&self) -> Result<Map<String, Value>, ApiError> {
        let mut agent = Map::new();
        for name in ["tenant_id", "name", "status", "system_prompt"] {
            put(&mut agent, name, text(self.get(name)));
        }
        put(&mut agent, "timeout_seconds", number(&self.get("timeout_seconds")));
        let mut llm = self.object("llm_config", "/llm_config")?.unwrap_or_default();
        if llm.contains_key("model") {
            return Err(ApiError::field("/llm_config", "must not name the model: it has a field of its own"));
        }
        llm.insert("model".to_owned(), self.get("model").into());
        agent.insert("llm_config".to_owned(), llm.into());
        let mut retry = Map::new();
        for name in ["max_attempts", "initial_delay_ms", "max_delay_ms"] {
            put(&mut retry, name, number(&self.get(name)));
        }
        agent.insert("retry".to_owned(), retry.into());
        if self.get("started_by") == "webhook" {
            agent.insert("trigger".to_owned(), self.trigger()?.into());
        }
        Ok(agent)
    }

    fn trigger(&self) -> Result<Map<String, Value>, ApiError> {
        let mut trigger = Map::from_iter([("type".to_owned(), json!("webhook"))]);
        for name in ["scheme", "secret", "secret_encoding", "schema_policy", "when_paused"] {
            put(&mut trigger, name, text(self.get(name)));
        }
        for name in ["filter", "prompt_template"] {
            put(&mut trigger, name, text(self.get(name)));
        }
        if let Some(custom) = self.object("custom", "/trigger/custom")? {
            trigger.insert("custom".to_owned(), custom.into());
        }
        put(&mut trigger, "payload_schema", self.json("payload_schema", "/trigger/payload_schema")?);
        let mut dedupe = Map::new();
        put(&mut dedupe, "by", text(self.get("dedupe_by")));
        for name in ["window_seconds", "identical_seconds"] {
            put(&mut dedupe, name, number(&self.get(name)));
        }
        trigger.insert("dedupe".to_owned(), dedupe.into());
        let mut rate = Map::new();
        for name in ["per_minute", "burst"] {
            put(&mut rate, name, number(&self.get(name)));
        }
        if !rate.is_empty() {
            trigger.insert("rate_limit".to_owned(), rate.into());
        }
        put(&mut trigger, "concurrency", number(&self.get("concurrency")));
        trigger.insert("allow_wait".to_owned(), (self.get("allow_wait") == "true").into());
        let hosts = self.get("callback_hosts");
        let hosts: Vec<_> = hosts.split_whitespace().collect();
        if !hosts.is_empty() {
            trigger.insert("callback_hosts".to_owned(), hosts.into());
        }
        Ok(trigger)
    }

    /// JSON that stands in a field; nothing is `None`.
    fn json(&self, name: &str, pointer: &str) -> Result<Option<Value>, ApiError> {
        let text = self.get(name);
        if text.trim().is_empty() {
            return Ok(None);
        }
        let found = serde_json::from_str(&text);
        found.map(Some).map_err(|error| ApiError::field(pointer, format!("is not JSON: {error}")))
    }

    fn object(&self, name: &str, pointer: &str) -> Result<Option<Map<String, Value>>, ApiError> {
        match self.json(name, pointer)? {
            None => Ok(None),
            Some(Value::Object(members)) => Ok(Some(members)),
            Some(_) => Err(ApiError::field(pointer, "must be a JSON object")),
        }
    }
}

/// What makes an agent of these settings one of those, as the API takes it to change one: only what differs, and `null`
/// for what is not there any more.
pub fn changes(before: &Map<String, Value>, after: &Map<String, Value>) -> Map<String, Value> {
    let mut changes = differing(before, after);
    for name in AgentSpec::MERGED {
        if let (Some(Value::Object(old)), Some(Value::Object(new))) = (before.get(name), after.get(name)) {
            let members = differing(old, new);
            if members.is_empty() {
                changes.remove(name);
            } else {
                changes.insert(name.to_owned(), members.into());
            }
        }
    }
    changes
}

fn differing(before: &Map<String, Value>, after: &Map<String, Value>) -> Map<String, Value> {
    let changed = after.iter().filter(|(name, value)| before.get(*name) != Some(*value));
    let gone = before.keys().filter(|name| !after.contains_key(*name));
    let gone = gone.map(|name| (name.clone(), Value::Null));
    changed.map(|(name, value)| (name.clone(), value.clone())).chain(gone).collect()
}

/// The field that a fault is shown at, and what is said there. `None`: it is about none of them.
pub fn place(pointer: &str) -> Option<&'static str> {
    let place = match pointer {
        "/llm_config/model" => "model",
        "/trigger/dedupe/by" => "dedupe_by",
        "/trigger/rate_limit/burst" => "burst",
        _ if pointer.starts_with("/trigger/rate_limit") => "per_minute",
        _ => {
            let steps = pointer.trim_start_matches('/').split('/');
            let mut steps = steps.skip_while(|step| matches!(*step, "trigger" | "retry" | "dedupe"));
            steps.next().unwrap_or_default()
        }
    };
    FIELDS.into_iter().find(|name| *name == place)
}

fn put(object: &mut Map<String, Value>, name: &str, value: Option<Value>) {
    if let Some(value) = value {
        object.insert(name.to_owned(), value);
    }
}

fn text(text: String) -> Option<Value> {
    (!text.is_empty()).then(|| text.into())
}

/// A number; what is none goes on as text, so that the API says what has to stand there.
fn number(text: &str) -> Option<Value> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.parse::<serde_json::Number>().map_or_else(|_| text.into(), Value::Number))
}

fn pretty(value: &impl serde::Serialize) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(fields: Value) -> AgentSpec {
        let mut agent = json!({"name": "Triage", "llm_config": {"model": "gpt-4o-mini"}});
        agent.as_object_mut().expect("an object").extend(fields.as_object().expect("fields").clone());
        serde_json::from_value(agent).expect("an agent")
    }

    fn all() -> AgentSpec {
        spec(json!({
            "system_prompt": "a\nb", "timeout_seconds": 7, "status": "paused",
            "llm_config": {"model": "m", "temperature": 0.2, "stop": ["x"]},
            "retry": {"max_attempts": 2, "initial_delay_ms": 5, "max_delay_ms": 6},
            "trigger": {
                "type": "webhook", "scheme": "custom", "secret_encoding": "hex",
                "custom": {"header": "X-Sig", "prefix": "v0="}, "payload_schema": {"type": "object"},
                "dedupe": {"by": "body", "window_seconds": 60, "identical_seconds": 0}, "filter": "payload.a == 1",
                "prompt_template": "{{ payload }}", "rate_limit": {"per_minute": 60, "burst": 5}, "concurrency": 3,
                "allow_wait": true, "callback_hosts": ["*.example.com", "a.example:8080"], "when_paused": "hold",
                "schema_policy": "quarantine"
            }
        }))
    }

    fn read(settings: Map<String, Value>) -> AgentSpec {
        let mut settings = settings;
        settings.remove("tenant_id");
        serde_json::from_value(settings.into()).expect("an agent")
    }

    #[test]
    fn every_setting_survives_its_form() {
        let tenant = "acme".parse().expect("a tenant");
        for spec in [spec(json!({})), spec(json!({"trigger": {"type": "webhook"}})), all()] {
            let form = AgentForm::of(&spec, &tenant, 3);
            assert_eq!(read(form.settings().expect("settings")), spec);
            assert_eq!(form.version(), 3);
        }
        // A setting without a field would be lost without a word: each is in the full form.
        let full = AgentForm::of(&all(), &tenant, 1);
        for name in FIELDS.into_iter().filter(|name| *name != "secret") {
            assert!(!full.get(name).is_empty(), "{name}");
        }
    }

    #[test]
    fn only_what_was_changed_is_sent() {
        let tenant = "acme".parse().expect("a tenant");
        let before = AgentForm::of(&all(), &tenant, 1);
        let mut after = before.clone();
        let settings = |form: &AgentForm| form.settings().expect("settings");
        assert_eq!(changes(&settings(&before), &settings(&after)), Map::new());
        after.set("llm_config", "{\"stop\": [\"x\"]}".to_owned());
        after.set("filter", String::new());
        after.set("system_prompt", "a\r\nb".to_owned());
        assert_eq!(
            Value::from(changes(&settings(&before), &settings(&after))),
            json!({"llm_config": {"temperature": null}, "trigger": {"filter": null}})
        );
        after.set("started_by", "nothing".to_owned());
        assert_eq!(changes(&settings(&before), &settings(&after))["trigger"], Value::Null);
    }

    #[test]
    fn a_form_goes_onto_a_version_that_somebody_else_has_made() {
        let form = |fields: &[(&str, &str)]| {
            AgentForm(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
        };
        let base = form(&[("name", "A"), ("model", "m"), ("filter", "f"), ("version", "1")]);
        let mine = form(&[("name", "B"), ("model", "m"), ("filter", "mine"), ("version", "1")]);
        let theirs = form(&[("name", "A"), ("model", "n"), ("filter", "theirs"), ("version", "2")]);
        let (merged, both) = mine.onto(&base, &theirs);
        let shown = ["name", "model", "filter", "version"].map(|name| merged.get(name));
        assert_eq!((shown, both), (["B", "n", "mine", "2"].map(str::to_owned), vec!["filter"]));
    }

    #[test]
    fn faults_have_their_places() {
        for (pointer, place) in [
            ("/name", Some("name")),
            ("/llm_config/model", Some("model")),
            ("/llm_config/response_format", Some("llm_config")),
            ("/trigger/payload_schema/properties/a", Some("payload_schema")),
            ("/trigger/custom/header", Some("custom")),
            ("/trigger/dedupe/window_seconds", Some("window_seconds")),
            ("/trigger/rate_limit", Some("per_minute")),
            ("/trigger/callback_hosts/0", Some("callback_hosts")),
            ("/retry/max_attempts", Some("max_attempts")),
            ("", None),
            ("/trigger", None),
            ("/elsewhere", None),
        ] {
            assert_eq!(super::place(pointer), place, "{pointer}");
        }
    }
}
