//! A payload that was stored and read again is the payload that came: body, headers, query, to the byte (W13). It goes through the real
//! store, sealed with a key, and is read by the process that stored it and by the next one.
#![no_main]

use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use libfuzzer_sys::fuzz_target;
use runner::decode::{BodyLimits, JsonAs, read_body, read_path, read_query};
use runner::envelope::content_encoding;
use runner::record::{Execution, StoredPayload};
use runner::store::{Accept, Commit, Point, SqliteOptions, SqliteStore, Store as _, Write};
use runner::vault::Vault;
use sdk::id::ExecutionId;
use sdk::{Payload, Timestamp};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

/// After so many runs the store is opened anew, and then another one: it is to stay small.
const RUNS_PER_PROCESS: u64 = 256;

static WORLD: LazyLock<Mutex<World>> = LazyLock::new(|| Mutex::new(World::new()));

/// A store, and the payloads that were put into it last.
struct World {
    /// Goes before its folder.
    store: Option<SqliteStore>,
    folder: TempDir,
    runtime: Runtime,
    count: u64,
    last: Vec<(ExecutionId, Payload)>,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            store: Some(open(&folder)),
            folder,
            runtime: Builder::new_current_thread().build().unwrap(),
            count: 0,
            last: Vec::new(),
        }
    }

    /// The process ends, and another one finds what it left.
    fn restart(&mut self) {
        self.store = None;
        self.store = Some(open(&self.folder));
    }

    fn store(&self) -> &SqliteStore {
        self.store.as_ref().unwrap()
    }

    fn keep(&mut self, payload: &Payload, stored: [StoredPayload; 3]) {
        self.count += 1;
        self.last.clear();
        let mut writes = Vec::new();
        for (number, stored) in stored.into_iter().enumerate() {
            let id = ExecutionId::from(format!("{}-{number}", self.count).as_str());
            writes.push(Write::Accept(Box::new(Accept {
                execution: queued(&id, self.count * 3 + number as u64),
                payload: Some(Arc::new(stored)),
                answer: None,
                claims: Vec::new(),
            })));
            self.last.push((id, payload.clone()));
        }
        self.runtime
            .block_on(self.store().commit(Commit::new(Point::Accept, writes)))
            .unwrap();
    }

    /// Reads what was kept last.
    fn check(&self, limits: &BodyLimits) {
        for (id, payload) in &self.last {
            let stored = self
                .runtime
                .block_on(self.store().payload(id))
                .unwrap()
                .unwrap();
            // JSON that is not read until its flow takes it is the same.
            let text = stored.to_payload(limits, JsonAs::Text).unwrap();
            assert_eq!(text.body, payload.body);
            let back = stored.to_payload(limits, JsonAs::Value).unwrap();
            assert_eq!(format!("{back:?}"), format!("{payload:?}"));
            assert_eq!(
                (&back.body, &back.raw_body),
                (&payload.body, &payload.raw_body)
            );
            assert_eq!(
                (&back.headers, &back.query_parameters),
                (&payload.headers, &payload.query_parameters)
            );
        }
    }
}

fn open(folder: &TempDir) -> SqliteStore {
    let options = SqliteOptions {
        reserve_bytes: 0,
        ..SqliteOptions::default()
    };
    let store = SqliteStore::open(&folder.path().join("runner.db"), &options).unwrap();
    store.sealing_with(Vault::open(folder.path()).unwrap())
}

fn queued(id: &ExecutionId, position: u64) -> Execution {
    let accepted_at = Timestamp::from_millis(1_774_630_200_000);
    Execution {
        position,
        ..Execution::queued(id.clone(), "instance".into(), "flow".into(), accepted_at)
    }
}

// Lines: path and query, content type, `name: value` headers; then an empty line and the body.
fuzz_target!(|data: &[u8]| {
    let Some(end) = data.windows(2).position(|pair| pair == b"\n\n") else {
        return;
    };
    let (head, body) = (&data[..end], Bytes::copy_from_slice(&data[end + 2..]));
    let mut lines = head.split(|byte| *byte == b'\n');
    let target = String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let content_type = lines.next().and_then(|line| std::str::from_utf8(line).ok());
    let mut headers = HeaderMap::new();
    for line in lines {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            continue;
        };
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(&line[colon + 1..]);
        if let (Ok(name), Ok(value)) = (name, value)
            && headers.len() < 64
        {
            headers.append(name, value);
        }
    }
    let limits = BodyLimits {
        size: 65_536,
        ..BodyLimits::default()
    };
    let encoding = content_encoding(&headers);
    let Ok(read) = read_body(content_type, encoding.as_deref(), &body, &limits) else {
        return;
    };
    let payload = Payload {
        method: Method::POST,
        headers,
        path_fragment: read_path(path)
            .map(|path| path.fragment)
            .unwrap_or_default(),
        query_parameters: read_query(Some(query)),
        raw_body: body,
        content_type: content_type.map(str::to_owned),
        body: read,
        tick: None,
        cursor: None,
    };
    let made = StoredPayload::made(&payload, &limits);
    let handing = made.clone().handing_on(&payload, &limits);
    let received = StoredPayload::received(&payload, Some("https://a.example/"));
    let mut world = WORLD.lock().unwrap_or_else(PoisonError::into_inner);
    world.keep(&payload, [received, made, handing]);
    world.check(&limits);
    if world.count % RUNS_PER_PROCESS == 0 {
        world.restart();
        world.check(&limits);
        *world = World::new();
    }
});
