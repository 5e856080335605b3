//! For each durable point: what must be there, what brings a process to it, and who asks again afterwards.

use std::sync::Mutex;
use std::time::Duration;

use http::Method;
use runner::clock::{Clock as _, SystemClock};
use runner::record::{Execution, InvokedBy, Status, StoredPayload};
use runner::store::{Accept, Commit, Point, Write};
use sdk::Payload;
use serde_json::{Value, json};

use crate::caller::{Answer, Broken, Caller, call, get, post};
use crate::ledger::{Evidence, Ledger, Reply};
use crate::process::{Home, Server};

/// Kills are no fault of what runs meanwhile: nothing is set aside for them here.
pub(super) const SETTINGS: &str = "rate_per_second = 0\ndeaths = 0\n[store]\nreserve_bytes = 0\n";
const ONE_AT_A_TIME: &str =
    "rate_per_second = 0\ndeaths = 0\nrunning = 1\n[store]\nreserve_bytes = 0\n";
const NO_GRACE: &str =
    "rate_per_second = 0\ndeaths = 0\ngrace_seconds = 0\n[store]\nreserve_bytes = 0\n";
const NOTHING_KEPT: &str = "rate_per_second = 0\ndeaths = 0\nprune_seconds = 1\nkeep_logs_seconds = 0\n[store]\nreserve_bytes = 0\n";

/// The home of one case, and what its script remembers.
pub(super) struct Stage {
    pub(super) home: Home,
    pub(super) ledger: Ledger,
    /// The execution or the instance that it is about.
    subject: String,
    /// An execution of which the ledger knows nothing.
    aside: Mutex<Option<String>>,
}

impl Stage {
    /// Makes what must be there before the process starts that is to die.
    pub(super) async fn prepare(point: Point, template: &Home) -> Self {
        let home = match point {
            Point::Deploy | Point::Deployed | Point::Timetable => template.empty_one(SETTINGS),
            Point::Cancel => template.copy(ONE_AT_A_TIME),
            Point::Requeue => template.copy(NO_GRACE),
            _ => template.copy(SETTINGS),
        };
        let mut stage = Self {
            home,
            ledger: Ledger::default(),
            subject: String::new(),
            aside: Mutex::default(),
        };
        match point {
            Point::Start => stage.leave_unfinished().await,
            Point::Skip => stage.owe_a_tick_during_a_run().await,
            Point::Dismiss | Point::Replay => stage.leave_a_dead_letter().await,
            Point::Prune => stage.leave_lines().await,
            Point::Remove | Point::Removed | Point::Erase => stage.deploy_another().await,
            Point::Pause | Point::Resume | Point::Keys | Point::ClearState => {
                stage.use_the_instance(point).await;
            }
            Point::Accept
            | Point::Step
            | Point::Log
            | Point::Finish
            | Point::Requeue
            | Point::Cancel
            | Point::Duplicate
            | Point::Check
            | Point::Timetable
            | Point::Deploy
            | Point::Deployed => {}
        }
        stage
    }

    /// Brings a process to the point, at which it dies.
    pub(super) async fn reach(&self, point: Point, server: &Server) {
        let subject = &self.subject;
        let instance = format!("/api/instances/{subject}");
        let execution = format!("/api/executions/{subject}");
        match point {
            Point::Accept | Point::Finish => drop(self.deliver(server, "echo", "").await),
            Point::Step => drop(self.deliver(server, "steps", "?ms=1").await),
            Point::Log => drop(self.deliver(server, "slow", "?ms=1&lines=100").await),
            Point::Duplicate => self.deliver_twice(server).await,
            Point::Requeue => {
                self.deliver(server, "slow", "?ms=2500").await.unwrap();
                server.terminate();
            }
            Point::Cancel => self.cancel_what_waits(server).await,
            Point::Replay => tell(server, Method::POST, &format!("{execution}/replay")).await,
            Point::Dismiss => tell(server, Method::POST, &format!("{execution}/dismiss")).await,
            Point::Pause => tell(server, Method::POST, &format!("{instance}/pause")).await,
            Point::Resume => tell(server, Method::POST, &format!("{instance}/resume")).await,
            Point::Keys => tell(server, Method::POST, &format!("{instance}/flows/echo/keys")).await,
            Point::ClearState => tell(server, Method::DELETE, &format!("{instance}/state")).await,
            Point::Remove | Point::Erase => tell(server, Method::DELETE, &instance).await,
            Point::Removed => {
                let kept = format!("{instance}?keep_seconds=3600");
                tell(server, Method::DELETE, &kept).await;
            }
            Point::Check => {
                // Nobody answers any more.
                let _ = Caller::that_hangs_up()
                    .send(server.ingress, get("/readyz"))
                    .await;
            }
            // The start itself, or what its clock brings, leads there.
            Point::Start
            | Point::Skip
            | Point::Prune
            | Point::Timetable
            | Point::Deploy
            | Point::Deployed => {}
        }
    }

    /// Lets whoever had no answer ask again, and looks at what only this point can spoil.
    pub(super) async fn go_on(&self, point: Point, is_done: bool, server: &Server) {
        let instance = format!("/api/instances/{}", self.subject);
        match point {
            Point::Deploy | Point::Deployed | Point::Timetable => {
                self.is_deployed_whole(server).await;
            }
            Point::Duplicate => self.deliver_again(server).await,
            Point::Cancel => self.is_cancelled_or_has_run(is_done, server).await,
            Point::Replay => self.is_replayed_once(is_done, server).await,
            Point::Dismiss => {
                let shown = server
                    .api(&format!("/api/executions/{}", self.subject))
                    .await;
                assert_eq!(shown.json()["dead_letter"], !is_done);
            }
            Point::Pause | Point::Resume => {
                let is_paused = (point == Point::Pause) == is_done;
                let status = server.api(&instance).await.json()["status"].clone();
                assert_eq!(status, if is_paused { "PAUSED" } else { "ACTIVE" });
                let other = if is_paused { "resume" } else { "pause" };
                let path = format!("{instance}/{other}");
                let answer = server.ask(Method::POST, &path, &json!({})).await.unwrap();
                assert_eq!(answer.status, 200, "{answer:?}");
            }
            Point::Keys => {
                let keys = server
                    .api(&format!("{instance}/flows/echo/keys"))
                    .await
                    .json();
                assert_eq!(
                    keys["items"].as_array().unwrap().len(),
                    usize::from(is_done)
                );
            }
            Point::ClearState => {
                let counted = self.count(server).await;
                assert_eq!(counted, if is_done { 1 } else { 2 });
            }
            Point::Remove | Point::Removed | Point::Erase => {
                let shown = server.api(&instance).await;
                if point == Point::Removed {
                    let status = if is_done { "REMOVED" } else { "REMOVING" };
                    assert_eq!(shown.json()["status"], status);
                    assert_eq!(shown.json()["erase_at"].is_string(), is_done);
                }
                if shown.status == 200 {
                    let now = format!("{instance}?keep_seconds=0");
                    let answer = server.ask(Method::DELETE, &now, &json!({})).await.unwrap();
                    assert_eq!(answer.status, 200, "{answer:?}");
                }
                assert_eq!(server.api(&instance).await.status, 404);
                assert!(self.home.effects().contains(&"on-remove".to_owned()));
            }
            Point::Accept
            | Point::Start
            | Point::Step
            | Point::Log
            | Point::Finish
            | Point::Requeue
            | Point::Skip
            | Point::Prune
            | Point::Check => {}
        }
    }

    /// Takes out of the evidence what the ledger does not know.
    pub(super) fn leave_out(&self, evidence: &mut Evidence) {
        let aside = self.aside.lock().unwrap().clone().unwrap_or_default();
        let is_in_ledger = |execution: &Execution| {
            let flow = execution.flow.as_str();
            execution.id.as_str() != aside && flow != "panic" && flow != "counter"
        };
        evidence
            .stored
            .retain(|stored| is_in_ledger(&stored.execution));
        for image in &mut evidence.images {
            image
                .executions
                .retain(|_, execution| is_in_ledger(execution));
        }
        // What happens at a deploy happens again when it is done again.
        let mut deploys = 0;
        evidence.effects.retain(|line| {
            deploys += usize::from(line == "on-deploy");
            line != "on-deploy" || deploys == 1
        });
        let is_known =
            |line: &String| *line != "on-remove" && (aside.is_empty() || !line.starts_with(&aside));
        evidence.effects.retain(is_known);
    }

    /// Sends a delivery, in the ledger, for which nobody waits.
    async fn deliver(
        &self,
        server: &Server,
        flow: &'static str,
        query: &str,
    ) -> Result<(), Broken> {
        let (number, body) = self.ledger.open(flow, |number| {
            let body = json!({"number": number, "id": format!("item-{number}")});
            let order = (flow == "ordered").then(|| (String::new(), format!("item-{number}")));
            (body.to_string().into(), order)
        });
        self.send(server, flow, query, number, body).await
    }

    async fn send(
        &self,
        server: &Server,
        flow: &'static str,
        query: &str,
        number: u64,
        body: bytes::Bytes,
    ) -> Result<(), Broken> {
        let mut request = self.request(flow, query);
        *request.body_mut() = body;
        self.ledger.send(number);
        let answer = Caller::that_hangs_up().send(server.ingress, request).await;
        self.ledger.hear(number, Reply::of(&answer));
        answer.map(drop)
    }

    fn request(&self, flow: &str, query: &str) -> http::Request<bytes::Bytes> {
        let path = format!("{}{query}", self.home.endpoint(flow));
        let mut request = post(&path, &json!({}));
        let asynchronous = "false".try_into().unwrap();
        request
            .headers_mut()
            .insert("prismatic-synchronous", asynchronous);
        request
    }

    async fn deliver_twice(&self, server: &Server) {
        self.deliver(server, "ordered", "").await.unwrap();
        self.deliver_again(server).await;
    }

    async fn deliver_again(&self, server: &Server) {
        let deliveries = self.ledger.deliveries();
        let first = &deliveries[0];
        let sent = self.send(server, first.flow, "", first.number, first.body.clone());
        // A process that dies of it gives no answer.
        let _ = sent.await;
    }

    async fn leave_unfinished(&mut self) {
        let server = self.home.start().await;
        for _ in 0..2 {
            self.deliver(&server, "steps", "?ms=300").await.unwrap();
        }
        server.kill().await;
    }

    async fn leave_a_dead_letter(&mut self) {
        let server = self.home.start().await;
        let answer = call(server.ingress, self.request("panic", "?text=ouch")).await;
        answer.execution().unwrap().clone_into(&mut self.subject);
        let end = server.outcome(&self.subject).await;
        assert_eq!(end["dead_letter"], true, "{end}");
        assert!(server.stop().await.success());
    }

    async fn leave_lines(&mut self) {
        let server = self.home.start().await;
        self.deliver(&server, "slow", "?ms=1&lines=100")
            .await
            .unwrap();
        server.until_idle().await;
        assert!(server.stop().await.success());
        self.home.set(NOTHING_KEPT);
    }

    async fn deploy_another(&mut self) {
        let server = self.home.start().await;
        let deploy = json!({
            "name": "Acme", "customer": {"id": "acme"}, "config": {"hmac_secret": "a-secret"},
        });
        let answer = server
            .ask(Method::POST, "/api/instances", &deploy)
            .await
            .unwrap();
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.json()["id"]
            .as_str()
            .unwrap()
            .clone_into(&mut self.subject);
        server.until_idle().await;
        assert!(server.stop().await.success());
    }

    async fn use_the_instance(&mut self, point: Point) {
        let server = self.home.start().await;
        let instances = server.api("/api/instances").await.json();
        instances["items"][0]["id"]
            .as_str()
            .unwrap()
            .clone_into(&mut self.subject);
        if point == Point::Resume {
            let path = format!("/api/instances/{}/pause", self.subject);
            let answer = server.ask(Method::POST, &path, &json!({})).await.unwrap();
            assert_eq!(answer.status, 200, "{answer:?}");
        }
        if point == Point::ClearState {
            assert_eq!(self.count(&server).await, 1);
        }
        server.until_idle().await;
        assert!(server.stop().await.success());
    }

    /// Leaves a run of `tick` that waits for its retry, and a tick that is due at once.
    async fn owe_a_tick_during_a_run(&mut self) {
        let (store, instance) = loop {
            let store = self.home.store().await;
            let instance = store.instances().await.unwrap().remove(0);
            if store.last_ticks(&instance.id).await.unwrap().is_empty() {
                break (store, instance);
            }
            // It was made as a minute began, and the next tick is far away.
            drop(store);
            self.home = self.home.another(SETTINGS).await;
        };
        let now = SystemClock.now();
        let mut earlier = (*instance).clone();
        let hour_ago = now - Duration::from_hours(1);
        earlier.open["timetable"]["lines"][0]["since"] = serde_json::to_value(hour_ago).unwrap();
        let id = sdk::id::ExecutionId::new("0197c3d2-7f3a-7c1e-8a55-2d1f6b0e9a11");
        let execution = Execution {
            invoked_by: InvokedBy::Retry,
            status: Status::Pending,
            position: store.last_position().await.unwrap() + 1,
            run_at: Some(now + Duration::from_secs(3)),
            attempt: 2,
            ..Execution::queued(id, instance.id.clone(), "tick".into(), now)
        };
        let accept = Accept {
            execution,
            payload: Some(StoredPayload::received(&Payload::empty(), None).into()),
            answer: None,
            claims: Vec::new(),
        };
        let writes = vec![
            Write::PutInstance(earlier.into()),
            Write::Accept(Box::new(accept)),
        ];
        store
            .commit(Commit::new(Point::Accept, writes))
            .await
            .unwrap();
    }

    /// Sends something that waits behind what runs, and cancels it.
    async fn cancel_what_waits(&self, server: &Server) {
        self.deliver(server, "slow", "?ms=700").await.unwrap();
        let waiting = call(server.ingress, self.request("steps", "")).await;
        let id = waiting.execution().unwrap().to_owned();
        let path = format!("/api/executions/{id}/cancel");
        *self.aside.lock().unwrap() = Some(id);
        tell(server, Method::POST, &path).await;
    }

    async fn is_cancelled_or_has_run(&self, is_done: bool, server: &Server) {
        let id = self.aside.lock().unwrap().clone().unwrap();
        let end = server.outcome(&id).await;
        assert_eq!(
            end["result"],
            if is_done { "CANCELED" } else { "COMPLETED" }
        );
        let effects = self.home.effects();
        let steps = effects.iter().filter(|line| line.starts_with(&id)).count();
        assert_eq!(steps, if is_done { 0 } else { 3 });
    }

    async fn is_replayed_once(&self, is_done: bool, server: &Server) {
        let path = format!("/api/executions/{}", self.subject);
        assert_eq!(server.api(&path).await.json()["dead_letter"], !is_done);
        if !is_done {
            let again = server
                .ask(Method::POST, &format!("{path}/replay"), &json!({}))
                .await;
            assert_eq!(again.unwrap().status, 201);
        }
        server.until_idle().await;
        let list = server.api("/api/executions?flow=panic").await.json();
        assert_eq!(list["items"].as_array().unwrap().len(), 2, "{list}");
        assert_eq!(server.api(&path).await.json()["dead_letter"], false);
    }

    /// Nobody repeats the deploy of the local instance but the next start.
    async fn is_deployed_whole(&self, server: &Server) {
        let instances = server.api("/api/instances").await.json();
        let [instance] = instances["items"].as_array().unwrap().as_slice() else {
            panic!("there is one instance: {instances}")
        };
        assert_eq!(instance["status"], "ACTIVE");
        let path = format!("/api/instances/{}", instance["id"].as_str().unwrap());
        let shown = server.api(&path).await.json();
        assert_ne!(shown["schedules"][0]["next"], json!([]), "{shown}");
        server.until_idle().await;
        assert!(self.home.effects().contains(&"on-deploy".to_owned()));
    }

    async fn count(&self, server: &Server) -> u64 {
        let direct = "?prismatic-prefer-direct-sync-response=true";
        let path = format!("{}{direct}", self.home.endpoint("counter"));
        let answer: Answer = call(server.ingress, post(&path, &json!({}))).await;
        let count: Value = answer.json();
        count.as_u64().unwrap()
    }
}

/// Asks for something of which the process dies.
async fn tell(server: &Server, method: Method, path: &str) {
    let answer = server.ask(method, path, &json!({})).await;
    assert!(answer.is_err(), "it lives: {answer:?}");
}
