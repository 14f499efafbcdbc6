//! Names of things. Each is a type of its own, so that a tenant can never be passed for an agent.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
        #[serde(transparent)]
        #[schema(example = "01a20174-af9d-764c-ac07-00a385c2f011")]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new id. Version 7: ids made later sort later, so an index grows at its end.
            #[must_use]
            #[allow(clippy::new_without_default, reason = "a random default would be a surprise")]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::try_parse(text).map(Self)
            }
        }
    };
}

uuid_id!(
    /// An agent, over all its versions.
    AgentId
);
uuid_id!(
    /// One execution: an accepted payload and everything that came of it.
    ExecutionId
);
uuid_id!(
    /// One start of one worker process; a restart is another worker.
    WorkerId
);
uuid_id!(
    /// One webhook secret of an agent.
    SecretId
);
uuid_id!(
    /// One key to the management API.
    ApiKeyId
);
uuid_id!(
    /// One entry of the audit log.
    AuditId
);
uuid_id!(
    /// One POST to an agent's webhook: `X-Request-Id` of its answer, and the id of the execution that it became.
    HitId
);

macro_rules! prefixed_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $example:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
        #[serde(into = "String", try_from = "String")]
        #[schema(value_type = String, example = $example)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new id. Version 7: ids made later sort later.
            #[must_use]
            #[allow(clippy::new_without_default, reason = "a random default would be a surprise")]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0.simple())
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let hex = text.strip_prefix($prefix).filter(|hex| hex.len() == 32).ok_or(InvalidId($prefix))?;
                Uuid::try_parse(hex).map(Self).map_err(|_| InvalidId($prefix))
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }
    };
}

/// The text is no such id.
#[derive(Debug, thiserror::Error)]
#[error("must be {0} and 32 hexadecimal digits")]
pub struct InvalidId(&'static str);

prefixed_id!(
    /// Something that has happened: the same on every attempt to tell it.
    EventId,
    "evt_",
    "evt_01a20174af9d764cac0700a385c2f011"
);
prefixed_id!(
    /// An endpoint that events are sent to.
    WebhookId,
    "wh_",
    "wh_01a20174af9d764cac0700a385c2f011"
);
prefixed_id!(
    /// One event for one endpoint.
    DeliveryId,
    "del_",
    "del_01a20174af9d764cac0700a385c2f011"
);
prefixed_id!(
    /// One wish to send again what failed.
    RecoveryId,
    "rec_",
    "rec_01a20174af9d764cac0700a385c2f011"
);
uuid_id!(
    /// One secret that deliveries are signed with.
    SigningSecretId
);

/// A tenant: 1–100 characters of `[A-Za-z0-9._-]`, chosen by the operator.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(
    example = "acme",
    min_length = 1,
    max_length = 100,
    pattern = r"^(\.*[A-Za-z0-9_-][A-Za-z0-9._-]*|\.{3,})$"
)]
pub struct TenantId(String);

/// The text is no [`TenantId`].
#[derive(Debug, thiserror::Error)]
#[error("must be 1 to 100 characters of A-Z a-z 0-9 . _ -")]
pub struct InvalidTenantId;

impl TenantId {
    /// The longest tenant id, in bytes.
    pub const MAX_LEN: usize = 100;

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for TenantId {
    type Error = InvalidTenantId;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        // "." and ".." would be folded away in a URL's path, so no request could name them.
        if text.is_empty()
            || text.len() > Self::MAX_LEN
            || !text.bytes().all(allowed)
            || matches!(text.as_str(), "." | "..")
        {
            return Err(InvalidTenantId);
        }
        Ok(Self(text))
    }
}

impl FromStr for TenantId {
    type Err = InvalidTenantId;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::try_from(text.to_owned())
    }
}

impl From<TenantId> for String {
    fn from(id: TenantId) -> Self {
        id.0
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefixed_id_is_its_prefix_and_hex() {
        let id = EventId::new();
        let text = id.to_string();
        assert_eq!((text.len(), text.parse::<EventId>().ok()), (36, Some(id)));
        assert!(text.parse::<WebhookId>().is_err() && text[4..].parse::<EventId>().is_err());
        let hyphens = format!("evt_{}", id.0);
        assert!(hyphens.parse::<EventId>().is_err(), "one spelling: {hyphens}");
        assert_eq!(serde_json::to_value(id).expect("text"), text);
    }

    #[test]
    fn tenant_ids_at_their_limits() {
        let ok = ["a", "acme", "A.b_c-9", &"x".repeat(100)];
        let bad = ["", ".", "..", "a b", "ä", "a/b", &"x".repeat(101)];
        assert!(ok.iter().all(|t| t.parse::<TenantId>().is_ok()));
        assert!(bad.iter().all(|t| t.parse::<TenantId>().is_err()));
    }
}
