//! Lanes, one decision at a time.

use std::sync::atomic::{AtomicU64, Ordering};

use super::*;

fn lane(key: Option<&str>) -> LaneId {
    LaneId {
        instance: InstanceId::new("i"),
        flow: FlowKey::new("f"),
        key: key.map(str::to_owned),
    }
}

fn hold(position: u64, whole_flow: bool) -> Hold {
    Hold {
        position,
        whole_flow,
    }
}

#[test]
fn an_ordered_lane_runs_one_at_a_time_in_the_order_of_arrival() {
    let (lanes, id, queue) = (Lanes::new(10), lane(Some("")), Queue::sequential());
    assert_eq!(lanes.enter(&id, &queue, 1), Entry::Start);
    assert_eq!(lanes.enter(&id, &queue, 2), Entry::Wait);
    assert_eq!(lanes.enter(&id, &queue, 3), Entry::Wait);
    // The third is on disk before the second: it still waits for it.
    assert!(lanes.ready(&id, 3, "third").is_empty());
    assert!(lanes.end(&id, None).is_empty());
    assert_eq!(lanes.ready(&id, 2, "second"), ["second"]);
    assert_eq!(lanes.end(&id, None), ["third"]);
    assert!(lanes.end(&id, None).is_empty());
    assert_eq!((lanes.running(), lanes.waiting()), (0, 0));
}

#[test]
fn of_many_that_arrive_at_once_the_one_that_starts_has_the_first_position() {
    let (id, queue) = (lane(Some("")), Queue::sequential());
    for _ in 0..200 {
        let (lanes, next) = (Lanes::<()>::new(10), AtomicU64::new(1));
        let arrive = || {
            let next = || next.fetch_add(1, Ordering::Relaxed);
            lanes.arrive(&id, &queue, next)
        };
        let arrived = std::thread::scope(|scope| {
            let threads = [(); 4].map(|()| scope.spawn(arrive));
            threads.map(|thread| thread.join().unwrap())
        });
        let started = arrived.iter().filter(|(_, entry)| *entry == Entry::Start);
        assert_eq!(started.collect::<Vec<_>>(), [&(1, Entry::Start)]);
    }
}

#[test]
fn a_held_lane_waits_for_the_retry_and_other_keys_go_on() {
    let (lanes, queue) = (Lanes::new(10), Queue::order_by("/key"));
    let (a, b) = (lane(Some("a")), lane(Some("b")));
    assert_eq!(lanes.enter(&a, &queue, 1), Entry::Start);
    assert_eq!(lanes.enter(&a, &queue, 2), Entry::Wait);
    assert!(lanes.ready(&a, 2, "a2").is_empty());
    assert!(lanes.end(&a, Some(hold(1, false))).is_empty());
    assert_eq!(lanes.enter(&b, &queue, 3), Entry::Start);
    assert_eq!(lanes.reenter(&a, &queue, 1, "a1 again"), ["a1 again"]);
    assert_eq!(lanes.end(&a, None), ["a2"]);
}

#[test]
fn a_throttle_lets_so_many_run_and_a_full_house_makes_everyone_wait() {
    let (lanes, id) = (Lanes::new(3), lane(None));
    let entries: Vec<Entry> = (1..=3)
        .map(|position| lanes.enter(&id, &Queue::throttled(2), position))
        .collect();
    assert_eq!(entries, [Entry::Start, Entry::Start, Entry::Wait]);
    let other = LaneId {
        flow: FlowKey::new("g"),
        ..lane(None)
    };
    assert_eq!(lanes.enter(&other, &Queue::Parallel, 4), Entry::Start);
    assert_eq!(lanes.enter(&other, &Queue::Parallel, 5), Entry::Wait);
    assert!(lanes.ready(&other, 5, "g5").is_empty());
    assert!(lanes.ready(&id, 3, "f3").is_empty());
    assert_eq!(lanes.end(&id, None), ["f3"]);
    assert_eq!(lanes.end(&id, None), ["g5"]);
}

#[test]
fn one_that_never_reached_the_disk_does_not_hold_up_those_behind_it() {
    let (lanes, id, queue) = (Lanes::new(10), lane(Some("")), Queue::sequential());
    assert_eq!(lanes.enter(&id, &queue, 1), Entry::Start);
    assert_eq!(lanes.enter(&id, &queue, 2), Entry::Wait);
    assert_eq!(lanes.enter(&id, &queue, 3), Entry::Wait);
    assert!(lanes.ready(&id, 3, "third").is_empty());
    assert!(lanes.end(&id, None).is_empty());
    assert_eq!(lanes.leave(&id, 2), ["third"]);
}
#[test]
fn only_who_holds_a_lane_can_open_it() {
    let (lanes, id, queue) = (Lanes::new(10), lane(Some("")), Queue::sequential());
    assert_eq!(lanes.enter(&id, &queue, 1), Entry::Start);
    assert_eq!(lanes.enter(&id, &queue, 2), Entry::Wait);
    assert!(lanes.ready(&id, 2, "second").is_empty());
    assert!(lanes.end(&id, Some(hold(1, false))).is_empty());
    assert!(lanes.release(&id, 2).is_empty());
    assert!(lanes.is_held_by(&id, 1) && !lanes.is_held_by(&id, 2));
    assert_eq!(lanes.release(&id, 1), ["second"]);
}

#[test]
fn a_blocked_flow_waits_in_all_its_lanes_and_goes_on_by_the_order_of_arrival() {
    let (lanes, queue) = (Lanes::new(10), Queue::order_by("/key"));
    let (a, b, c) = (lane(Some("a")), lane(Some("b")), lane(Some("c")));
    assert_eq!(lanes.enter(&a, &queue, 1), Entry::Start);
    assert!(lanes.end(&a, Some(hold(1, true))).is_empty());
    for (id, position, job) in [(&c, 2, "c2"), (&a, 3, "a3"), (&b, 4, "b4")] {
        assert_eq!(lanes.enter(id, &queue, position), Entry::Wait);
        assert!(lanes.ready(id, position, job).is_empty());
    }
    assert_eq!(
        lanes.reenter(&a, &queue, 1, "a1 again"),
        ["a1 again", "c2", "b4"]
    );
    assert_eq!(lanes.end(&a, None), ["a3"]);
}
