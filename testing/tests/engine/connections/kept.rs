//! What is kept of connections by OAuth 2.0: sealed, shown nowhere (E56), and on the disk before it is used (E55).

use bytes::Bytes;
use http::Request;
use sdk::prelude::*;
use testing::Result;

use super::{ENDED, Tells, asked, bench, completed, ends, fetch};

/// E56.
#[tokio::test]
async fn e56_a_flow_that_tells_its_token_tells_its_name() -> Result {
    let (lab, server, instance) = bench().await?;
    instance.authorize("crm", &server).await?;
    let runner = lab.runner().await?;
    // As it came from the front door, and as it is kept: reports show no secret whatever the runner does.
    let answer = async |path: &str| {
        let url = format!("{}{path}", instance.url_of::<Tells>());
        let request = Request::post(url).body(Bytes::new()).unwrap();
        let answer = runner.ingress.receive(request);
        let answer = lab.while_time_passes(answer).await.unwrap();
        String::from_utf8_lossy(answer.body()).into_owned()
    };
    assert_eq!(
        answer("").await,
        r#"{"error":"no good: [crm.access_token]"}"#
    );
    // One that is renewed while the trigger runs is younger than the run.
    lab.advance(hours(1)).await?;
    assert_eq!(
        answer("/refuse").await,
        r#"{"error":"no good: [crm.access_token]"}"#
    );
    assert_eq!(asked(&server)[1..], ["refresh_token 200"]);

    let store = &runner.engine.ports.store;
    let told = instance.last::<Tells>().await;
    let kept = store.execution(&told.id).await?.unwrap();
    let lines = store.logs(&told.id, 0, 100).await?;
    let lines: Vec<_> = lines.iter().map(|line| line.text.as_str()).collect();
    let expected = [
        "the token is [crm.access_token]",
        "[crm.access_token]",
        "no good: [crm.access_token]",
    ];
    assert_eq!(lines, expected);
    let known = runner.engine.instances.get(instance.id()).unwrap();
    let shown = format!("{kept:?} {:?} {known:?}", known.secrets.authorizations);
    for secret in server.secrets() {
        assert!(!shown.contains(&secret), "{secret} in {shown}");
    }
    Ok(())
}

/// The provider's answer may get lost with the process: one that forgives that is asked again, with the same refresh token.
#[tokio::test]
async fn e55_a_renewed_token_survives_a_crash_at_every_durable_write() -> Result {
    let (lab, server, instance) = bench().await?;
    server.forgive_lost_answers();
    instance.authorize("crm", &server).await?;
    for _ in 0..2 {
        lab.advance(hours(1)).await?;
        fetch(&lab, &instance, "crm", 2).await?;
        fetch(&lab, &instance, "bank", 2).await?;
    }
    assert_eq!(ends(&instance, 8).await, completed());
    let sweep = lab.survives_a_crash_anywhere().await?;
    let kept = sweep
        .points
        .iter()
        .filter(|point| **point == "keys")
        .count();
    assert_eq!(kept, 5, "{:?}", sweep.points);
    Ok(())
}

/// One that does not forgive has to be asked for everything again, and the run says so.
#[tokio::test]
async fn e55_an_answer_that_is_lost_with_the_process_is_told_if_the_provider_does_not_forgive()
-> Result {
    let (lab, server, instance) = bench().await?;
    instance.authorize("crm", &server).await?;
    lab.advance(hours(1)).await?;
    fetch(&lab, &instance, "crm", 1).await?;
    let failure = lab
        .survives_a_crash_anywhere()
        .await
        .unwrap_err()
        .to_string();
    assert!(failure.contains(ENDED), "{failure}");
    assert!(
        failure.contains("before") && !failure.contains("after `keys`"),
        "{failure}"
    );
    Ok(())
}
