//! The catalogue of event types: a closed list, and `custom.*`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

macro_rules! catalogue {
    ($($(#[$doc:meta])* $name:ident = $word:literal;)*) => {
        /// What has happened.
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub enum EventType {
            $($(#[$doc])* $name,)*
            /// `custom.` and whatever whoever reports it calls it.
            Custom(String),
        }

        impl EventType {
            /// All but the custom ones.
            pub const CATALOGUE: &[Self] = &[$(Self::$name,)*];

            /// The word in rows, answers and deliveries.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$name => $word,)*
                    Self::Custom(word) => word,
                }
            }
        }
    };
}

catalogue! {
    /// Waits to be run.
    ExecutionQueued = "execution.queued";
    /// Its first LLM call begins.
    ExecutionStarted = "execution.started";
    /// Ended with an output.
    ExecutionCompleted = "execution.completed";
    /// Ended with an error.
    ExecutionFailed = "execution.failed";
    /// Ended because somebody said so.
    ExecutionCancelled = "execution.cancelled";
    /// Waits for a person.
    ExecutionHeld = "execution.held";
    /// Nothing is sent to it any more.
    EndpointDisabled = "endpoint.disabled";
    /// There is a new agent.
    AgentCreated = "agent.created";
    /// It has a new version.
    AgentUpdated = "agent.updated";
    /// It takes and runs nothing any more.
    AgentDeleted = "agent.deleted";
    /// An optimization job was handed in.
    OptimizationSubmitted = "optimization.submitted";
    /// It is being worked on.
    OptimizationStarted = "optimization.started";
    /// It has a result.
    OptimizationCompleted = "optimization.completed";
    /// It has none.
    OptimizationFailed = "optimization.failed";
    /// Somebody called it off.
    OptimizationCancelled = "optimization.cancelled";
    /// An image was handed in.
    VisionSubmitted = "vision.submitted";
    /// What is on it is known.
    VisionCompleted = "vision.completed";
    /// What is on it could not be found out.
    VisionFailed = "vision.failed";
    /// Many images were handed in.
    BatchSubmitted = "batch.submitted";
    /// How far that is.
    BatchProgress = "batch.progress";
    /// All are done.
    BatchCompleted = "batch.completed";
    /// They could not be done.
    BatchFailed = "batch.failed";
    /// A training has begun.
    TrainingStarted = "training.started";
    /// How far it is.
    TrainingProgress = "training.progress";
    /// It has ended well.
    TrainingCompleted = "training.completed";
    /// It has ended badly.
    TrainingFailed = "training.failed";
    /// Somebody called it off.
    TrainingCancelled = "training.cancelled";
    /// A model is asked.
    InferenceStarted = "inference.started";
    /// It has answered.
    InferenceCompleted = "inference.completed";
    /// It has not.
    InferenceFailed = "inference.failed";
    /// A version of a model is registered.
    ModelRegistered = "model.registered";
    /// It is in use.
    ModelDeployed = "model.deployed";
    /// It has changed.
    ModelUpdated = "model.updated";
    /// It should not be used any more.
    ModelDeprecated = "model.deprecated";
    /// Somebody has asked something.
    QueryCreated = "query.created";
    /// A person has to answer it.
    QueryEscalated = "query.escalated";
}

/// The text is no event type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "is no event type: GET /api/v1/event-types lists them, and `custom.` with 1 to 93 more of a-z 0-9 . _ - is yours"
)]
pub struct UnknownEventType;

/// Before the name of whoever's own.
const CUSTOM: &str = "custom.";

impl EventType {
    /// Longest event type, in bytes.
    pub const MAX_LEN: usize = 100;

    /// Whether only the product itself reports what is called so: its families are its own, with what they may hold one
    /// day.
    #[must_use]
    pub fn is_reserved(word: &str) -> bool {
        ["execution.", "agent.", "endpoint."].iter().any(|family| word.starts_with(family))
    }
}

impl FromStr for EventType {
    type Err = UnknownEventType;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(known) = Self::CATALOGUE.iter().find(|known| known.as_str() == text) {
            return Ok(known.clone());
        }
        let name = text.strip_prefix(CUSTOM).ok_or(UnknownEventType)?;
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-');
        if name.is_empty() || text.len() > Self::MAX_LEN || !name.bytes().all(plain) {
            return Err(UnknownEventType);
        }
        Ok(Self::Custom(text.to_owned()))
    }
}

impl TryFrom<String> for EventType {
    type Error = UnknownEventType;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<EventType> for String {
    fn from(kind: EventType) -> Self {
        kind.as_str().to_owned()
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_is_read_as_it_is_written() {
        for kind in EventType::CATALOGUE {
            assert_eq!(kind.as_str().parse().as_ref(), Ok(kind));
        }
        assert_eq!(EventType::CATALOGUE.len(), 36);
    }

    #[test]
    fn custom_types_at_their_limits() {
        let of = |name: &str| format!("custom.{name}").parse::<EventType>();
        assert!(of("a").is_ok() && of("order.paid_2-x").is_ok() && of(&"x".repeat(93)).is_ok());
        for wrong in ["", "A", "ä", "a b", "a*", &"x".repeat(94)] {
            assert_eq!(of(wrong), Err(UnknownEventType), "{wrong}");
        }
        for wrong in ["", "custom", "execution", "execution.completed ", "order.paid", "*"] {
            assert!(wrong.parse::<EventType>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_products_own_are_reserved() {
        let reserved =
            EventType::CATALOGUE.iter().filter(|kind| EventType::is_reserved(kind.as_str())).count();
        assert_eq!(reserved, 10);
        assert!(EventType::is_reserved("execution.later") && !EventType::is_reserved("custom.agent.x"));
    }
}
