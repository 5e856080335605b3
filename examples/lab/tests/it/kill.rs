//! `kill -9` under load (F1, G1, G2, G3, G5): nothing accepted is lost, nothing is made up, no finished step runs again, order is kept.

use serde_json::Value;

use crate::ledger::{Evidence, Image, Violation, read_image, read_stored, violations};
use crate::load::{Load, MIXED};
use crate::postgres::Cluster;
use crate::process::{Home, number};

/// Kills are no fault of what runs meanwhile: nothing is set aside for them here.
const SETTINGS: &str = "rate_per_second = 0\ndeaths = 0\n";

/// `LAB_KILLS` says how often (the release run: 300), `LAB_SEED` at which moments.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g1_g2_g3_g5_whatever_was_accepted_survives_kills_at_random_moments_under_load() {
    survives_kills(&Home::new(SETTINGS).await, number("LAB_KILLS", 25)).await;
}

/// The same on a database, whose server lives on; a little shorter.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g1_g2_g3_g5_whatever_was_accepted_survives_kills_at_random_moments_on_postgresql() {
    let home = Home::on(Cluster::shared(), SETTINGS).await;
    survives_kills(&home, number("LAB_KILLS", 12)).await;
}

async fn survives_kills(home: &Home, kills: u64) {
    let seed = number("LAB_SEED", 20_261_122);
    let mut random = Random(seed);
    let load = Load::start(home, MIXED, 200);
    let mut images = Vec::new();
    for _ in 0..kills {
        let server = home.start().await;
        load.send_to(server.ingress);
        let before = load.ledger.progress();
        let more = random.below(60);
        // Behind an answer or behind a request: now and then with nothing done since the start but recovery.
        if random.below(2) == 0 {
            let target = before.accepted + more;
            load.ledger.until(|it| it.accepted >= target).await;
        } else {
            let target = before.sent + more;
            load.ledger.until(|it| it.sent >= target).await;
        }
        let held = load.ledger.held();
        server.kill().await;
        load.hold();
        images.push(image(home, held).await);
    }
    let evidence = settle(home, load, images).await;
    assert_none(&violations(&evidence), seed);
}

async fn image(home: &Home, held: Vec<String>) -> Image {
    let effects = home.effects().len();
    let (folder, store) = home.store_image().await;
    let image = read_image(&*store, held, effects).await;
    drop((store, folder));
    image
}

/// Lets everything come to its end in a last server, and gathers the evidence.
async fn settle(home: &Home, load: Load, images: Vec<Image>) -> Evidence {
    let server = home.start().await;
    load.send_to(server.ingress);
    let target = load.ledger.progress().accepted + 20;
    load.ledger.until(|it| it.accepted >= target).await;
    let ledger = load.end().await;
    server.until_idle().await;
    assert_eq!(server.not_found(&ledger.held()).await, [] as [Value; 0]);
    assert!(server.stop().await.success());
    Evidence {
        deliveries: ledger.deliveries(),
        stored: read_stored(&*home.store().await).await,
        images,
        effects: home.effects(),
        log: home.log(),
        is_graceful: false,
        is_in_doubt: false,
    }
}

#[track_caller]
fn assert_none(violations: &[Violation], seed: u64) {
    let shown: Vec<String> = violations.iter().map(ToString::to_string).collect();
    let (count, first) = (shown.len(), shown.iter().take(20).cloned());
    let first = first.collect::<Vec<_>>().join("\n");
    assert!(count == 0, "{count} violations (LAB_SEED={seed}):\n{first}");
}

/// Numbers that look random and come again with the same seed (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }
}
