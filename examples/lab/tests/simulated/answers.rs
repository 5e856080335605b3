//! What a caller gets.

use lab::{
    Bytes, Caller, Challenge, Counter, Echo, EchoSync, Fail, Panic, Signed, Slow, Status, Xml,
};
use serde_json::{Value, json};
use testing::{Multipart, Result};

use crate::deploy;

/// W10 to W14, W20: the whole request is there, and the caller is answered before it runs.
#[tokio::test]
async fn echo_shows_all_of_a_request() -> Result {
    let (_lab, instance) = deploy().await?;
    let report = instance
        .webhook::<Echo>()
        .path("my/custom/path")
        .query("page", 2)
        .query("tag", "a b")
        .query("tag", "c")
        .header("x-first", "1")
        .header("x-first", "one")
        .json(json!({"Payload Key 1": "abc", "Do Thing?": true}))
        .send()
        .await;
    insta::assert_yaml_snapshot!(report);
    Ok(())
}

/// W15: parts by name, with content types; a part of JSON is parsed.
#[tokio::test]
async fn echo_shows_the_parts_of_a_form_with_files() -> Result {
    let (_lab, instance) = deploy().await?;
    let form = Multipart::new()
        .text("note", "fragile")
        .json("order", json!({"id": 7}))
        .file("photo", "box.png", "image/png", vec![0x89, b'P', 0, 0xff]);
    let report = instance.webhook::<Echo>().multipart(form).send().await;
    let body = &report.execution().output["body"];
    insta::assert_yaml_snapshot!(body);
    Ok(())
}

/// W16: a form without files is a map.
#[tokio::test]
async fn echo_shows_the_fields_of_a_form() -> Result {
    let (_lab, instance) = deploy().await?;
    let report = instance
        .webhook::<Echo>()
        .form([("Body", "Grüße"), ("From", "+33 6")])
        .send()
        .await;
    assert_eq!(
        report.execution().output["body"],
        json!({"Body": "Grüße", "From": "+33 6"})
    );
    Ok(())
}

/// W13: bytes stay as they are.
#[tokio::test]
async fn echo_shows_bytes_as_they_came() -> Result {
    let (_lab, instance) = deploy().await?;
    let report = instance.webhook::<Echo>().bytes(vec![0, 0xff]).send().await;
    let output = &report.execution().output;
    assert_eq!(output["body"], json!({"base64": "AP8="}));
    assert_eq!(output["raw_body_base64"], "AP8=");
    Ok(())
}

/// W14: a body that is not JSON is refused before anything is recorded.
#[tokio::test]
async fn malformed_json_is_refused() -> Result {
    let (_lab, instance) = deploy().await?;
    let webhook = instance.webhook::<Echo>().body("application/json", "{oops");
    let report = webhook.send().await;
    report.assert_refused(400);
    assert_eq!(
        report.response.body,
        json!({"error": "Received malformed JSON payload."})
    );
    Ok(())
}

/// W24, W25: the same result by a redirect, and at once.
#[tokio::test]
async fn echo_sync_redirects_to_its_result_or_gives_it_at_once() -> Result {
    let (_lab, instance) = deploy().await?;
    let redirect = instance.webhook::<EchoSync>().text("plain").send().await;
    redirect.assert_status(303);
    assert_eq!(redirect.response.headers["content-length"], "0");

    let result = instance.follow(&redirect).await;
    result.assert_status(200);
    assert_eq!(result.response.body["body"], "plain");

    let direct = instance
        .webhook::<EchoSync>()
        .direct()
        .text("plain")
        .send()
        .await;
    direct.assert_status(200);
    assert_eq!(direct.response.body["body"], "plain");
    Ok(())
}

/// W21: the answer of the trigger, and the flow runs on behind it.
#[tokio::test]
async fn challenge_answers_before_it_runs() -> Result {
    let (_lab, instance) = deploy().await?;
    let xml = "<notification><type>HOOK</type><challenge>abc</challenge></notification>";
    insta::assert_yaml_snapshot!(instance.webhook::<Challenge>().xml(xml).send().await);

    let refused = instance.webhook::<Challenge>().xml("<other/>").send().await;
    refused.assert_refused(400);
    Ok(())
}

/// W27, W28: the status and the headers that the flow chose.
#[tokio::test]
async fn status_answers_as_it_is_told() -> Result {
    let (_lab, instance) = deploy().await?;
    let status = || instance.webhook::<Status>();
    status().query("code", 415).send().await.assert_status(415);
    let elsewhere = status()
        .query("code", 303)
        .query("location", "https://example.com/there")
        .send()
        .await;
    assert_eq!(
        elsewhere.assert_status(303).response.headers["location"],
        "https://example.com/there"
    );
    let text = status()
        .query("code", 200)
        .query("text", "hello")
        .send()
        .await;
    assert_eq!(text.body::<String>(), "hello");
    Ok(())
}

/// W26: the content type of the result, without quotes around it.
#[tokio::test]
async fn xml_comes_as_xml() -> Result {
    let (_lab, instance) = deploy().await?;
    let report = instance.webhook::<Xml>().direct().send().await;
    assert_eq!(report.response.headers["content-type"], "application/xml");
    assert_eq!(report.response.body, "<note><to>Ada</to></note>");
    Ok(())
}

/// W25: what is large or no text is redirected all the same.
#[tokio::test]
async fn bytes_come_directly_only_when_they_are_text_and_few() -> Result {
    let (_lab, instance) = deploy().await?;
    let bytes = |count: usize| instance.webhook::<Bytes>().query("n", count).direct();
    bytes(4_999_999).send().await.assert_status(200);
    bytes(5_000_000).send().await.assert_status(303);
    bytes(10)
        .query("kind", "binary")
        .send()
        .await
        .assert_status(303);
    Ok(())
}

/// W29: the error of a flow, for its caller and in its log.
#[tokio::test]
async fn fail_and_panic_answer_with_what_went_wrong() -> Result {
    let (_lab, instance) = deploy().await?;
    let failed = instance.webhook::<Fail>().send().await;
    assert_eq!(
        failed.assert_status(400).response.body,
        json!({"error": "The widget requested is not in the database"})
    );
    failed.execution().assert_failed("not in the database");

    let panicked = instance
        .webhook::<Panic>()
        .query("text", "boom")
        .send()
        .await;
    panicked.assert_status(400);
    panicked
        .execution()
        .assert_failed("the flow panicked: boom");
    Ok(())
}

/// W30: time moves on while a caller waits, and the run goes on behind the answer.
#[tokio::test]
async fn slow_keeps_its_caller_waiting_for_29_seconds_at_most() -> Result {
    let (lab, instance) = deploy().await?;
    let slow = |ms: u64| instance.webhook::<Slow>().query("ms", ms).direct();
    let quick = slow(28_999).send().await;
    assert_eq!(quick.assert_status(200).response.body["ms"], 28_999);
    assert_eq!(lab.now().to_string(), "2026-03-27T16:50:28.999Z");

    slow(60_000).send().await.assert_status(504);
    assert_eq!(lab.now().to_string(), "2026-03-27T16:50:57.999Z");
    lab.advance(std::time::Duration::from_secs(31)).await?;
    instance.last::<Slow>().await.assert_completed();
    Ok(())
}

/// W40: the vector of the contract, and everything else is refused.
#[tokio::test]
async fn signed_takes_what_is_signed_with_its_secret() -> Result {
    let (_lab, instance) = deploy().await?;
    let body = r#"{"item":"widget","quantity":5,"customer":"abc-123"}"#;
    let webhook = || instance.webhook::<Signed>().body("application/json", body);
    let vector = "dc838d5b2ee53f55b5bcd77271505f52cd4c6c5123a867d9088fb70ac580f5bf";

    let signed = webhook().signed();
    assert_eq!(signed.request().headers()["x-hmac-sha256"], vector);
    let report = signed.send().await;
    assert_eq!(report.execution().output["item"], "widget");
    webhook()
        .header("x-hmac-sha256", vector)
        .send()
        .await
        .assert_status(200);
    webhook().send().await.assert_refused(401);
    webhook()
        .signed_with("another secret")
        .send()
        .await
        .assert_refused(401);
    Ok(())
}

/// E5: a flow that calls another one, and both are in the report.
#[tokio::test]
async fn caller_returns_what_echo_sync_returned() -> Result {
    let (_lab, instance) = deploy().await?;
    let report = instance
        .webhook::<Caller>()
        .json(json!({"a": 1}))
        .direct()
        .send()
        .await;
    assert_eq!(report.response.body["body"], json!({"a": 1}));
    let called = &report.further[0];
    assert_eq!(called.flow, "echo-sync");
    assert_eq!(called.called_by.as_ref(), Some(&report.execution().id));
    Ok(())
}

/// E40: state outlives a run.
#[tokio::test]
async fn counter_counts_its_runs() -> Result {
    let (_lab, instance) = deploy().await?;
    for expected in 1..=3_u64 {
        let report = instance.webhook::<Counter>().direct().send().await;
        assert_eq!(report.body::<u64>(), expected);
    }
    let stored: Option<Value> = instance.instance_state::<Counter>().get("count").await;
    assert_eq!(stored, Some(json!(3)));
    Ok(())
}
