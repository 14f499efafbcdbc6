//! From a request's body to an agent's next version.

use secrecy::SecretString;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::app::secret_owner;
use crate::cipher::Cipher;
use crate::filter::{Filter, Names};
use crate::model::{AgentId, AgentSpec, SecretId, Time, Trigger, WebhookSecret};
use crate::schema::PayloadSchema;
use crate::signature::Scheme;
use crate::source::Fault;
use crate::store::SecretChange;
use crate::template::Template;
use crate::web::{ApiError, Code, FieldError, from_value};

/// A body's object, and `trigger.secret`, which is written and never read.
pub(super) fn split_secret(body: Value) -> Result<(Map<String, Value>, Option<SecretString>), ApiError> {
    let Value::Object(mut fields) = body else {
        return Err(ApiError::field("", "the body must be a JSON object"));
    };
    let given =
        fields.get_mut("trigger").and_then(Value::as_object_mut).and_then(|trigger| trigger.remove("secret"));
    let secret = match given {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(text.into()),
        Some(_) => return Err(ApiError::field("/trigger/secret", "must be a string")),
    };
    Ok((fields, secret))
}

/// Reads a whole specification and checks its limits.
pub(super) fn spec(fields: Map<String, Value>) -> Result<AgentSpec, ApiError> {
    let spec: AgentSpec = from_value(fields.into())?;
    let faults = spec.faults().into_iter().map(|(pointer, message)| (pointer.to_owned(), message)).collect();
    refuse(faults)?;
    if let Some(trigger) = &spec.trigger {
        scheme(trigger)?;
    }
    if let Some(schema) = spec.trigger.as_ref().and_then(|trigger| trigger.payload_schema.as_ref()) {
        check_schema(schema)?;
    }
    if let Some(trigger) = &spec.trigger {
        trigger.filter.as_deref().map(check_filter).transpose()?;
        trigger.prompt_template.as_deref().map(check_template).transpose()?;
    }
    Ok(spec)
}

/// Whether payloads can be checked against this schema.
pub(crate) fn check_schema(schema: &Value) -> Result<(), ApiError> {
    PayloadSchema::compile(schema).map(drop).map_err(|fault| {
        let pointer = format!("/trigger/payload_schema{}", fault.pointer);
        ApiError::new(Code::InvalidSchema, format!("{pointer}: {}", fault.message))
            .with_errors([FieldError { pointer, message: fault.message }])
    })
}

/// Whether payloads can be asked for by this filter.
pub(crate) fn check_filter(text: &str) -> Result<(), ApiError> {
    let filter = Filter::compile(text, Names::Hook);
    filter.map(drop).map_err(|fault| unusable(Code::InvalidFilter, "/trigger/filter", fault))
}

/// Whether prompts can be made of this template.
pub(crate) fn check_template(text: &str) -> Result<(), ApiError> {
    let template = Template::compile(text);
    template.map(drop).map_err(|fault| unusable(Code::InvalidTemplate, "/trigger/prompt_template", fault))
}

/// What is wrong with a filter or a template, and where in it.
#[derive(Serialize)]
struct TextFault {
    pointer: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<usize>,
}

pub(super) fn unusable(code: Code, pointer: &'static str, fault: Fault) -> ApiError {
    let error = ApiError::new(code, format!("{pointer}: {fault}"));
    if fault.passing {
        return ApiError::unavailable(fault.message);
    }
    let Fault { message, line, column, passing: _ } = fault;
    error.with_errors([TextFault { pointer, message, line, column }])
}

/// How the trigger's senders sign.
pub(super) fn scheme(trigger: &Trigger) -> Result<Scheme, ApiError> {
    Scheme::of(trigger.scheme, trigger.custom.as_ref()).map_err(|faults| {
        let pointer = |member: &str| match member {
            "" => "/trigger/custom".to_owned(),
            member => format!("/trigger/custom/{member}"),
        };
        let faults = faults.into_iter().map(|(member, message)| (pointer(member), message)).collect();
        match refuse(faults) {
            Err(error) => error,
            Ok(()) => ApiError::field("/trigger/custom", "cannot be used"),
        }
    })
}

/// 422 with all faults, if there are any.
fn refuse(faults: Vec<(String, String)>) -> Result<(), ApiError> {
    if faults.is_empty() {
        return Ok(());
    }
    let detail: Vec<_> = faults.iter().map(|(pointer, message)| format!("{pointer} {message}")).collect();
    let errors = faults.into_iter().map(|(pointer, message)| FieldError { pointer, message });
    Err(ApiError::new(Code::InvalidRequest, detail.join("; ")).with_errors(errors))
}

/// The specification after a PATCH: `null` goes back to the default, what is not named stays.
pub(super) fn patched(spec_now: &AgentSpec, changes: Map<String, Value>) -> Result<AgentSpec, ApiError> {
    let Ok(Value::Object(mut fields)) = serde_json::to_value(spec_now) else {
        return Err(ApiError::new(Code::Internal, "the agent cannot be read"));
    };
    for (name, change) in changes {
        match (fields.get_mut(&name), change) {
            (Some(_), Value::Null) => drop(fields.remove(&name)),
            (Some(Value::Object(old)), Value::Object(new)) if AgentSpec::MERGED.contains(&name.as_str()) => {
                overlay(old, new)
            }
            (_, change) => drop(fields.insert(name, change)),
        }
    }
    spec(fields)
}

fn overlay(old: &mut Map<String, Value>, new: Map<String, Value>) {
    for (name, value) in new {
        // What is not there and null stays null, so that an unknown name is still refused.
        if value.is_null() && old.contains_key(&name) {
            old.remove(&name);
        } else {
            old.insert(name, value);
        }
    }
}

/// Whether the stored secrets are to be read another way.
pub(super) fn recodes(before: &AgentSpec, after: &AgentSpec) -> bool {
    match (&before.trigger, &after.trigger) {
        (Some(before), Some(after)) => rereads(before, after),
        (None, _) | (_, None) => false,
    }
}

fn rereads(before: &Trigger, after: &Trigger) -> bool {
    let how = |trigger: &Trigger| (trigger.scheme, trigger.custom.clone(), trigger.encoding());
    how(before) != how(after)
}

/// What a new specification means for the agent's secrets, and the secret to show once, if one was made.
pub(super) fn secrets(
    before: Option<&AgentSpec>,
    after: &AgentSpec,
    given: Option<SecretString>,
    stored: &[(WebhookSecret, SecretString)],
    maker: &SecretMaker<'_>,
) -> Result<(SecretChange, Option<SecretString>), ApiError> {
    let old = before.and_then(|spec| spec.trigger.as_ref());
    let Some(new) = &after.trigger else {
        if given.is_some() {
            return Err(ApiError::field("/trigger/secret", "needs a trigger"));
        }
        return Ok((if old.is_some() { SecretChange::Remove } else { SecretChange::Keep }, None));
    };
    if let Some(text) = given {
        return maker.make(new, Some(text)).map(|(change, shown)| (change, Some(shown)));
    }
    let Some(old) = old else {
        return maker.make(new, None).map(|(change, shown)| (change, Some(shown)));
    };
    if !rereads(old, new) {
        return Ok((SecretChange::Keep, None));
    }
    let pointer = if old.scheme == new.scheme { "/trigger/secret_encoding" } else { "/trigger/scheme" };
    for (_, text) in stored {
        usable(text, new, pointer)?;
    }
    Ok((SecretChange::Recode(new.encoding()), None))
}

/// Makes the rows of webhook secrets.
pub(super) struct SecretMaker<'a> {
    pub cipher: &'a Cipher,
    pub agent_id: AgentId,
    pub now: Time,
}

impl SecretMaker<'_> {
    fn make(
        &self,
        trigger: &Trigger,
        given: Option<SecretString>,
    ) -> Result<(SecretChange, SecretString), ApiError> {
        let (secret, text) = self.secret(trigger, given, "/trigger/secret")?;
        Ok((SecretChange::Replace(secret), text))
    }

    /// A row for a secret that was given, or is made here, and its text.
    pub(super) fn secret(
        &self,
        trigger: &Trigger,
        given: Option<SecretString>,
        pointer: &str,
    ) -> Result<(WebhookSecret, SecretString), ApiError> {
        let encoding = trigger.encoding();
        let text = match given {
            Some(text) => text,
            None => scheme(trigger)?
                .generate_secret(encoding)
                .map_err(|fault| ApiError::field(pointer, fault.to_string()))?,
        };
        usable(&text, trigger, pointer)?;
        let secret_id = SecretId::new();
        let secret = WebhookSecret {
            secret_id,
            agent_id: self.agent_id,
            sealed: self.cipher.seal(&secret_owner(secret_id), &text),
            encoding,
            created_at: self.now,
            expires_at: None,
        };
        Ok((secret, text))
    }
}

fn usable(text: &SecretString, trigger: &Trigger, pointer: &str) -> Result<(), ApiError> {
    use secrecy::ExposeSecret;
    if text.expose_secret().len() > WebhookSecret::MAX_BYTES {
        return Err(ApiError::field(pointer, format!("must be at most {} bytes", WebhookSecret::MAX_BYTES)));
    }
    scheme(trigger)?
        .key_to_store(text, trigger.encoding())
        .map(drop)
        .map_err(|fault| ApiError::field(pointer, fault.to_string()))
}
