//! Deliveries: one event for one endpoint, from its dispatch to its end.
//!
//! A claim takes a delivery for a worker process and numbers it; the outcome names both, so that of whoever sends it only
//! the last may say how that went. What a dead worker held is due again: at least once.
//!
//! A transaction that locks several kinds of rows takes them in this order, so that nobody waits in a circle: deliveries,
//! `webhook_health`, `webhooks`.

mod claim;
mod dispatch;
mod lease;
mod outcome;
mod reading;
mod recovery;
mod vain;

pub use claim::{CLAIMS_LOST, ClaimedDelivery, Deliverable, Room};
pub use dispatch::{NewDelivery, Undispatched};
pub use outcome::{Attempted, DeliveryEnd, DeliveryOutcome, OutcomeWritten};
pub use reading::DeliveryFilter;
pub use recovery::{Again, Recovery};

pub(super) use claim::{CLAIM_POSTGRES, EVENTS_POSTGRES};
pub(super) use dispatch::{CALLBACKS_POSTGRES, INSERT_POSTGRES, TAKE_POSTGRES, WAITING_POSTGRES};
pub(super) use lease::give_back;
pub(super) use outcome::{ATTEMPT_POSTGRES, END_POSTGRES};
pub(super) use reading::every_text;
pub(super) use vain::{OF_DELETED_POSTGRES, OF_DISABLED_POSTGRES};

/// The statements that both databases prepare.
pub(super) const STATEMENTS: &[&[&str]] = &[
    claim::STATEMENTS,
    dispatch::STATEMENTS,
    lease::STATEMENTS,
    outcome::STATEMENTS,
    reading::STATEMENTS,
    recovery::STATEMENTS,
    vain::STATEMENTS,
];
