//! No header, URL or body makes any preset panic, pass without its secret, or answer a guarded handshake.
#![no_main]

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use libfuzzer_sys::fuzz_target;
use runner::signature::{
    HandshakeKeys, HandshakeOutcome, SignedRequest, allowed_url, answer_handshake, certificate_url,
    verify,
};
use sdk::signature::{Guard, Place, Source, providers};
use sdk::{Secret, Timestamp};

// Lines: the number of the preset, the query, values for the headers that the preset reads; then an empty line and the body.
fuzz_target!(|data: &[u8]| {
    let end = data.windows(2).position(|pair| pair == b"\n\n");
    let (head, body) = end.map_or((data, &[][..]), |end| (&data[..end], &data[end + 2..]));
    let mut lines = head.split(|byte| *byte == b'\n');
    let number = lines.next().and_then(|line| line.first()).copied();
    let all = providers::all();
    let provider = &all[usize::from(number.unwrap_or_default()) % all.len()];
    let query = String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
    let url = format!("https://hooks.example/trigger/abc?{query}");

    let mut names: Vec<String> = vec!["content-type".to_owned()];
    match &provider.scheme.place {
        Place::Headers { names: found, .. } => names.extend(found.iter().cloned()),
        Place::NumberedHeaders(stem) => names.push(format!("{stem}1")),
        _ => {}
    }
    let timestamp = provider
        .scheme
        .timestamp
        .as_ref()
        .map(|found| &found.source);
    for source in [timestamp, provider.scheme.id.as_ref()]
        .into_iter()
        .flatten()
    {
        if let Source::Header(name) = source {
            names.push(name.clone());
        }
    }
    if let Some(Source::Header(name)) = provider
        .scheme
        .certificate
        .as_ref()
        .map(|source| &source.url)
    {
        names.extend([name.clone(), "paypal-transmission-id".to_owned()]);
    }
    names.extend(["x-hook-secret", "x-okta-verification-challenge"].map(str::to_owned));
    let mut headers = HeaderMap::new();
    for (name, value) in &provider.scheme.demands {
        headers.insert(HeaderName::try_from(name).unwrap(), value.parse().unwrap());
    }
    for (place, value) in lines.enumerate() {
        let name = &names[place % names.len()];
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.append(HeaderName::try_from(name).unwrap(), value);
        }
    }
    let now: Timestamp = "2026-03-27T16:50:00Z".parse().unwrap();
    let secrets = [Secret::new("whsec_c2VjcmV0IHRoYXQgbm8gZnV6emVyIGtub3dz")];
    for method in [Method::GET, Method::HEAD, Method::POST] {
        let request = SignedRequest {
            method: &method,
            url: &url,
            headers: &headers,
            body,
        };
        assert!(
            verify(&provider.scheme, &secrets, &request, now).is_err(),
            "{}",
            provider.name
        );
        assert!(
            verify(&provider.scheme, &secrets[..0], &request, now).is_err(),
            "{}",
            provider.name
        );
        // What of a request no scheme allows is never fetched.
        if let Ok(Some(url)) = certificate_url(&provider.scheme, &secrets, &request, now) {
            let rule = &provider.scheme.certificate.as_ref().unwrap().allowed;
            assert!(allowed_url(rule, &url).is_some_and(|read| read.as_str() == url));
        }
        let keys = HandshakeKeys {
            signing: &secrets,
            tokens: &secrets,
            certificate: None,
        };
        if let Some(answer) = answer_handshake(provider, keys, &request, now)
            && answer.outcome == HandshakeOutcome::Verified
        {
            let asked = provider
                .handshakes
                .iter()
                .find(|known| known.name == answer.handshake);
            assert_eq!(asked.unwrap().guard, Guard::Open, "{}", provider.name);
        }
    }
});
