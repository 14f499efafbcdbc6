//! 401 and 403: whose credentials are refused?
//!
//! The costliest mistake of a client is to take the operator's bad provider key for the tenant's bad
//! LiteLLM key: a good key would be given up, or the platform would pay. So a refusal counts against the
//! caller's key only where LiteLLM itself speaks about the key that it was given.

use super::{LlmError, Signs};
use crate::model::ErrorCode::{LlmAuth, LlmNoDeployment};
use crate::model::FallbackReason::Rejected;

impl Signs<'_> {
    /// The error for a 401 or 403.
    pub(super) fn forbidden(&self) -> LlmError {
        let model = &self.model;
        if self.provider {
            return self.operators_key();
        }
        if !self.shaped {
            let message = "something in front of the LiteLLM proxy forbids the call";
            return LlmError::new(LlmAuth, false, self.quoting(message));
        }
        // Types that only LiteLLM's check of the key has, wherever in the call it happens.
        if self.kind.ends_with("_model_access_denied") {
            // LiteLLM does not tell "may not" from "no such model" here.
            let message = format!(
                "LiteLLM does not let this call's key use {model}, or has no such model: allow it for the \
                 key, or give the agent one that GET /v1/models lists for the key"
            );
            return LlmError::new(LlmAuth, false, message).because(Rejected);
        }
        match self.kind {
            "token_not_found_in_db" => return rejected("the proxy does not know it"),
            "expired_key" => return rejected("it has expired"),
            _ => {}
        }
        if self.says("Not allowed to access model due to tags configuration") {
            let message = format!(
                "the LiteLLM proxy routes by tags, and no deployment of {model} takes this call's: its \
                 operator must tag one of them `default`"
            );
            return LlmError::new(LlmNoDeployment, false, message);
        }
        if self.routed {
            return self.operators_key();
        }
        if self.says("Error in external connector") {
            // The key could not be looked up, which says nothing about the key.
            return self.no_database();
        }
        if self.status == 401 {
            return rejected(if self.says("Key is blocked") {
                "it is blocked"
            } else if self.says("expected to start with") {
                "LiteLLM's keys start with `sk-`"
            } else {
                "it is not accepted"
            });
        }
        LlmError::new(LlmAuth, false, self.quoting("the LiteLLM proxy forbids the call"))
    }

    fn operators_key(&self) -> LlmError {
        let message = format!(
            "the provider refuses the credentials that the LiteLLM proxy has for {} (status {}): the proxy's \
             operator must repair them; the key of this call is not to blame",
            self.model, self.status
        );
        LlmError::new(LlmAuth, false, message)
    }
}

fn rejected(why: &str) -> LlmError {
    let message =
        format!("LiteLLM refuses the key of this call: {why}. Set another, or repair it in LiteLLM");
    LlmError::new(LlmAuth, false, message).because(Rejected)
}
