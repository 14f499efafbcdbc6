//! Who may be sent how much at once.
//!
//! An endpoint earns its room: it begins with a few places, has twice as many with each success, and one after a failure.
//! So a receiver that hangs holds a handful of places in a process, whatever waits for it, and a fast one soon has what
//! it can use. Those whose last attempt did not succeed, and those that have had none yet, may together hold half of all
//! places, and a tenant's half of that: however many of them hang, there is room for those that are well, and for others'
//! new ones. Callbacks go to many hosts through one endpoint, so a failure of one takes no room from the others.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::model::{DeliveryId, TenantId, Time, WebhookId};
use crate::store::Deliverable;

/// Places that an endpoint begins with.
const FIRST: usize = 2;
/// Places that an agent's callbacks have at least.
const CALLBACKS: usize = 16;
/// Places that it can earn.
const MOST: usize = 64;
/// Endpoints that are remembered while nothing is sent to them.
const REMEMBERED: usize = 10_000;

/// All of a process; cheap to clone.
#[derive(Clone)]
pub(super) struct Lanes(Arc<Mutex<Inner>>);

struct Inner {
    most: usize,
    under_way: HashMap<DeliveryId, WebhookId>,
    lanes: HashMap<WebhookId, Lane>,
    /// Deliveries so far.
    taken: u64,
}

struct Lane {
    tenant_id: Option<TenantId>,
    /// Its places are never fewer.
    least: usize,
    in_flight: usize,
    places: usize,
    /// The last attempt succeeded.
    is_proven: bool,
    /// The number of its latest delivery: of those that wait for room whoever has waited longest comes first.
    taken: u64,
    /// Over its rate: nothing is claimed before.
    closed_until: Option<Time>,
}

/// A delivery under way, until it is dropped.
pub(super) struct Place {
    lanes: Lanes,
    id: DeliveryId,
}

impl Lanes {
    pub fn new(most: usize) -> Self {
        Self(Arc::new(Mutex::new(Inner { most, under_way: HashMap::new(), lanes: HashMap::new(), taken: 0 })))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn is_full(&self) -> bool {
        let inner = self.inner();
        inner.under_way.len() >= inner.most
    }

    pub fn in_flight(&self) -> usize {
        self.inner().under_way.len()
    }

    pub fn has(&self, id: DeliveryId) -> bool {
        self.inner().under_way.contains_key(&id)
    }

    pub fn under_way(&self) -> HashSet<DeliveryId> {
        self.inner().under_way.keys().copied().collect()
    }

    /// How much may be claimed for each of these endpoints, where anything may: first for the tenant that has the least
    /// under way, of its endpoints for those that have nothing under way, and of these for whoever has waited longest.
    pub fn rooms(&self, endpoints: &[Deliverable], now: Time) -> Vec<(Deliverable, usize)> {
        let mut inner = self.inner();
        let mut free = inner.most.saturating_sub(inner.under_way.len());
        if inner.lanes.len() > REMEMBERED {
            inner.lanes.retain(|_, lane| lane.in_flight > 0);
        }
        let half = (inner.most / 2).max(1);
        let under_way = inner.of_tenants();
        let of = |tenant_id: &Option<TenantId>| under_way.get(tenant_id).copied().unwrap_or_default();
        let mut unproven = half.saturating_sub(under_way.values().map(|tenant| tenant.unproven).sum());
        let mut of_tenant: HashMap<&Option<TenantId>, usize> = HashMap::new();
        let lane = |endpoint: &Deliverable| inner.lanes.get(&endpoint.webhook_id);
        let mut order: Vec<(&Deliverable, Option<&Lane>)> = endpoints
            .iter()
            .filter(|endpoint| {
                lane(endpoint).and_then(|lane| lane.closed_until).is_none_or(|until| until <= now)
            })
            .map(|endpoint| (endpoint, lane(endpoint)))
            .collect();
        order.sort_by_key(|(endpoint, lane)| {
            let (in_flight, taken) = lane.map_or((0, 0), |lane| (lane.in_flight, lane.taken));
            (of(&endpoint.tenant_id).in_flight, in_flight, taken)
        });
        let mut rooms = Vec::new();
        for (endpoint, lane) in order {
            let room =
                lane.map_or(first(endpoint), |lane| lane.places.saturating_sub(lane.in_flight)).min(free);
            let is_proven = lane.is_some_and(|lane| lane.is_proven);
            let share = of_tenant
                .entry(&endpoint.tenant_id)
                .or_insert_with(|| (half / 2).max(FIRST).saturating_sub(of(&endpoint.tenant_id).unproven));
            let room = if is_proven { room } else { room.min(unproven).min(*share) };
            if room > 0 {
                free -= room;
                if !is_proven {
                    unproven -= room;
                    *share -= room;
                }
                rooms.push((endpoint.clone(), room));
            }
        }
        rooms
    }

    pub fn take(&self, id: DeliveryId, endpoint: &Deliverable) -> Place {
        let mut inner = self.inner();
        inner.under_way.insert(id, endpoint.webhook_id);
        inner.taken += 1;
        let taken = inner.taken;
        let lane = inner.lanes.entry(endpoint.webhook_id).or_insert_with(|| Lane {
            tenant_id: endpoint.tenant_id.clone(),
            least: if endpoint.is_callback { CALLBACKS } else { 1 },
            in_flight: 0,
            places: first(endpoint),
            is_proven: false,
            taken,
            closed_until: None,
        });
        lane.in_flight += 1;
        lane.taken = taken;
        Place { lanes: self.clone(), id }
    }

    /// Notes how an attempt went.
    pub fn went(&self, webhook_id: WebhookId, well: bool) {
        if let Some(lane) = self.inner().lanes.get_mut(&webhook_id) {
            lane.places = if well { (lane.places * 2).min(MOST) } else { lane.least };
            lane.is_proven = well;
        }
    }

    /// Nothing is claimed for it before this time.
    pub fn close(&self, webhook_id: WebhookId, until: Time) {
        if let Some(lane) = self.inner().lanes.get_mut(&webhook_id) {
            lane.closed_until = Some(until);
        }
    }

    /// Waits until nothing is under way.
    pub async fn quiet(&self) {
        while !self.inner().under_way.is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// What is under way to a tenant's endpoints.
#[derive(Clone, Copy, Default)]
struct UnderWay {
    in_flight: usize,
    /// Of that to endpoints that are not known to be well.
    unproven: usize,
}

impl Inner {
    fn of_tenants(&self) -> HashMap<Option<TenantId>, UnderWay> {
        let mut tenants: HashMap<Option<TenantId>, UnderWay> = HashMap::new();
        for lane in self.lanes.values().filter(|lane| lane.in_flight > 0) {
            let tenant = tenants.entry(lane.tenant_id.clone()).or_default();
            tenant.in_flight += lane.in_flight;
            tenant.unproven += if lane.is_proven { 0 } else { lane.in_flight };
        }
        tenants
    }
}

fn first(endpoint: &Deliverable) -> usize {
    if endpoint.is_callback { CALLBACKS } else { FIRST }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inner = self.lanes.inner();
        if let Some(webhook_id) = inner.under_way.remove(&self.id)
            && let Some(lane) = inner.lanes.get_mut(&webhook_id)
        {
            lane.in_flight -= 1;
        }
    }
}

#[cfg(test)]
#[path = "lanes_tests.rs"]
mod tests;
