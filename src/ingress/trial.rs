//! What a payload would meet after its signature: for whoever tries an agent without one.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::web::Bytes;

use super::Ingress;
use super::check::{Checked, Scope, mismatch};
use super::headers;
use super::verify;
use crate::app::AgentEntry;
use crate::filter::EvalFault;
use crate::model::Headers;
use crate::web::{ApiError, Code};

/// What became of a payload that was tried.
pub struct Tried {
    /// What the agent's filter says.
    pub filter: Filtered,
    /// What is wrong with the payload: no JSON, or not what the schema wants, whatever the filter says.
    pub fault: Option<ApiError>,
}

/// What a filter says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filtered {
    /// Nothing: the payload is not JSON.
    NotAsked,
    /// The payload is wanted, or there is no filter.
    Wanted,
    /// It is not.
    LeftOut,
    /// It could not be evaluated, and so it is not.
    Failed(EvalFault),
}

impl Ingress {
    /// What a hook with this payload and these headers would meet after its signature.
    ///
    /// # Errors
    /// 503 if nothing can be checked right now.
    pub async fn try_out(
        &self,
        payload: &Bytes,
        headers: &Headers,
        agent: &Arc<AgentEntry>,
    ) -> Result<Tried, ApiError> {
        if let Some(Err(_)) = &agent.hook {
            return Err(verify::unusable());
        }
        let first = self.checker.check(payload, headers, agent, Scope::Hook).await;
        let (filter, then) = match first {
            Err(error) if error.code() == Code::MalformedJson => {
                return Ok(Tried { filter: Filtered::NotAsked, fault: Some(error) });
            }
            Err(error) => return Err(error),
            Ok(Checked::Filtered(fault)) => {
                let then = self.checker.check(payload, headers, agent, Scope::Schema).await?;
                (fault.map_or(Filtered::LeftOut, Filtered::Failed), then)
            }
            Ok(checked) => (Filtered::Wanted, checked),
        };
        let fault = match then {
            Checked::Fine | Checked::Filtered(_) => None,
            Checked::Mismatch(mismatches) => Some(mismatch(mismatches)),
        };
        Ok(Tried { filter, fault })
    }

    /// The headers of a payload that is tried, as those of a hook are kept.
    ///
    /// # Errors
    /// 422 for what could be no header, and for more than are kept.
    pub fn headers(given: BTreeMap<String, String>) -> Result<Headers, ApiError> {
        headers::given(given)
    }
}
