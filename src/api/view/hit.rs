//! Hits as the API shows them.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::Stamp;
use crate::model::{
    AgentId, Diagnosis, ExecutionId, Hit, HitDetail, HitId, HitReason, HitVerdict, TenantId, Time,
};

#[derive(Serialize, ToSchema)]
#[schema(as = Hit)]
pub struct HitView {
    pub hit_id: HitId,
    pub agent_id: AgentId,
    pub tenant_id: TenantId,
    pub received_at: Stamp,
    pub verdict: HitVerdict,
    pub reason: HitReason,
    /// Of the answer; `null` of what was accepted: 202, or 200 where the sender needs that or has waited.
    #[schema(required, minimum = 100, maximum = 599)]
    pub status_code: Option<u16>,
    /// What it became, or has become before.
    #[schema(required)]
    pub execution_id: Option<ExecutionId>,
    /// Of a refused signature, if it was looked at.
    #[schema(required)]
    pub diagnosis: Option<Diagnosis>,
    /// What else there is to say about the reason, such as what is wrong with the JSON.
    #[schema(required)]
    pub detail: Option<String>,
    /// The body's size; `null` if it was not read to its end.
    #[schema(required, minimum = 0)]
    pub body_bytes: Option<u64>,
}

/// A page of hits, and how many there were.
#[derive(Serialize, ToSchema)]
#[schema(as = HitPage)]
pub struct HitPage {
    pub hits: Vec<HitView>,
    /// `cursor` of the next page; `null` on the last.
    #[schema(required)]
    pub next_cursor: Option<HitId>,
    pub counts: HitCountsView,
}

/// How many hits there were, those without a row too.
#[derive(Serialize, ToSchema)]
#[schema(as = HitCounts)]
pub struct HitCountsView {
    /// From then on: whole hours, as long as hits are kept.
    pub since: Stamp,
    pub by_reason: Vec<HitCountView>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = HitCount)]
pub struct HitCountView {
    pub verdict: HitVerdict,
    pub reason: HitReason,
    #[schema(minimum = 0)]
    pub hits: u64,
}

#[derive(Serialize, ToSchema)]
#[schema(as = HitDetail)]
pub struct HitDetailView {
    #[serde(flatten)]
    pub hit: HitView,
    /// Names in lower case; `…` stands for what may be a secret.
    pub headers: BTreeMap<String, String>,
    pub body: BodyView,
}

/// The body's beginning.
#[derive(Serialize, ToSchema)]
#[schema(as = HitBody)]
pub struct BodyView {
    pub text: String,
    /// There was more of it.
    pub cut: bool,
    /// It is what came in; else bytes that are no text are shown as U+FFFD.
    pub utf8: bool,
}

pub fn hit(hit: Hit) -> HitView {
    HitView {
        hit_id: hit.hit_id,
        agent_id: hit.agent_id,
        tenant_id: hit.tenant_id,
        received_at: Stamp(hit.received_at),
        verdict: hit.verdict,
        reason: hit.reason,
        status_code: hit.status_code,
        execution_id: hit.execution_id,
        diagnosis: hit.diagnosis,
        detail: hit.detail,
        body_bytes: hit.body_bytes,
    }
}

pub fn hit_detail(HitDetail { hit: of, headers, body }: HitDetail) -> HitDetailView {
    let cut = of.body_bytes.is_none_or(|bytes| bytes > body.len() as u64);
    HitDetailView { hit: hit(of), headers: headers.0, body: BodyView::of(&body, cut) }
}

pub fn hit_counts(since: Time, counts: Vec<(HitVerdict, HitReason, u64)>) -> HitCountsView {
    let count = |(verdict, reason, hits)| HitCountView { verdict, reason, hits };
    HitCountsView { since: Stamp(since), by_reason: counts.into_iter().map(count).collect() }
}

impl BodyView {
    /// What a cut has left of a character is no fault of the sender's.
    fn of(mut body: &[u8], cut: bool) -> Self {
        if let Err(error) = str::from_utf8(body)
            && cut
            && error.error_len().is_none()
        {
            body = &body[..error.valid_up_to()];
        }
        let utf8 = str::from_utf8(body).is_ok();
        Self { text: String::from_utf8_lossy(body).into_owned(), cut, utf8 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_text_as_far_as_it_goes() {
        let shown = |body: &[u8], cut| {
            let BodyView { text, cut, utf8 } = BodyView::of(body, cut);
            (text, cut, utf8)
        };
        assert_eq!(shown("ä".as_bytes(), false), ("ä".into(), false, true));
        assert_eq!(shown(&"ä€".as_bytes()[..4], true), ("ä".into(), true, true));
        assert_eq!(shown(&"ä€".as_bytes()[..4], false), ("ä\u{fffd}".into(), false, false));
        assert_eq!(shown(b"\xffa", true), ("\u{fffd}a".into(), true, false));
        assert_eq!(shown(b"", true), (String::new(), true, true));
    }
}
