//! From a request's body to an agent's next version.

use secrecy::SecretString;
use serde_json::{Map, Value};

use crate::app::secret_owner;
use crate::cipher::Cipher;
use crate::model::{AgentId, AgentSpec, SecretEncoding, SecretId, Time, WebhookSecret};
use crate::schema::PayloadSchema;
use crate::signature::{SigningKey, generate_secret};
use crate::store::SecretChange;
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
    let faults = spec.faults();
    if !faults.is_empty() {
        let detail: Vec<_> = faults.iter().map(|(pointer, message)| format!("{pointer} {message}")).collect();
        let errors =
            faults.into_iter().map(|(pointer, message)| FieldError { pointer: pointer.into(), message });
        return Err(ApiError::new(Code::InvalidRequest, detail.join("; ")).with_errors(errors));
    }
    if let Some(schema) = spec.trigger.as_ref().and_then(|trigger| trigger.payload_schema.as_ref()) {
        PayloadSchema::compile(schema).map_err(|fault| {
            let pointer = format!("/trigger/payload_schema{}", fault.pointer);
            ApiError::new(Code::InvalidSchema, format!("{pointer}: {}", fault.message))
                .with_errors([FieldError { pointer, message: fault.message }])
        })?;
    }
    Ok(spec)
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
    let encoding = |spec: &AgentSpec| spec.trigger.as_ref().map(|trigger| trigger.secret_encoding);
    encoding(before).is_some() && encoding(after).is_some() && encoding(before) != encoding(after)
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
        return maker.make(new.secret_encoding, Some(text)).map(|(change, shown)| (change, Some(shown)));
    }
    let Some(old) = old else {
        return maker.make(new.secret_encoding, None).map(|(change, shown)| (change, Some(shown)));
    };
    if old.secret_encoding == new.secret_encoding {
        return Ok((SecretChange::Keep, None));
    }
    for (_, text) in stored {
        usable(text, new.secret_encoding, "/trigger/secret_encoding")?;
    }
    Ok((SecretChange::Recode(new.secret_encoding), None))
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
        encoding: SecretEncoding,
        given: Option<SecretString>,
    ) -> Result<(SecretChange, SecretString), ApiError> {
        let (secret, text) = self.secret(encoding, given, "/trigger/secret")?;
        Ok((SecretChange::Replace(secret), text))
    }

    /// A row for a secret that was given, or is made here, and its text.
    pub(super) fn secret(
        &self,
        encoding: SecretEncoding,
        given: Option<SecretString>,
        pointer: &str,
    ) -> Result<(WebhookSecret, SecretString), ApiError> {
        let text = given.unwrap_or_else(|| generate_secret(encoding));
        usable(&text, encoding, pointer)?;
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

fn usable(text: &SecretString, encoding: SecretEncoding, pointer: &str) -> Result<(), ApiError> {
    use secrecy::ExposeSecret;
    if text.expose_secret().len() > WebhookSecret::MAX_BYTES {
        return Err(ApiError::field(pointer, format!("must be at most {} bytes", WebhookSecret::MAX_BYTES)));
    }
    SigningKey::new_for_storage(text, encoding)
        .map(drop)
        .map_err(|fault| ApiError::field(pointer, fault.to_string()))
}
