//! Where providers send back whoever has authorised a connection (E55).

use bytes::Bytes;
use http::Request;
use sdk::connection::OAuth2;
use sdk::prelude::*;
use testing::Result;

use super::{asked, bench, config};

/// Whoever comes back reads one sentence, and nothing of what the request holds.
#[tokio::test]
async fn e55_a_state_is_good_for_one_return_within_ten_minutes() -> Result {
    let (lab, server, instance) = bench().await?;
    let get = async |url: &str| {
        let request = Request::get(url).body(Bytes::new()).unwrap();
        let report = instance.send(request).await;
        let body = report
            .response
            .body
            .as_str()
            .unwrap_or_default()
            .trim()
            .to_owned();
        (report.status(), body)
    };
    let invalid = (
        400,
        "This link is not valid any more; ask for a new one.".to_owned(),
    );
    let back = "https://hooks.example.test/oauth/callback";
    for query in ["", "?state=canary&code=canary", "?code=canary"] {
        assert_eq!(get(&format!("{back}{query}")).await, invalid);
    }

    let url = server.consent(&instance.authorize_url("crm")?)?;
    let done = "The connection is authorised. You can close this page.".to_owned();
    assert_eq!(get(&url).await, (200, done));
    assert_eq!(get(&url).await, invalid);
    assert_eq!(asked(&server).len(), 1);

    let url = server.consent(&instance.authorize_url("crm")?)?;
    lab.advance(minutes(10)).await?;
    assert_eq!(get(&url).await, invalid);

    let url = server.consent(&instance.authorize_url("crm")?)?;
    let denied = "The connection was not authorised; ask for a new link to try again.".to_owned();
    assert_eq!(
        get(&format!("{url}&error=%3Cb%3Ecanary%3C/b%3E")).await,
        (400, denied)
    );
    assert_eq!(get(&url).await, invalid);

    let url = server.consent(&instance.authorize_url("crm")?)?;
    let (_, state) = url.rsplit_once("state=").unwrap();
    let other =
        "The other system did not confirm the authorisation; ask for a new link to try again.";
    assert_eq!(
        get(&format!("{back}?code=canary&state={state}")).await,
        (502, other.to_owned())
    );

    let url = server.consent(&instance.authorize_url("crm")?)?;
    let mut changed = config(&server);
    changed.crm = Connection::new(OAuth2::new("another-client", "another-secret"));
    instance.redeploy(changed).await?;
    let changed = "The connection has changed meanwhile; ask for a new link.".to_owned();
    assert_eq!(get(&url).await, (400, changed));

    let post = Request::post(back).body(Bytes::new())?;
    assert_eq!(instance.send(post).await.status(), 405);
    assert!(instance.authorize_url("bank").is_err());
    assert!(instance.authorize_url("url").is_err());
    Ok(())
}
