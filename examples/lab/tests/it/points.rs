//! A kill at every durable point (G1, G2, G3): a real process on a real disk, before the sync and behind it.
//!
//! The crash sweep of `testing` does this in memory with every commit of a script. Here each kind of commit is met once, three times over,
//! by a process that ends without another instruction: what was not synced must be gone as a whole, what was synced must be there, and
//! the next process must go on with it.

mod script;
mod trace;

use std::fmt;
use std::sync::Arc;

use runner::store::Point;
use tokio::sync::Semaphore;

use self::script::Stage;
use crate::caller::spawn;
use crate::ledger::{Evidence, read_image, read_stored, violations};
use crate::postgres::Cluster;
use crate::process::{Home, PATIENCE};

/// How often a process dies at each place.
const TIMES: usize = 3;
/// So many at once keep two processors busy and their starts short.
const AT_ONCE: usize = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g1_g2_g3_a_kill_at_every_durable_point_before_and_behind_its_sync_divides_nothing() {
    divides_nothing(Home::new(script::SETTINGS).await, TIMES).await;
}

/// The same on a database: it undoes what was not committed when the connection ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g1_g2_g3_a_kill_at_every_durable_point_divides_nothing_on_postgresql() {
    let home = Home::on(Cluster::shared(), script::SETTINGS).await;
    divides_nothing(home, 1).await;
}

async fn divides_nothing(template: Home, times: usize) {
    let template = Arc::new(template);
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    let sides = [Side::Before, Side::After];
    let places = Point::ALL.iter().flat_map(|point| {
        sides.map(|side| Place {
            point: *point,
            side,
        })
    });
    let mut cases = Vec::new();
    for place in places.flat_map(|place| std::iter::repeat_n(place, times)) {
        let (template, turns) = (Arc::clone(&template), Arc::clone(&turns));
        let case = spawn(async move {
            let _turn = turns.acquire().await.unwrap();
            place.visit(&template).await
        });
        cases.push((place, case));
    }
    let mut findings = Vec::new();
    for (place, case) in cases {
        match case.await {
            Ok(found) => findings.extend(found),
            Err(panic) => findings.push(format!("{place}: {panic}")),
        }
    }
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

/// On which side of a sync the process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Before,
    After,
}

/// Where a process dies.
#[derive(Clone, Copy, Debug)]
struct Place {
    point: Point,
    side: Side,
}

impl Place {
    /// Lets a process die here and the next one go on; returns what is wrong afterwards.
    async fn visit(self, template: &Home) -> Vec<String> {
        let stage = Stage::prepare(self.point, template).await;
        let before = trace::of(self.point, &stage.home).await;
        self.die(&stage).await;
        let held = stage.ledger.held();
        let effects = stage.home.effects().len();
        let (folder, store) = stage.home.store_image().await;
        let image = read_image(&*store, held, effects).await;
        drop((store, folder));
        let after = trace::of(self.point, &stage.home).await;
        let is_done = self.side == Side::After;
        let mut findings = Vec::new();
        if self.point != Point::Check && (after > before) != is_done {
            findings.push(format!(
                "{self}: its trace on the disk was {before} and is {after}"
            ));
        }

        let server = stage.home.start().await;
        stage.go_on(self.point, is_done, &server).await;
        server.until_idle().await;
        assert!(server.stop().await.success());
        let mut evidence = Evidence {
            deliveries: stage.ledger.deliveries(),
            stored: read_stored(&*stage.home.store().await).await,
            images: vec![image],
            effects: stage.home.effects(),
            log: stage.home.log(),
            is_graceful: false,
            is_in_doubt: false,
        };
        stage.leave_out(&mut evidence);
        findings.extend(
            violations(&evidence)
                .iter()
                .map(|it| format!("{self}: {it}")),
        );
        findings
    }

    /// Starts a process that dies at this place, and brings it there.
    async fn die(self, stage: &Stage) {
        let place = self.to_string();
        match stage.home.try_start(&["--crash-at", &place]).await {
            Ok(server) => {
                stage.reach(self.point, &server).await;
                let end = server.end_within(PATIENCE).await;
                assert_eq!(end.code(), None, "it ended by itself");
            }
            // What the last process left behind brought it there already.
            Err(failed) => assert_eq!(failed.code, None, "{}", failed.text),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = match self.side {
            Side::Before => "before",
            Side::After => "after",
        };
        write!(f, "{side}:{}:1", self.point.name())
    }
}
