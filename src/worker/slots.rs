//! Room in this process: how many runs it takes at once, and whose.
//!
//! The last few slots are kept for tenants that have nothing running here, as long as there are several tenants: one
//! that fills all the others with long calls must not make the next one wait for the end of a call.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::model::TenantId;

/// Of this many slots one is kept for newcomers.
const PER_NEWCOMER: usize = 32;
/// Slots kept for newcomers, at most.
const NEWCOMERS: usize = 16;

/// All slots; cheap to clone.
#[derive(Clone)]
pub(super) struct Slots(Arc<Inner>);

struct Inner {
    limit: usize,
    state: Mutex<State>,
    freed: Notify,
    quiet: Notify,
}

#[derive(Default)]
struct State {
    taken: usize,
    of: HashMap<TenantId, usize>,
    several_tenants: bool,
    /// Somebody wants to be alone.
    closed: bool,
    /// More may wait in the ledger than there was room for.
    hungry: bool,
    /// Somebody found no room since all of it was last taken.
    refused: bool,
    /// The slots for newcomers are to be looked at next, whatever else is free.
    newcomers_next: bool,
    /// Somebody may run only so much at once.
    limited: bool,
}

/// Room for one run, given back when dropped.
pub(super) struct Slot {
    slots: Slots,
    tenant: Option<TenantId>,
    /// Taken to see whether there is a run for it. If not it goes back in silence: telling the sweep, who took it,
    /// would have it look again at once, and again.
    spare: bool,
}

/// Room for some runs, of any tenant but these.
pub(super) struct Room {
    pub slots: Vec<Slot>,
    pub except: Vec<TenantId>,
    /// There was room for any tenant too: it comes next.
    pub more: bool,
}

/// No slot is given as long as this lives.
pub(super) struct Closed(Slots);

impl Slots {
    pub fn new(limit: usize) -> Self {
        let (freed, quiet) = (Notify::new(), Notify::new());
        Self(Arc::new(Inner { limit, state: Mutex::default(), freed, quiet }))
    }

    /// A slot for any tenant.
    pub fn take(&self) -> Option<Slot> {
        let mut state = self.lock();
        let free = self.free_for_all(&state) > 0;
        if !free {
            (state.hungry, state.refused) = (true, true);
        }
        free.then(|| self.hand_out(&mut state, false))
    }

    /// All that is free for any tenant; the next time, or if nothing is left of that, the slots for newcomers. In turn,
    /// because where calls are short there may always be some left of that, and the flood takes it each time.
    pub fn take_all(&self) -> Room {
        let mut state = self.lock();
        let free = self.free_for_all(&state);
        let kept = if state.closed { 0 } else { self.0.limit - state.taken - free };
        let in_turn = state.newcomers_next && kept > 0 && !state.of.is_empty();
        let (count, except) = match free {
            0 if !state.closed => (kept, state.of.keys().cloned().collect()),
            _ if in_turn => (kept, state.of.keys().cloned().collect()),
            _ => (free, Vec::new()),
        };
        let more = in_turn && free > 0;
        state.newcomers_next = free > 0 && !in_turn;
        if !more {
            state.refused = false;
        }
        Room { slots: (0..count).map(|_| self.hand_out(&mut state, true)).collect(), except, more }
    }

    /// Whether somebody found no room since all of it was last taken.
    pub fn has_refused(&self) -> bool {
        self.lock().refused
    }

    /// Keeps everybody out until the answer is dropped.
    pub fn close(&self) -> Closed {
        self.lock().closed = true;
        Closed(self.clone())
    }

    /// Waits until nothing is taken.
    pub async fn quiet(&self) {
        loop {
            let quiet = self.0.quiet.notified();
            if self.lock().taken == 0 {
                return;
            }
            quiet.await;
        }
    }

    /// Waits until a slot was given back while more was waiting for one, or may have been waiting for its run's end.
    pub async fn freed(&self) {
        self.0.freed.notified().await;
    }

    /// Notes whether more may wait in the ledger than there was room for.
    pub fn set_hungry(&self, hungry: bool) {
        self.lock().hungry = hungry;
    }

    /// Whether more may wait in the ledger than there was room for.
    pub fn is_hungry(&self) -> bool {
        self.lock().hungry
    }

    /// Notes whether there is more than one tenant at all.
    pub fn set_several_tenants(&self, several: bool) {
        self.lock().several_tenants = several;
    }

    /// Notes whether any agent or tenant has a limit of what runs at once: there the end of a run makes room for the next
    /// however many slots are free.
    pub fn set_limited(&self, limited: bool) {
        self.lock().limited = limited;
    }

    /// Whether any agent or tenant has a limit of what runs at once.
    pub fn is_limited(&self) -> bool {
        self.lock().limited
    }

    fn free_for_all(&self, state: &State) -> usize {
        let kept = match state.several_tenants {
            true => (self.0.limit / PER_NEWCOMER).clamp(1, NEWCOMERS).min(self.0.limit - 1),
            false => 0,
        };
        if state.closed { 0 } else { (self.0.limit - kept).saturating_sub(state.taken) }
    }

    fn hand_out(&self, state: &mut State, spare: bool) -> Slot {
        state.taken += 1;
        Slot { slots: self.clone(), tenant: None, spare }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// Notes whose run it is for.
    pub fn give_to(&mut self, tenant: &TenantId) {
        *self.slots.lock().of.entry(tenant.clone()).or_default() += 1;
        (self.tenant, self.spare) = (Some(tenant.clone()), false);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut state = self.slots.lock();
        state.taken -= 1;
        if let Some(tenant) = &self.tenant
            && let Some(count) = state.of.get_mut(tenant)
        {
            *count -= 1;
            if *count == 0 {
                state.of.remove(tenant);
            }
        }
        if (state.hungry && !self.spare) || (state.limited && self.tenant.is_some()) {
            self.slots.0.freed.notify_one();
        }
        if state.taken == 0 {
            self.slots.0.quiet.notify_waiters();
        }
    }
}

impl Closed {
    /// The one slot of a process that is quiet.
    pub fn take(&self) -> Slot {
        self.0.hand_out(&mut self.0.lock(), false)
    }
}

impl Drop for Closed {
    fn drop(&mut self) {
        self.0.lock().closed = false;
        self.0.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn tenant(name: &str) -> TenantId {
        name.parse().expect("a tenant id")
    }

    fn fill(slots: &Slots, name: &str) -> Vec<Slot> {
        let mut room = slots.take_all();
        room.slots.iter_mut().for_each(|slot| slot.give_to(&tenant(name)));
        room.slots
    }

    #[test]
    fn a_single_tenant_may_have_all() {
        let slots = Slots::new(64);
        let taken = fill(&slots, "a");
        assert_eq!(taken.len(), 64);
        assert!(slots.take().is_none() && slots.take_all().slots.is_empty());
        assert!(slots.is_hungry(), "whoever was refused waits in the ledger");
        drop(taken);
        assert_eq!(slots.take_all().slots.len(), 64);
    }

    #[test]
    fn the_last_slots_are_for_those_who_have_none() {
        let slots = Slots::new(64);
        slots.set_several_tenants(true);
        let a = fill(&slots, "a");
        assert_eq!(a.len(), 62);
        assert!(slots.take().is_none(), "a ring does not say whose it is");
        let mut room = slots.take_all();
        assert_eq!((room.slots.len(), &room.except), (2, &vec![tenant("a")]));
        room.slots.truncate(1);
        room.slots[0].give_to(&tenant("b"));
        let left = slots.take_all();
        assert_eq!((left.slots.len(), left.except.len()), (1, 2), "the second newcomer's");
        drop((a, room, left));
        assert_eq!(slots.take_all().slots.len(), 62);
    }

    #[test]
    fn newcomers_are_looked_for_in_turn_while_there_is_room_for_all() {
        let slots = Slots::new(64);
        slots.set_several_tenants(true);
        let mut a = fill(&slots, "a");
        a.truncate(60);
        let room = slots.take_all();
        assert_eq!((room.slots.len(), &room.except, room.more), (2, &vec![tenant("a")], true));
        drop(room);
        let room = slots.take_all();
        assert_eq!((room.slots.len(), room.except.len(), room.more), (2, 0, false));
        drop((room, a));
        let room = slots.take_all();
        assert_eq!((room.slots.len(), room.except.len()), (62, 0), "nobody has any");
    }

    #[test]
    fn one_slot_is_never_kept_from_everybody() {
        let slots = Slots::new(1);
        slots.set_several_tenants(true);
        assert!(slots.take().is_some());
    }

    #[tokio::test]
    async fn only_the_end_of_a_run_has_the_sweep_look_again() {
        let slots = Slots::new(64);
        slots.set_several_tenants(true);
        let mut a = fill(&slots, "a");
        slots.set_hungry(true);
        drop(slots.take_all());
        assert!(slots.freed().now_or_never().is_none(), "the newcomers' slots, and there is no newcomer");
        drop(a.pop());
        assert!(slots.freed().now_or_never().is_some());
    }

    #[tokio::test]
    async fn where_there_is_a_limit_the_end_of_any_run_has_the_sweep_look() {
        let slots = Slots::new(64);
        let run = || {
            let mut slot = slots.take().expect("a slot");
            slot.give_to(&tenant("a"));
            slot
        };
        drop(run());
        assert!(slots.freed().now_or_never().is_none(), "nobody waits");
        slots.set_limited(true);
        drop((slots.take_all(), slots.take()));
        assert!(slots.freed().now_or_never().is_none(), "nothing has run");
        drop(run());
        assert!(slots.freed().now_or_never().is_some());
    }

    #[test]
    fn whoever_comes_while_all_is_taken_to_look_is_not_forgotten() {
        let slots = Slots::new(4);
        let looking = slots.take_all();
        assert!(!slots.has_refused());
        assert!(slots.take().is_none() && slots.has_refused());
        drop(looking);
        drop(slots.take_all());
        assert!(!slots.has_refused(), "that was looked for");
    }

    #[tokio::test]
    async fn whoever_wants_to_be_alone_waits_for_the_others_and_keeps_new_ones_out() {
        let slots = Slots::new(4);
        let other = slots.take().expect("a slot");
        let closed = slots.close();
        assert!(slots.take().is_none() && slots.take_all().slots.is_empty());
        let quiet = tokio::spawn({
            let slots = slots.clone();
            async move { slots.quiet().await }
        });
        tokio::task::yield_now().await;
        assert!(!quiet.is_finished());
        drop(other);
        quiet.await.expect("it gets quiet");
        let alone = closed.take();
        assert!(slots.take().is_none());
        drop((alone, closed));
        slots.freed().await;
        assert!(slots.take().is_some());
    }
}
