use super::*;

fn endpoint() -> Deliverable {
    of("acme")
}

fn of(tenant: &str) -> Deliverable {
    let tenant_id = Some(tenant.parse().expect("an id"));
    Deliverable { webhook_id: WebhookId::new(), version: 1, tenant_id, is_callback: false, half_open: false }
}

fn room_of(lanes: &Lanes, endpoint: &Deliverable) -> usize {
    lanes.rooms(std::slice::from_ref(endpoint), Time::UNIX_EPOCH).first().map_or(0, |(_, room)| *room)
}

/// Takes all the room there is.
fn take(lanes: &Lanes, rooms: &[(Deliverable, usize)]) -> Vec<Place> {
    let each = rooms.iter().flat_map(|(endpoint, room)| std::iter::repeat_n(endpoint, *room));
    each.map(|endpoint| lanes.take(DeliveryId::new(), endpoint)).collect()
}

#[test]
fn room_is_earned_and_lost() {
    let (lanes, fast) = (Lanes::new(1000), endpoint());
    assert_eq!(room_of(&lanes, &fast), FIRST);
    let places: Vec<_> = (0..FIRST).map(|_| lanes.take(DeliveryId::new(), &fast)).collect();
    assert_eq!(room_of(&lanes, &fast), 0, "it hangs");
    lanes.went(fast.webhook_id, true);
    assert_eq!(room_of(&lanes, &fast), FIRST);
    drop(places);
    (0..10).for_each(|_| lanes.went(fast.webhook_id, true));
    assert_eq!(room_of(&lanes, &fast), MOST);
    lanes.went(fast.webhook_id, false);
    assert_eq!(room_of(&lanes, &fast), 1);
}

#[test]
fn a_callback_that_fails_takes_no_room_from_those_to_other_hosts() {
    let (lanes, callbacks) = (Lanes::new(1000), Deliverable { is_callback: true, ..endpoint() });
    assert_eq!(room_of(&lanes, &callbacks), CALLBACKS);
    let _hangs = lanes.take(DeliveryId::new(), &callbacks);
    assert_eq!(room_of(&lanes, &callbacks), CALLBACKS - 1);
    lanes.went(callbacks.webhook_id, false);
    assert_eq!(room_of(&lanes, &callbacks), CALLBACKS - 1);
    lanes.went(callbacks.webhook_id, true);
    assert_eq!(room_of(&lanes, &callbacks), 2 * CALLBACKS - 1);
}

#[test]
fn whoever_has_nothing_under_way_comes_first() {
    let (lanes, busy, idle, now) = (Lanes::new(6), endpoint(), endpoint(), Time::UNIX_EPOCH);
    let _place = lanes.take(DeliveryId::new(), &busy);
    lanes.went(busy.webhook_id, true);
    let both = [busy.clone(), idle.clone()];
    assert_eq!(lanes.rooms(&both, now), [(idle.clone(), 2), (busy.clone(), 3)]);
    drop(lanes.take(DeliveryId::new(), &idle));
    let later = now + chrono::TimeDelta::seconds(1);
    lanes.close(idle.webhook_id, later);
    assert_eq!(lanes.rooms(&both, now), [(busy, 3)]);
    assert_eq!(lanes.rooms(&both, later)[0], (idle, 2));
}

#[test]
fn however_many_hang_there_is_room_for_the_proven_and_the_others_take_turns() {
    let (lanes, well, now) = (Lanes::new(512), endpoint(), Time::UNIX_EPOCH);
    drop(lanes.take(DeliveryId::new(), &well));
    lanes.went(well.webhook_id, true);
    let others = ["acme", "other"].into_iter().flat_map(|tenant| (0..500).map(move |_| of(tenant)));
    let all: Vec<Deliverable> = others.chain([well.clone()]).collect();
    let take = |rooms: &[(Deliverable, usize)]| -> Vec<Place> {
        let hang: Vec<_> = rooms.iter().filter(|(endpoint, _)| *endpoint != well).cloned().collect();
        take(&lanes, &hang)
    };
    let hanging = take(&lanes.rooms(&all, now));
    assert_eq!(hanging.len(), 256, "half of all");
    assert_eq!(lanes.rooms(&all, now), [(well.clone(), 2 * FIRST)]);
    let first: HashSet<_> = lanes.inner().under_way.values().copied().collect();
    first.iter().for_each(|id| lanes.went(*id, false));
    drop(hanging);
    let next = lanes.rooms(&all, now);
    assert!(next.iter().all(|(endpoint, _)| !first.contains(&endpoint.webhook_id)), "in turn");
    lanes.went(well.webhook_id, false);
    let _hanging = take(&next);
    assert_eq!(lanes.rooms(&all, now), [], "who is not well any more waits with the others");
}

#[test]
fn a_tenant_whose_endpoints_hang_keeps_no_other_waiting() {
    let (lanes, new, now) = (Lanes::new(512), of("other"), Time::UNIX_EPOCH);
    let hang: Vec<Deliverable> = (0..300).map(|_| endpoint()).collect();
    let _hanging = take(&lanes, &lanes.rooms(&hang, now));
    assert_eq!(lanes.in_flight(), 128, "a quarter of all");
    let all: Vec<Deliverable> = hang.iter().cloned().chain([new.clone()]).collect();
    assert_eq!(lanes.rooms(&all, now), [(new.clone(), FIRST)]);
    // Of those that are well whoever's tenant has the least under way comes first.
    drop(lanes.take(DeliveryId::new(), &new));
    for endpoint in &all {
        lanes.went(endpoint.webhook_id, true);
    }
    assert_eq!(lanes.rooms(&all, now)[0].0, new);
}
