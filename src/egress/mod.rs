//! The way out: an event becomes a signed request, and the request goes to a checked address and nowhere else.
//!
//! [`compose()`] is pure: bytes and headers follow from the event, the recipient and the attempt. [`Sender`] sends, and
//! connects only to what the [`Guard`] lets pass.

mod address;
mod body;
mod compose;
mod guard;
mod header;
mod sender;

pub use body::of as body_of;
pub use compose::{Attempt, Header, Recipient, SignedRequest, UnusableTarget, WHSEC, compose};
pub use guard::{Guard, MAX_URL_BYTES, Names, Resolution, TargetFault};
pub use header::{MAX_VALUE_BYTES, MayShow, header_fault};
pub use sender::{ANSWER_BYTES, Answer, Sender, SenderFault};
