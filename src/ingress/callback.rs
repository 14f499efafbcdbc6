//! Where the sender wants to hear of the end of its run.

use url::Url;

use super::raw::RawWebhook;
use crate::app::{App, Hook};
use crate::model::{ExecutionId, SealedKind, callback_url};
use crate::signature::HeaderSource;
use crate::web::{ApiError, Code};

/// The header that names the URL.
pub(super) const HEADER: &str = "Agenthook-Callback-Url";

/// The URL in a hook's header, if there is one. Names are not looked up here: whoever connects does so, and checks what is
/// found.
///
/// # Errors
/// 422: the agent does not call back there. The answer repeats nothing of the URL.
pub(super) fn wanted(app: &App, verified: &Hook, hook: &RawWebhook) -> Result<Option<Url>, ApiError> {
    let mut values = hook.values(HEADER);
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(refused("is there more than once: send one"));
    }
    let Some(hosts) = verified.trigger.callback_hosts.as_deref() else {
        return Err(refused(
            "cannot be heeded: the agent calls nobody back. Leave the header out, or ask the agent's owner to set \
             trigger.callback_hosts",
        ));
    };
    let text = str::from_utf8(value).map_err(|_| refused("is no text: percent-encode what is not ASCII"))?;
    let url = callback_url(hosts, text).map_err(|fault| refused(&fault.to_string()))?;
    // An address that needs no look-up is known to be private already.
    app.sender.guard().parse(url.as_str()).map_err(|fault| refused(&fault.to_string()))?;
    Ok(Some(url))
}

/// The URL as it is stored.
pub(super) fn sealed(app: &App, execution_id: ExecutionId, url: Url) -> String {
    app.cipher.seal(&SealedKind::Callback.owner(execution_id), &String::from(url).into())
}

fn refused(why: &str) -> ApiError {
    ApiError::new(Code::CallbackNotAllowed, format!("{HEADER} {why}"))
}
