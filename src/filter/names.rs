//! What a filter may name: a closed choice, so that a name of the other kind is told as such when the filter is saved.

/// What a filter is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// A webhook: `payload`, `headers`, `agent`.
    Hook,
    /// An event: `event`, with `type`, `data`, `tenant_id`, `agent_id` and `execution_id`.
    Event,
}

impl Names {
    /// The names at the top.
    pub(super) fn all(self) -> &'static [&'static str] {
        match self {
            Self::Hook => &["payload", "headers", "agent"],
            Self::Event => &["event"],
        }
    }

    /// What the one of them that is ours says of itself.
    pub(super) fn facts(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Self::Hook => ("agent", &["id", "tenant_id", "name", "version"]),
            Self::Event => ("event", &["type", "data", "tenant_id", "agent_id", "execution_id"]),
        }
    }

    /// What it is asked about, in a word.
    pub(super) fn subject(self) -> &'static str {
        match self {
            Self::Hook => "payload",
            Self::Event => "event",
        }
    }

    /// What to write instead of a name that is not there.
    pub(super) fn hint(self, wrong: &str) -> String {
        match (self, wrong) {
            (Self::Event, "payload" | "data") => "the name is event: write event.data".into(),
            (Self::Event, _) => {
                "the name is event, with type, data, tenant_id, agent_id and execution_id".into()
            }
            (Self::Hook, _) => "the names are payload, headers and agent".into(),
        }
    }
}
