//! Values that the senders themselves have published, and those of the contract: what we compute is what they send.

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use sdk::signature::{Hash, Part, SignatureScheme, providers};
use sdk::{Secret, Timestamp};

use super::{Refusal, SignedRequest, Verified, verify};

struct Delivery<'a> {
    scheme: SignatureScheme,
    secret: &'a str,
    method: Method,
    url: &'a str,
    headers: Vec<(&'a str, &'a str)>,
    body: &'a str,
    at: &'a str,
}

impl Default for Delivery<'_> {
    fn default() -> Self {
        Self {
            scheme: SignatureScheme::hmac("x-signature", Hash::Sha256),
            secret: "",
            method: Method::POST,
            url: "https://example.com/",
            headers: Vec::new(),
            body: "",
            at: "2026-03-27T16:50:00Z",
        }
    }
}

impl Delivery<'_> {
    fn verify(&self) -> Result<Verified, Refusal> {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let name: HeaderName = name.parse().unwrap();
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        let request = SignedRequest {
            method: &self.method,
            url: self.url,
            headers: &headers,
            body: self.body.as_bytes(),
        };
        let now: Timestamp = self.at.parse().unwrap();
        verify(&self.scheme, &[Secret::new(self.secret)], &request, now)
    }

    /// It is accepted, and no longer with another body.
    #[track_caller]
    fn accept(self) {
        self.verify().unwrap();
        let body = format!("{} ", self.body);
        let tampered = Delivery {
            body: &body,
            ..self
        };
        tampered.verify().unwrap_err();
    }
}

#[test]
fn w40_tp92_tp93_tp95_the_values_of_the_contract_are_accepted() {
    let key = "AC49CB66-511F-4085-9119-360B1B142F4B";
    let body = r#"{"item":"widget","quantity":5,"customer":"abc-123"}"#;
    let values = [
        (Hash::Md5, "1519c4986290218cbb72c242a843f4e1"),
        (Hash::Sha1, "2a977837f38ccb1cdf9c4ebfabcce99026f7c02a"),
        (
            Hash::Sha256,
            "dc838d5b2ee53f55b5bcd77271505f52cd4c6c5123a867d9088fb70ac580f5bf",
        ),
        (
            Hash::Sha512,
            "02e0410b8430f5d8bc8c98198f463847549bc341ae3b3b1540b154867b218752c1b59e46793f9cfe5949ba2ddedd0b3ee8fc9373de70dbab11e4fa77d9d3e441",
        ),
    ];
    for (hash, signature) in values {
        let delivery = Delivery {
            scheme: SignatureScheme::hmac("my-hmac-header", hash),
            secret: key,
            headers: vec![("My-Hmac-Header", signature)],
            body,
            ..Delivery::default()
        };
        delivery.accept();
    }
    let delivery = Delivery {
        scheme: SignatureScheme::hmac("x-hmac-hash", Hash::Sha256),
        secret: "secret-FA782CF7-060E-484E-B3DC-055CF2C9ED99",
        headers: vec![(
            "x-hmac-hash",
            "d12f95e3f98240cff00b2743160455fdf70cb8d431db2981a9af8414fc4ad5f8",
        )],
        body: r#"{"event":"REFUND_REQUEST","user":"realcustomer@notabaddie.com","amount":"50.25"}"#,
        ..Delivery::default()
    };
    delivery.accept();
}

#[test]
fn w41_the_values_of_github_and_octokit_are_accepted() {
    let github = |secret, signature, body| Delivery {
        scheme: providers::github().scheme,
        secret,
        headers: vec![("X-Hub-Signature-256", signature)],
        body,
        ..Delivery::default()
    };
    github(
        "It's a Secret to Everybody",
        "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
        "Hello, World!",
    )
    .accept();
    let body = "{\n  \"foo\": \"bar\"\n}\n";
    github(
        "mysecret",
        "sha256=e3eccac34c43c7dc1cbb905488b1b81347fcc700a7b025697a9d07862256023f",
        body,
    )
    .accept();
    // The older signature beside it has the form that Intercom uses.
    let older = Delivery {
        scheme: providers::intercom().scheme,
        secret: "mysecret",
        headers: vec![(
            "X-Hub-Signature",
            "sha1=640c0ea7402a3f74e1767338fa2dba243b1f2d9c",
        )],
        body,
        ..Delivery::default()
    };
    older.accept();
}

#[test]
fn w41_the_value_of_slack_accept() {
    let delivery = Delivery {
        scheme: providers::slack().scheme,
        secret: "8f742231b10e8888abcd99yyyzzz85a5",
        headers: vec![
            ("X-Slack-Request-Timestamp", "1531420618"),
            (
                "X-Slack-Signature",
                "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
            ),
        ],
        body: "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c",
        at: "2018-07-12T18:36:58Z",
        ..Delivery::default()
    };
    delivery.accept();
}

fn twilio<'a>(url: &'a str, signature: &'a str, body: &'a str) -> Delivery<'a> {
    let content_type = if body.starts_with('{') {
        "application/json"
    } else {
        "application/x-www-form-urlencoded; charset=UTF-8"
    };
    Delivery {
        scheme: providers::twilio().scheme,
        secret: "12345",
        url,
        headers: vec![
            ("X-Twilio-Signature", signature),
            ("Content-Type", content_type),
        ],
        body,
        ..Delivery::default()
    }
}

#[test]
fn w41_the_values_of_twilio_are_accepted() {
    let body = "Digits=1234&To=%2B18005551212&From=%2B14158675309&Caller=%2B14158675309&CallSid=CA1234567890ABCDE";
    let forms = [
        (
            "https://mycompany.com/myapp.php?foo=1&bar=2",
            "RSOYDt4T1cUTdK1PDd93/VVr8B8=",
        ),
        // Signed with port 443, though the URL has none.
        (
            "https://mycompany.com/myapp.php?foo=1&bar=2",
            "kvajT1Ptam85bY51eRf/AJRuM3w=",
        ),
        // Signed without a port, though the URL has one.
        (
            "https://mycompany.com:1234/myapp.php?foo=1&bar=2",
            "RSOYDt4T1cUTdK1PDd93/VVr8B8=",
        ),
        (
            "http://mycompany.com:1234/myapp.php?foo=1&bar=2",
            "Zmvh+3yNM1Phv2jhDCwEM3q5ebU=",
        ),
        (
            "http://mycompany.com/myapp.php?foo=1&bar=2",
            "0ZXoZLH/DfblKGATFgpif+LLRf4=",
        ),
        (
            "https://user:pass@mycompany.com/myapp.php?foo=1&bar=2",
            "CukzLTc1tT5dXEDIHm/tKBanW10=",
        ),
        (
            "https://MyCompany.com/myapp.php?foo=1&bar=2",
            "g9IN/x4Cft2g517EjYvEvM/W7LU=",
        ),
    ];
    for (url, signature) in forms {
        twilio(url, signature, body).accept();
    }
    twilio(
        "https://mycompany.com/myapp.php?foo=1&bar=2",
        "IK+Dwps556ElfBT0I3Rgjkr1wJU=",
        "Sid=CA123&SidAccount=AC123&Digits=5678&Digits=1234&Digits=1234",
    )
    .accept();
}

#[test]
fn w41_the_values_of_twilio_for_json_are_accepted() {
    let body = r#"{"property": "value", "boolean": true}"#;
    let digest = "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620";
    let both = format!("https://mycompany.com/myapp.php?foo=1&bar=2&bodySHA256={digest}");
    twilio(&both, "a9nBmqA0ju/hNViExpshrM61xv4=", body).accept();
    let alone = format!("https://mycompany.com/myapp.php?bodySHA256={digest}");
    twilio(&alone, "y77kIzt2vzLz71DgmJGsen2scGs=", body).accept();
    let uncovered = twilio(
        "https://mycompany.com/myapp.php?foo=1&bar=2",
        "RSOYDt4T1cUTdK1PDd93/VVr8B8=",
        body,
    );
    assert_eq!(uncovered.verify(), Err(Refusal::UncoveredBody));
}

#[test]
fn w41_the_value_of_standard_webhooks_and_svix_accept() {
    for (family, provider) in [
        ("webhook", providers::standard_webhooks()),
        ("svix", providers::svix()),
    ] {
        let [id, timestamp, signature] =
            ["id", "timestamp", "signature"].map(|name| format!("{family}-{name}"));
        for signatures in [
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
            "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc= v2,x v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        ] {
            let delivery = Delivery {
                scheme: provider.scheme.clone(),
                secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
                headers: vec![
                    (&id, "msg_p5jXN8AQM9LWM0D4loKWxJek"),
                    (&timestamp, "1614265330"),
                    (&signature, signatures),
                ],
                body: r#"{"test": 2432232314}"#,
                at: "2021-02-25T15:02:10Z",
                ..Delivery::default()
            };
            let verified = delivery.verify().unwrap();
            assert_eq!(
                verified.delivery_id.unwrap(),
                "msg_p5jXN8AQM9LWM0D4loKWxJek"
            );
            delivery.accept();
        }
    }
}

#[cfg(feature = "asymmetric-signatures")]
#[test]
fn w41_the_ed25519_value_of_svix_accept() {
    let delivery = Delivery {
        scheme: providers::standard_webhooks_asymmetric().scheme,
        secret: "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=",
        headers: vec![
            ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
            ("webhook-timestamp", "1614265330"),
            (
                "webhook-signature",
                "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4= v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==",
            ),
        ],
        body: r#"{"test": 2432232314}"#,
        at: "2021-02-25T15:02:10Z",
        ..Delivery::default()
    };
    delivery.accept();
}

#[test]
fn w41_the_values_of_hubspot_are_accepted() {
    let secret = "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy";
    let url = "https://www.example.com/webhook_uri";
    let first = Delivery {
        scheme: providers::hubspot_v1().scheme,
        secret,
        headers: vec![
            (
                "X-HubSpot-Signature",
                "232db2615f3d666fe21a8ec971ac7b5402d33b9a925784df3ca654d05f4817de",
            ),
            ("X-HubSpot-Signature-Version", "v1"),
        ],
        body: r#"[{"eventId":1,"subscriptionId":12345,"portalId":62515,"occurredAt":1564113600000,"subscriptionType":"contact.creation","attemptNumber":0,"objectId":123,"changeSource":"CRM","changeFlag":"NEW","appId":54321}]"#,
        ..Delivery::default()
    };
    first.accept();
    let second = |method, signature, body| Delivery {
        scheme: providers::hubspot_v2().scheme,
        secret,
        method,
        url,
        headers: vec![
            ("X-HubSpot-Signature", signature),
            ("X-HubSpot-Signature-Version", "v2"),
        ],
        body,
        ..Delivery::default()
    };
    second(
        Method::GET,
        "eee2dddcc73c94d699f5e395f4b9d454a069a6855fbfa152e91e88823087200e",
        "",
    )
    .accept();
    second(
        Method::POST,
        "9569219f8ba981ffa6f6f16aa0f48637d35d728c7e4d93d0d52efaa512af7900",
        r#"{"example_field":"example_value"}"#,
    )
    .accept();
    for (timestamp, signature, at) in [
        (
            "1693657560000",
            "K36dawei4A+QBNolUOqo7s91KQDWQ5MXZ/QufNYuk/Y=",
            "2023-09-02T12:26:00Z",
        ),
        (
            "1700000300000",
            "RnbPH7+UMKVkbV32P8bz450N4M56aPmcru1+D3kSDtw=",
            "2023-11-14T22:18:20Z",
        ),
    ] {
        let third = Delivery {
            scheme: providers::hubspot().scheme,
            secret,
            url,
            headers: vec![
                ("X-HubSpot-Signature-v3", signature),
                ("X-HubSpot-Request-Timestamp", timestamp),
            ],
            body: "{'example_field':'example_value'}",
            at,
            ..Delivery::default()
        };
        third.accept();
    }
}

#[cfg(feature = "asymmetric-signatures")]
#[test]
fn w41_the_value_of_sendgrid_is_accepted_and_its_failures_are_refused() {
    let key = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+2fNNRaINXvVpiglSI8eNEc6wEA3F+g==";
    let other_key = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqTxd43gyp8IOEto2LdIfjRQrIbsd4SXZkLW6jDutdhXSJCWHw8REntlo7aNDthvj+y7GjUuFDb/R1NGe1OPzpA==";
    let signature = "MEUCIGHQVtGj+Y3LkG9fLcxf3qfI10QysgDWmMOVmxG0u6ZUAiEAyBiXDWzM+uOe5W0JuG+luQAbPIqHh89M15TluLtEZtM=";
    let other_signature = "MEUCIQCtIHJeH93Y+qpYeWrySphQgpNGNr/U+UyUlBkU6n7RAwIgJTz2C+8a8xonZGi6BpSzoQsbVRamr2nlxFDWYNH3j/0=";
    let body = "[{\"email\":\"hello@world.com\",\"event\":\"dropped\",\"reason\":\"Bounced Address\",\"sg_event_id\":\"ZHJvcC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA\",\"sg_message_id\":\"LRzXl_NHStOGhQ4kofSm_A.filterdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0\",\"smtp-id\":\"<LRzXl_NHStOGhQ4kofSm_A@ismtpd0039p1iad1.sendgrid.net>\",\"timestamp\":1600112492}]\r\n";
    let delivery = |secret, signature| Delivery {
        scheme: providers::sendgrid().scheme,
        secret,
        headers: vec![
            ("X-Twilio-Email-Event-Webhook-Signature", signature),
            ("X-Twilio-Email-Event-Webhook-Timestamp", "1600112502"),
        ],
        body,
        at: "2020-09-14T19:41:42Z",
        ..Delivery::default()
    };
    delivery(key, signature).accept();
    for (secret, signature) in [(other_key, signature), (key, other_signature)] {
        assert_eq!(delivery(secret, signature).verify(), Err(Refusal::Mismatch));
    }
}

#[test]
fn w41_the_values_of_box_are_accepted_under_either_key() {
    for secret in ["SamplePrimaryKey", "SampleSecondaryKey"] {
        let delivery = Delivery {
            scheme: providers::box_().scheme,
            secret,
            headers: vec![
                ("BOX-DELIVERY-ID", "f96bb54b-ee16-4fc5-aa65-8c2d9e5b546f"),
                ("BOX-DELIVERY-TIMESTAMP", "2020-01-01T00:00:00-07:00"),
                ("BOX-SIGNATURE-ALGORITHM", "HmacSHA256"),
                (
                    "BOX-SIGNATURE-PRIMARY",
                    "6TfeAW3A1PASkgboxxA5yqHNKOwFyMWuEXny/FPD5hI=",
                ),
                (
                    "BOX-SIGNATURE-SECONDARY",
                    "v+1CD1Jdo3muIcbpv5lxxgPglOqMfsNHPV899xWYydo=",
                ),
                ("BOX-SIGNATURE-VERSION", "1"),
            ],
            body: r#"{"type":"webhook_event","webhook":{"id":"1234567890"},"trigger":"FILE.UPLOADED","source":{"id":"1234567890","type":"file","name":"Test.txt"}}"#,
            at: "2020-01-01T07:10:00Z",
            ..Delivery::default()
        };
        delivery.accept();
    }
}

/// Finding 11: the older example signs in the other order than the documentation of today.
#[test]
fn w41_the_old_example_of_zendesk_is_refused() {
    let delivery = |scheme| Delivery {
        scheme,
        secret: "HRkRd4BeOAoUkfZr-mhauJT64rvBASlJRoIyPsd3zeA=",
        headers: vec![
            (
                "X-Zendesk-Webhook-Signature",
                "tRDSF7URY8BLCDlaBcQ7FHu051Zk+aAB0NKMP53teMw=",
            ),
            (
                "X-Zendesk-Webhook-Signature-Timestamp",
                "2021-07-25T10:00:00Z",
            ),
        ],
        body: r#"{"say": "hello"}"#,
        at: "2021-07-25T10:00:00Z",
        ..Delivery::default()
    };
    let today = providers::zendesk().scheme;
    let then = today.clone().signs([Part::Body, Part::Timestamp]);
    assert_eq!(delivery(today).verify(), Err(Refusal::Mismatch));
    delivery(then).accept();
}
