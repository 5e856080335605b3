//! Every kind of abuse that a public endpoint sees, over a real socket: what it is answered, that it leaves nothing behind (G6), that the
//! process lives, and that others are served meanwhile.

mod cases;

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, types::Value as Cell};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use self::cases::{Case, cases};
use crate::caller::{call, post};
use crate::process::{Home, Server, in_time};

/// Limits that are small, so that the test is short.
const SETTINGS: &str = "body_bytes = 65536\nmultipart_parts = 100\nrate_per_second = 0\n\
    [listener]\nconnections = 16\nheader_read_seconds = 1\nbody_idle_seconds = 1\nbody_total_seconds = 2\nidle_seconds = 1\n";

/// Takes away what the schedule of the lab does every minute, and what the store writes to see whether it can.
const WITHOUT_TICKS: &str = "
    CREATE TEMP TABLE ticks AS SELECT key, id FROM execution WHERE flow = 'tick';
    DELETE FROM payload WHERE key IN (SELECT key FROM ticks);
    DELETE FROM output WHERE key IN (SELECT key FROM ticks);
    DELETE FROM step WHERE journal IN (SELECT key FROM ticks);
    DELETE FROM log WHERE execution IN (SELECT key FROM ticks);
    DELETE FROM execution WHERE key IN (SELECT key FROM ticks);
    DELETE FROM state WHERE key = 'ticks';
    DELETE FROM state_size;
    DELETE FROM tick;
    DELETE FROM counter;
";

/// Returns everything that stands in the store, row by row, but for what it writes by itself.
fn rows(data: &Path) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy.db");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let db = Connection::open_with_flags(data.join("runner.db"), flags).unwrap();
    db.execute("VACUUM INTO ?1", [copy.to_str()]).unwrap();
    let db = Connection::open(copy).unwrap();
    db.execute_batch(WITHOUT_TICKS).unwrap();
    let sql = "SELECT name FROM main.sqlite_schema WHERE type = 'table' ORDER BY name";
    let mut tables = db.prepare(sql).unwrap();
    let tables = tables.query_map([], |row| row.get::<_, String>(0)).unwrap();
    let mut rows = Vec::new();
    for table in tables.map(Result::unwrap) {
        let mut all = db.prepare(&format!("SELECT * FROM \"{table}\"")).unwrap();
        let columns = all.column_count();
        let read = |row: &rusqlite::Row<'_>| -> rusqlite::Result<Vec<Cell>> {
            (0..columns).map(|column| row.get(column)).collect()
        };
        for row in all.query_map([], read).unwrap() {
            rows.push(format!("{table} {:?}", row.unwrap()));
        }
    }
    assert!(rows.len() > 1, "the store is read");
    rows
}

/// Sends what a case says, and returns all that comes back up to the end of the connection.
async fn play(server: &Server, case: &Case) -> String {
    let mut stream = in_time(TcpStream::connect(server.ingress)).await.unwrap();
    let (mut reading, mut writing) = stream.split();
    let sending = async {
        for piece in &case.pieces {
            // Who is refused before the end is told so, and cannot send on.
            if writing.write_all(piece).await.is_err() {
                break;
            }
            tokio::time::sleep(case.pause).await;
        }
        if case.hangs_up {
            let _ = writing.shutdown().await;
        }
    };
    let mut received = Vec::new();
    let receiving = async {
        let mut piece = vec![0; 4096];
        // A reset after the answer is the caller's own doing.
        while let Ok(length @ 1..) = reading.read(&mut piece).await {
            received.extend_from_slice(&piece[..length]);
        }
    };
    in_time(async { tokio::join!(sending, receiving) }).await;
    String::from_utf8_lossy(&received).into_owned()
}

#[tokio::test]
async fn g6_abuse_of_every_kind_is_answered_and_leaves_nothing_behind() {
    let home = Home::new(SETTINGS).await;
    let mut server = home.start().await;
    let (before, log_before) = (rows(home.data()), home.log().len());
    let cases = cases(&home);
    assert!(cases.len() > 50);
    for case in &cases {
        let answer = play(&server, case).await;
        let name = case.name;
        match case.status {
            Some(status) => {
                let line = format!("HTTP/1.1 {status} ");
                assert!(answer.starts_with(&line), "{name}: {answer}");
                if status != 405 || !answer.contains("content-length: 0") {
                    assert!(
                        answer.contains("content-type: application/json\r\n"),
                        "{name}: {answer}"
                    );
                }
                assert!(answer.matches("HTTP/1.1 ").count() == 1, "{name}: {answer}");
            }
            None => assert_eq!(answer, "", "{name}"),
        }
        assert!(
            !answer.contains("prismatic-executionid"),
            "{name}: {answer}"
        );
        assert!(server.lives(), "{name}");
    }
    assert_eq!(rows(home.data()), before, "nothing is recorded");
    let written = home.log()[log_before..].to_owned();
    assert!(
        written.len() < cases.len() * 512,
        "the log is bounded: {written}"
    );
    assert!(
        !written.contains("abuse") && !written.contains("panicked"),
        "{written}"
    );
    let good = call(server.ingress, post(&home.endpoint("echo"), &json!({}))).await;
    assert_eq!(good.status, 200, "{good:?}");
    server.until_idle().await;
    assert!(
        rows(home.data()).len() > before.len(),
        "what is good is recorded"
    );
    assert!(server.stop().await.success());
}

/// Connections that say nothing, half a head, or half a body hold a seat for as long as the settings grant it, and no longer.
#[tokio::test]
async fn slow_callers_in_every_seat_keep_others_waiting_only_for_so_long() {
    let home = Home::new(SETTINGS).await;
    let mut server = home.start().await;
    let before = rows(home.data());
    let head = format!("POST {} HTTP/1.1\r\nhost: a\r\n", home.endpoint("echo"));
    let mut slow = Vec::new();
    for count in 0..32 {
        let mut stream = in_time(TcpStream::connect(server.ingress)).await.unwrap();
        let words = match count % 3 {
            0 => String::new(),
            1 => head.clone(),
            _ => format!("{head}content-length: 100\r\n\r\nhalf"),
        };
        stream.write_all(words.as_bytes()).await.unwrap();
        slow.push(stream);
    }
    let others = async {
        let good = call(server.ingress, post(&home.endpoint("echo"), &json!({}))).await;
        assert_eq!(good.status, 200, "{good:?}");
    };
    // Two rounds of seats, each of one second, and some more because machines are busy.
    tokio::time::timeout(Duration::from_secs(15), others)
        .await
        .expect("whoever is slow is sent away");
    assert!(server.lives());
    drop(slow);
    server.until_idle().await;
    let more = rows(home.data()).len() - before.len();
    assert!(more <= 8, "one execution, in its tables: {more} rows");
}
