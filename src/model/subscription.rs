//! What an endpoint wants to hear of.

use super::{AgentId, EventPattern, EventType, Profile};

/// What an active endpoint wants to hear of, its filter apart.
#[derive(Clone, Debug)]
pub struct Subscription {
    /// Events of this agent alone.
    pub agent_id: Option<AgentId>,
    /// Of these types.
    pub events: Vec<EventPattern>,
    /// That have such a form.
    pub profile: Profile,
}

impl Subscription {
    /// Whether it wants to hear of this about this agent.
    #[must_use]
    pub fn wants(&self, agent: AgentId, event: &EventType) -> bool {
        self.agent_id.is_none_or(|own| own == agent)
            && self.profile.can_tell(event)
            && self.events.iter().any(|pattern| pattern.matches(event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_what_and_in_which_form() {
        let (own, other) = (AgentId::new(), AgentId::new());
        let of = |agent_id, pattern: &str, profile| Subscription {
            agent_id,
            events: vec![pattern.parse().expect("a pattern")],
            profile,
        };
        let queued = EventType::ExecutionQueued;
        assert!(of(None, "*", Profile::Standard).wants(other, &queued));
        assert!(of(Some(own), "execution.*", Profile::Hub).wants(own, &queued));
        assert!(!of(Some(own), "*", Profile::Standard).wants(other, &queued));
        assert!(!of(None, "execution.held", Profile::Standard).wants(own, &queued));
        assert!(!of(None, "*", Profile::Hokusai).wants(own, &queued), "it has no form for it");
    }
}
