//! Hints as text: `NAME WORD WORD …`, the sender's name first. A word that is not known is of a newer version
//! and is skipped, so a new kind of hint needs no other format.

use super::Hint;

const DUE: &str = "due";
const EVENTS: &str = "events";
const CANCELLED: &str = "cancelled:";
const ENDED: &str = "ended:";
const AGENT: &str = "agent:";
const TENANT: &str = "tenant:";
const API_KEYS: &str = "keys";
const WEBHOOKS: &str = "webhooks:";

/// A name for one sender, by which it knows its own messages again.
pub(super) fn new_name() -> String {
    hex::encode(rand::random::<[u8; 8]>())
}

/// A message with these hints, equal ones once.
pub(super) fn write(name: &str, hints: &[Hint]) -> String {
    let mut text = name.to_owned();
    for (index, hint) in hints.iter().enumerate() {
        if hints[..index].contains(hint) {
            continue;
        }
        text.push(' ');
        match hint {
            Hint::Due => text.push_str(DUE),
            Hint::Events => text.push_str(EVENTS),
            Hint::Cancelled(id) => text.push_str(&format!("{CANCELLED}{id}")),
            Hint::Ended(id) => text.push_str(&format!("{ENDED}{id}")),
            Hint::Agent(id) => text.push_str(&format!("{AGENT}{id}")),
            Hint::Tenant(id) => text.push_str(&format!("{TENANT}{id}")),
            Hint::ApiKeys => text.push_str(API_KEYS),
            Hint::Webhooks(id) => text.push_str(&format!("{WEBHOOKS}{id}")),
        }
    }
    text
}

/// What a message says; nothing if it is our own.
pub(super) fn read<'t>(own_name: &str, text: &'t str) -> impl Iterator<Item = Hint> + 't {
    let mut words = text.split_ascii_whitespace();
    let foreign = words.next().is_some_and(|name| name != own_name);
    words.filter(move |_| foreign).filter_map(|word| match word {
        DUE => Some(Hint::Due),
        EVENTS => Some(Hint::Events),
        API_KEYS => Some(Hint::ApiKeys),
        _ => {
            let agent = word.strip_prefix(AGENT).and_then(|id| id.parse().ok()).map(Hint::Agent);
            let tenant = || word.strip_prefix(TENANT)?.parse().ok().map(Hint::Tenant);
            let cancelled = || word.strip_prefix(CANCELLED)?.parse().ok().map(Hint::Cancelled);
            let ended = || word.strip_prefix(ENDED)?.parse().ok().map(Hint::Ended);
            let webhooks = || word.strip_prefix(WEBHOOKS)?.parse().ok().map(Hint::Webhooks);
            agent.or_else(tenant).or_else(cancelled).or_else(ended).or_else(webhooks)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AgentId, ExecutionId};

    #[test]
    fn what_is_written_is_read_once_and_by_others_only() {
        let agent = Hint::Agent(AgentId::new());
        let tenant = Hint::Tenant("A.b_c-9".parse().expect("a tenant"));
        let cancelled = Hint::Cancelled(ExecutionId::new());
        let ended = Hint::Ended(ExecutionId::new());
        let webhooks = Hint::Webhooks("A.b_c-9".parse().expect("a tenant"));
        let hints =
            [Hint::Due, Hint::Events, agent.clone(), Hint::Due, tenant.clone(), Hint::ApiKeys, agent.clone()];
        let text =
            write("me", &[hints.as_slice(), &[cancelled.clone(), ended.clone(), webhooks.clone()]].concat());
        let heard: Vec<_> = read("you", &text).collect();
        assert_eq!(
            heard,
            [Hint::Due, Hint::Events, agent, tenant, Hint::ApiKeys, cancelled, ended, webhooks]
        );
        assert_eq!(read("me", &text).count(), 0);
    }

    #[test]
    fn a_word_of_a_newer_version_is_skipped() {
        let heard: Vec<_> = read("me", "you hooks:7 due agent:none tenant:a/b keys").collect();
        assert_eq!(heard, [Hint::Due, Hint::ApiKeys]);
        assert_eq!(read("me", "").count() + read("me", "you").count(), 0);
    }
}
