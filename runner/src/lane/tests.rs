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

fn at(position: u64) -> Standing {
    Standing {
        waits_for_turn: true,
        position,
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
    let (lanes, id, queue) = (Lanes::new(10, 0), lane(Some("")), Queue::sequential());
    assert_eq!(lanes.enter(&id, &queue, at(1)), Entry::Start);
    assert_eq!(lanes.enter(&id, &queue, at(2)), Entry::Wait);
    assert_eq!(lanes.enter(&id, &queue, at(3)), Entry::Wait);
    // The third is on disk before the second: it still waits for it.
    assert!(lanes.ready(&id, at(3), "third").is_empty());
    assert!(lanes.end(&id, None).is_empty());
    assert_eq!(lanes.ready(&id, at(2), "second"), ["second"]);
    assert_eq!(lanes.end(&id, None), ["third"]);
    assert!(lanes.end(&id, None).is_empty());
    assert_eq!((lanes.running(), lanes.waiting()), (0, 0));
}

#[test]
fn of_many_that_arrive_at_once_the_one_that_starts_has_the_first_position() {
    let (id, queue) = (lane(Some("")), Queue::sequential());
    for _ in 0..200 {
        let (lanes, next) = (Lanes::<()>::new(10, 0), AtomicU64::new(1));
        let arrive = || {
            let next = || at(next.fetch_add(1, Ordering::Relaxed));
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
    let (lanes, queue) = (Lanes::new(10, 0), Queue::order_by("/key"));
    let (a, b) = (lane(Some("a")), lane(Some("b")));
    assert_eq!(lanes.enter(&a, &queue, at(1)), Entry::Start);
    assert_eq!(lanes.enter(&a, &queue, at(2)), Entry::Wait);
    assert!(lanes.ready(&a, at(2), "a2").is_empty());
    assert!(lanes.end(&a, Some(hold(1, false))).is_empty());
    assert_eq!(lanes.enter(&b, &queue, at(3)), Entry::Start);
    assert_eq!(lanes.reenter(&a, &queue, at(1), "a1 again"), ["a1 again"]);
    assert_eq!(lanes.end(&a, None), ["a2"]);
}

#[test]
fn a_throttle_lets_so_many_run_and_a_full_house_makes_everyone_wait() {
    let (lanes, id) = (Lanes::new(3, 0), lane(None));
    let entries: Vec<Entry> = (1..=3)
        .map(|position| lanes.enter(&id, &Queue::throttled(2), at(position)))
        .collect();
    assert_eq!(entries, [Entry::Start, Entry::Start, Entry::Wait]);
    let other = LaneId {
        flow: FlowKey::new("g"),
        ..lane(None)
    };
    assert_eq!(lanes.enter(&other, &Queue::Parallel, at(4)), Entry::Start);
    assert_eq!(lanes.enter(&other, &Queue::Parallel, at(5)), Entry::Wait);
    assert!(lanes.ready(&other, at(5), "g5").is_empty());
    assert!(lanes.ready(&id, at(3), "f3").is_empty());
    assert_eq!(lanes.end(&id, None), ["f3"]);
    assert_eq!(lanes.end(&id, None), ["g5"]);
}

#[test]
fn one_that_never_reached_the_disk_does_not_hold_up_those_behind_it() {
    let (lanes, id, queue) = (Lanes::new(10, 0), lane(Some("")), Queue::sequential());
    assert_eq!(lanes.enter(&id, &queue, at(1)), Entry::Start);
    assert_eq!(lanes.enter(&id, &queue, at(2)), Entry::Wait);
    assert_eq!(lanes.enter(&id, &queue, at(3)), Entry::Wait);
    assert!(lanes.ready(&id, at(3), "third").is_empty());
    assert!(lanes.end(&id, None).is_empty());
    assert_eq!(lanes.leave(&id, at(2)), ["third"]);
}
#[test]
fn only_who_holds_a_lane_can_open_it() {
    let (lanes, id, queue) = (Lanes::new(10, 0), lane(Some("")), Queue::sequential());
    assert_eq!(lanes.enter(&id, &queue, at(1)), Entry::Start);
    assert_eq!(lanes.enter(&id, &queue, at(2)), Entry::Wait);
    assert!(lanes.ready(&id, at(2), "second").is_empty());
    assert!(lanes.end(&id, Some(hold(1, false))).is_empty());
    assert!(lanes.release(&id, 2).is_empty());
    assert!(lanes.is_held_by(&id, 1) && !lanes.is_held_by(&id, 2));
    assert_eq!(lanes.release(&id, 1), ["second"]);
}

#[test]
fn a_blocked_flow_waits_in_all_its_lanes_and_goes_on_by_the_order_of_arrival() {
    let (lanes, queue) = (Lanes::new(10, 0), Queue::order_by("/key"));
    let (a, b, c) = (lane(Some("a")), lane(Some("b")), lane(Some("c")));
    assert_eq!(lanes.enter(&a, &queue, at(1)), Entry::Start);
    assert!(lanes.end(&a, Some(hold(1, true))).is_empty());
    for (id, position, job) in [(&c, 2, "c2"), (&a, 3, "a3"), (&b, 4, "b4")] {
        assert_eq!(lanes.enter(id, &queue, at(position)), Entry::Wait);
        assert!(lanes.ready(id, at(position), job).is_empty());
    }
    assert_eq!(
        lanes.reenter(&a, &queue, at(1), "a1 again"),
        ["a1 again", "c2", "b4"]
    );
    assert_eq!(lanes.end(&a, None), ["a3"]);
}

/// A lane of another flow of an instance.
fn of(instance: &str, flow: &str) -> LaneId {
    LaneId {
        instance: InstanceId::new(instance),
        flow: FlowKey::new(flow),
        key: None,
    }
}

/// Lets so many come and wait, each ready under its position.
fn wait(lanes: &Lanes<u64>, id: &LaneId, positions: impl IntoIterator<Item = u64>) {
    for position in positions {
        assert_eq!(lanes.enter(id, &Queue::Parallel, at(position)), Entry::Wait);
        assert!(lanes.ready(id, at(position), position).is_empty());
    }
}

/// E50: over all flows of an instance, and by the order in which they came.
#[test]
fn no_more_of_an_instance_run_than_its_limit_and_who_came_first_is_first() {
    let (lanes, a, b) = (Lanes::new(10, 2), of("i", "a"), of("i", "b"));
    assert_eq!(lanes.enter(&a, &Queue::Parallel, at(1)), Entry::Start);
    assert_eq!(lanes.enter(&b, &Queue::Parallel, at(2)), Entry::Start);
    wait(&lanes, &b, [3]);
    wait(&lanes, &a, [4, 5]);
    wait(&lanes, &b, [6]);
    assert_eq!(lanes.end(&a, None), [3]);
    assert_eq!(lanes.end(&b, None), [4]);
    assert_eq!(lanes.end(&b, None), [5]);
    assert_eq!(lanes.end(&a, None), [6]);
    assert_eq!((lanes.running(), lanes.waiting()), (2, 0));
}

/// E50: what waits for its instance takes no place of the runner, and keeps no other instance from it.
#[test]
fn an_instance_at_its_limit_does_not_stop_another() {
    let (lanes, busy, other) = (Lanes::new(3, 1), of("busy", "a"), of("other", "a"));
    assert_eq!(lanes.enter(&busy, &Queue::Parallel, at(1)), Entry::Start);
    wait(&lanes, &busy, 2..50);
    assert_eq!(lanes.enter(&other, &Queue::Parallel, at(50)), Entry::Start);
    assert_eq!((lanes.running(), lanes.waiting()), (2, 48));
    assert_eq!(lanes.end(&busy, None), [2]);
    assert!(lanes.end(&other, None).is_empty());
}

/// A full runner: instances that wait take turns, and none waits for the backlog of another.
#[test]
fn instances_that_wait_for_the_runner_take_turns() {
    let (lanes, busy, other) = (Lanes::new(1, 0), of("busy", "a"), of("other", "a"));
    assert_eq!(lanes.enter(&busy, &Queue::Parallel, at(1)), Entry::Start);
    wait(&lanes, &busy, 2..5);
    wait(&lanes, &other, 5..7);
    let mut started = Vec::new();
    let mut last = busy.clone();
    while let [next] = lanes.end(&last, None)[..] {
        last = if next < 5 { &busy } else { &other }.clone();
        started.push(next);
    }
    assert_eq!(started, [2, 5, 3, 6, 4]);
}

/// E50: another limit holds from the moment on at which it is set.
#[test]
fn a_higher_limit_starts_what_waits_and_a_lower_one_lets_what_runs_go_on() {
    let (lanes, id) = (Lanes::new(10, 1), of("i", "a"));
    assert_eq!(lanes.enter(&id, &Queue::Parallel, at(1)), Entry::Start);
    wait(&lanes, &id, 2..8);
    assert_eq!(lanes.limit(&id.instance, Some(3)), [2, 3]);
    assert!(lanes.limit(&id.instance, Some(1)).is_empty());
    assert!(lanes.end(&id, None).is_empty());
    assert!(lanes.end(&id, None).is_empty());
    assert_eq!(lanes.end(&id, None), [4]);
    assert_eq!(lanes.limit(&id.instance, Some(0)), [5, 6, 7]);
    assert!(lanes.limit(&id.instance, None).is_empty());
    assert_eq!(lanes.running(), 4);
}

/// E50: what starts beside the lanes has a place of its instance, but none of the runner.
#[test]
fn what_waits_in_no_lane_takes_a_place_of_its_instance() {
    let (lanes, id) = (Lanes::new(10, 2), of("i", "a"));
    assert_eq!(lanes.enter_instance(&id.instance), Ok(()));
    assert_eq!(lanes.enter_instance(&id.instance), Ok(()));
    assert_eq!(lanes.enter_instance(&id.instance), Err(2));
    assert_eq!(lanes.full_at(&id.instance), Some(2));
    wait(&lanes, &id, [1, 2]);
    assert_eq!(lanes.running(), 0);
    assert_eq!(lanes.leave_instance(&id.instance), [1]);
    assert_eq!(lanes.full_at(&id.instance), Some(2));
    assert_eq!(lanes.end(&id, None), [2]);
    assert!(lanes.leave_instance(&id.instance).is_empty());
    assert_eq!(lanes.full_at(&id.instance), None);
}

/// E24, E50: a lane that keeps order keeps it under a limit, and one that is held leaves the place to others.
#[test]
fn a_held_lane_takes_no_place_of_its_instance() {
    let (lanes, queue) = (Lanes::new(10, 1), Queue::order_by("/key"));
    let (a, b) = (lane(Some("a")), lane(Some("b")));
    assert_eq!(lanes.enter(&a, &queue, at(1)), Entry::Start);
    for (id, position, job) in [(&a, 2, "a2"), (&b, 3, "b3"), (&b, 4, "b4")] {
        assert_eq!(lanes.enter(id, &queue, at(position)), Entry::Wait);
        assert!(lanes.ready(id, at(position), job).is_empty());
    }
    assert_eq!(lanes.end(&a, Some(hold(1, false))), ["b3"]);
    assert!(lanes.reenter(&a, &queue, at(1), "a1 again").is_empty());
    assert_eq!(lanes.end(&b, None), ["a1 again"]);
    assert_eq!(lanes.end(&a, Some(hold(1, true))), [""; 0]);
    assert_eq!(lanes.release(&a, 1), ["a2"]);
    assert_eq!(lanes.take(&b, at(4)), Some("b4"));
    assert!(lanes.end(&a, None).is_empty());
    assert!(lanes.release(&b, 4).is_empty());
}

/// E6, E15: also those of a page that is not there yet when the next run comes.
#[test]
fn the_pages_of_the_run_that_has_the_turn_stand_in_front_of_the_next_run() {
    let (lanes, id, queue) = (Lanes::new(10, 0), lane(Some("")), Queue::sequential());
    let page = |position| Standing {
        waits_for_turn: false,
        position,
    };
    assert_eq!(lanes.enter(&id, &queue, at(1)), Entry::Start);
    assert_eq!(lanes.enter(&id, &queue, at(2)), Entry::Wait);
    assert!(lanes.ready(&id, at(2), "next run").is_empty());
    assert_eq!(lanes.enter(&id, &queue, page(3)), Entry::Wait);
    // It is not on disk yet, but it is known.
    assert!(lanes.end(&id, None).is_empty());
    assert_eq!(lanes.ready(&id, page(3), "page"), ["page"]);
    assert_eq!(lanes.enter(&id, &queue, page(4)), Entry::Wait);
    assert!(lanes.ready(&id, page(4), "slice").is_empty());
    assert_eq!(lanes.end(&id, Some(hold(3, false))), [""; 0]);
    assert_eq!(lanes.reenter(&id, &queue, page(3), "again"), ["again"]);
    assert_eq!(lanes.end(&id, None), ["slice"]);
    assert_eq!(lanes.end(&id, None), ["next run"]);
}

/// E50: in a full runner a caller takes the place of its instance at once, and would take it again whenever it is free.
#[test]
fn callers_leave_the_queue_of_their_instance_a_place() {
    let (lanes, busy, id) = (Lanes::new(1, 0), of("busy", "a"), of("i", "a"));
    assert!(lanes.limit(&id.instance, Some(1)).is_empty());
    assert_eq!(lanes.enter(&busy, &Queue::Parallel, at(1)), Entry::Start);
    assert_eq!(lanes.enter_instance(&id.instance), Ok(()));
    wait(&lanes, &id, [2]);
    assert!(lanes.leave_instance(&id.instance).is_empty());
    assert_eq!(lanes.full_at(&id.instance), Some(1));
    assert_eq!(lanes.enter_instance(&id.instance), Err(1));
    assert_eq!(lanes.end(&busy, None), [2]);
    assert!(lanes.end(&id, None).is_empty());
    assert_eq!(lanes.enter_instance(&id.instance), Ok(()));
}

/// W33: how many of an instance wait is known in every way in which one comes and goes.
#[test]
fn what_waits_is_counted_for_each_instance() {
    let (lanes, id, other) = (Lanes::new(1, 0), of("i", "a"), of("other", "a"));
    assert_eq!(lanes.enter(&id, &Queue::Parallel, at(1)), Entry::Start);
    wait(&lanes, &id, 2..6);
    wait(&lanes, &other, [6]);
    let counts = || {
        (
            lanes.waiting_of(&id.instance),
            lanes.waiting_of(&other.instance),
        )
    };
    assert_eq!(counts(), (4, 1));
    assert_eq!(lanes.take(&id, at(3)), Some(3));
    assert!(lanes.leave(&id, at(4)).is_empty());
    assert_eq!(counts(), (2, 1));
    assert!(lanes.reenter(&id, &Queue::Parallel, at(3), 3).is_empty());
    assert_eq!(lanes.end(&id, None), [2]);
    assert_eq!(lanes.end(&id, None), [6]);
    assert_eq!((counts(), lanes.waiting()), ((2, 0), 2));
}
