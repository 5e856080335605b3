//! Fetches what a verified sender's scheme has us fetch: certificates, kept for a while, and URLs by which a subscription is confirmed.
//!
//! Strangers write these URLs, so everything is bounded: which of them are allowed (before they come here), how many are called for an
//! endpoint, how long and how large an answer may be, and for how long a failure is not tried again. Requests that name the same
//! certificate at one moment wait for one call.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use sdk::Timestamp;
use sdk::host::RedirectsAreAnswers;
use sdk::signature::CertificateSource;
use sdk::time::{days, minutes, seconds};

use crate::clock::{Clock, until};
use crate::outbound::{AnswerLimit, Outbound};
use crate::rate::RateLimit;
use crate::signature::{Certificate, allowed_url};

/// A certificate is fetched anew after this long: a sender that loses its key takes the file away.
const KEPT: Duration = days(1);

/// What could not be had is not tried again for this long: less than the 20 seconds after which AWS SNS delivers again, three times in all.
const FAILURE_KEPT: Duration = seconds(10);

/// So many certificates and failures are kept.
const MOST_KEPT: usize = 256;

/// So many calls of each kind are made for one endpoint within a minute.
const MOST_CALLS: u32 = 10;

/// So many issuers are fetched that a certificate does not bring.
const MOST_ISSUERS: usize = 3;

/// A file with a chain of certificates has some thousand bytes.
const LARGEST: usize = 64 * 1024;

/// Senders wait no longer than a few seconds for the whole answer.
const LONGEST: Duration = seconds(5);

/// On whose behalf a call is made, and by what.
#[derive(Clone, Copy)]
pub(super) struct Caller<'a> {
    pub(super) clock: &'a dyn Clock,
    pub(super) outbound: &'a dyn Outbound,
    /// The endpoint whose budget the call uses; none for what was had before.
    pub(super) endpoint: Option<&'a str>,
}

/// Certificates that were fetched, and calls that were made.
pub(super) struct Certificates {
    kept: Mutex<BTreeMap<String, Arc<Place>>>,
    /// Calls for certificates, which strangers may cause.
    calls: RateLimit,
    /// Calls that verified messages ask for.
    confirmations: RateLimit,
}

/// The place of one certificate: whoever holds its turn fetches it, the others wait for that.
#[derive(Default)]
struct Place {
    turn: tokio::sync::Mutex<Option<Kept>>,
}

#[derive(Clone)]
struct Kept {
    until: Timestamp,
    found: Result<Arc<Certificate>, Unreachable>,
    /// Whether a certificate was ever had here: then no stranger has made the URL up.
    was_had: bool,
}

/// Why something was not to be had: for the log. It names the host, and nothing else of the URL.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{reason}")]
pub(super) struct Unreachable {
    reason: Arc<str>,
    /// Whether it was called. If not, that says something of the endpoint and nothing of what it asked for.
    was_called: bool,
}

impl Unreachable {
    fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into().into(),
            was_called: true,
        }
    }
}

impl Certificates {
    pub(super) fn new() -> Self {
        Self {
            kept: Mutex::default(),
            calls: RateLimit::within(minutes(1)),
            confirmations: RateLimit::within(minutes(1)),
        }
    }

    /// Returns the certificate at a URL that its scheme allows.
    pub(super) async fn find(
        &self,
        caller: Caller<'_>,
        source: &CertificateSource,
        url: &str,
    ) -> Result<Arc<Certificate>, Unreachable> {
        // One that is kept without its issuers is not one for a scheme that asks for them.
        let name = format!("{} {url}", source.issuers.is_some());
        let place = self.place(name, caller.clock.now());
        let mut turn = place.turn.lock().await;
        let now = caller.clock.now();
        if let Some(kept) = turn.as_ref().filter(|kept| now < kept.until) {
            return kept.found.clone();
        }
        let was_had = turn.as_ref().is_some_and(|kept| kept.was_had);
        // Once a day for each certificate that there is: strangers cannot make that more, nor keep a sender from it by their calls.
        let endpoint = caller.endpoint.filter(|_| !was_had);
        let found = self.fetch(Caller { endpoint, ..caller }, source, url).await;
        let found = found.map(Arc::new);
        if let Err(fault) = &found
            && !fault.was_called
        {
            return found;
        }
        let until = match &found {
            Ok(certificate) if certificate.valid_until() > now => {
                certificate.valid_until().min(now + KEPT)
            }
            _ => now + FAILURE_KEPT,
        };
        let was_had = was_had || found.is_ok();
        let kept = turn.insert(Kept {
            until,
            found,
            was_had,
        });
        kept.found.clone()
    }

    /// Calls a URL that a verified message names, and demands that it answers well. Calls for certificates leave its budget alone.
    pub(super) async fn confirm(&self, caller: Caller<'_>, url: &str) -> Result<(), Unreachable> {
        let answer = call(caller, &self.confirmations, url).await;
        answer.map(drop)
    }

    async fn fetch(
        &self,
        caller: Caller<'_>,
        source: &CertificateSource,
        url: &str,
    ) -> Result<Certificate, Unreachable> {
        let file = call(caller, &self.calls, url).await?;
        let authorities = caller.outbound.authorities();
        let read = Certificate::read(url, &file, &authorities);
        let mut certificate = read.map_err(|refusal| Unreachable::new(refusal.to_string()))?;
        let Some(issuers) = &source.issuers else {
            return Ok(certificate);
        };
        let mut fetched = 0;
        while fetched < MOST_ISSUERS {
            let Some(issuer) = certificate.missing_issuer(caller.clock.now()) else {
                break;
            };
            let Some(allowed) = allowed_url(issuers, &issuer) else {
                break;
            };
            let file = call(caller, &self.calls, allowed.as_str()).await?;
            let added = certificate.add_issuer(&file);
            added.map_err(|refusal| Unreachable::new(refusal.to_string()))?;
            fetched += 1;
        }
        // Issuers may come over plain HTTP: what somebody on the way has answered is not kept for a day.
        if fetched > 0 && certificate.lacks_issuer(caller.clock.now()) {
            return Err(Unreachable::new(
                "the issuers that were fetched lead to no authority that is trusted",
            ));
        }
        Ok(certificate)
    }

    /// Returns the place of a certificate. If there are too many, those go first at which none was ever had, then those whose time is
    /// over, then those that are not in use: what a stranger has named is gone before what was fetched.
    fn place(&self, name: String, now: Timestamp) -> Arc<Place> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MOST_KEPT && !kept.contains_key(&name) {
            kept.retain(|_, place| !place.is_spent(|found| !found.was_had));
            if kept.len() >= MOST_KEPT {
                kept.retain(|_, place| !place.is_spent(|found| found.until <= now));
            }
            if kept.len() >= MOST_KEPT {
                kept.retain(|_, place| !place.is_spent(|_| true));
            }
        }
        Arc::clone(kept.entry(name).or_default())
    }
}

impl Place {
    /// Says whether nobody uses the place, and what it keeps is of this kind.
    fn is_spent(&self, test: impl Fn(&Kept) -> bool) -> bool {
        let turn = self.turn.try_lock();
        turn.is_ok_and(|kept| kept.as_ref().is_none_or(test))
    }
}

/// Calls a URL by GET and demands that it answers well.
async fn call(caller: Caller<'_>, budget: &RateLimit, url: &str) -> Result<Bytes, Unreachable> {
    let now = caller.clock.now();
    if let Some(endpoint) = caller.endpoint
        && !budget.take(endpoint, MOST_CALLS, now)
    {
        let reason = "too many calls were asked for at this endpoint within a minute";
        return Err(Unreachable {
            was_called: false,
            ..Unreachable::new(reason)
        });
    }
    let request = Request::get(url).body(Bytes::new());
    let mut request = request.map_err(|_| Unreachable::new("its URL cannot be called"))?;
    let host = request.uri().host().unwrap_or_default().to_owned();
    request.extensions_mut().insert(RedirectsAreAnswers);
    request.extensions_mut().insert(AnswerLimit(LARGEST));
    let exchange = caller.outbound.send(request);
    let answer = until(caller.clock, now + LONGEST, exchange).await;
    let answer = answer.map_err(|_| {
        let limit = LONGEST.as_secs();
        Unreachable::new(format!("no answer from `{host}` within {limit} s"))
    })?;
    let answer = answer.map_err(|fault| Unreachable::new(fault.to_string()))?;
    body(&host, answer)
}

fn body(host: &str, answer: Response<Bytes>) -> Result<Bytes, Unreachable> {
    if answer.status() != StatusCode::OK {
        let status = answer.status().as_u16();
        return Err(Unreachable::new(format!("`{host}` answered {status}")));
    }
    let body = answer.into_body();
    if body.len() > LARGEST {
        let text = format!("the answer of `{host}` is longer than {LARGEST} bytes");
        return Err(Unreachable::new(text));
    }
    Ok(body)
}

#[cfg(test)]
#[cfg(feature = "asymmetric-signatures")]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use sdk::host::BoxFuture;
    use sdk::signature::providers;

    use super::*;
    use crate::clock::ManualClock;
    use crate::outbound::OutboundError;

    const FILE: &str = include_str!("../../../testing/src/certificates/sender.pem");

    /// Answers at URLs that hold `good`, at others with 404, and never at those that hold `silent`.
    #[derive(Default)]
    struct Servers(AtomicUsize);

    impl Outbound for Servers {
        fn send(
            &self,
            request: Request<Bytes>,
        ) -> BoxFuture<'static, Result<Response<Bytes>, OutboundError>> {
            self.0.fetch_add(1, Ordering::Relaxed);
            assert_eq!(request.extensions().get(), Some(&AnswerLimit(LARGEST)));
            assert!(request.extensions().get::<RedirectsAreAnswers>().is_some());
            let url = request.uri().to_string();
            if url.contains("silent") {
                return Box::pin(std::future::pending());
            }
            let mut answer = Response::new(Bytes::from_static(FILE.as_bytes()));
            if !url.contains("good") {
                *answer.status_mut() = StatusCode::NOT_FOUND;
            }
            Box::pin(std::future::ready(Ok(answer)))
        }
    }

    fn source() -> CertificateSource {
        providers::aws_sns().scheme.certificate.unwrap()
    }

    fn clock() -> ManualClock {
        ManualClock::at("2026-03-27T16:50:00Z".parse().unwrap())
    }

    #[tokio::test]
    async fn w41_a_server_that_does_not_answer_is_waited_for_five_seconds_and_no_longer() {
        let (certificates, servers, clock) = (Certificates::new(), Servers::default(), clock());
        let (source, began) = (source(), clock.now());
        let caller = Caller {
            clock: &clock,
            outbound: &servers,
            endpoint: Some("one"),
        };
        let url = "https://sns.us-east-1.amazonaws.com/silent.pem";
        let (found, ()) = tokio::join!(certificates.find(caller, &source, url), async {
            tokio::task::yield_now().await;
            let deadline = clock.next_deadline().unwrap();
            assert_eq!(deadline, began + LONGEST);
            clock.advance_to(deadline);
        });
        let text = found.unwrap_err().to_string();
        assert_eq!(
            text,
            "no answer from `sns.us-east-1.amazonaws.com` within 5 s"
        );
        // It is not waited for again at once.
        assert!(certificates.find(caller, &source, url).await.is_err());
        assert_eq!(servers.0.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn w41_an_endpoint_without_calls_left_keeps_no_other_one_from_its_certificate() {
        let (certificates, servers, clock) = (Certificates::new(), Servers::default(), clock());
        let source = source();
        let find = async |endpoint: &str, name: &str| {
            let caller = Caller {
                clock: &clock,
                outbound: &servers,
                endpoint: Some(endpoint),
            };
            let url = format!("https://sns.us-east-1.amazonaws.com/{name}.pem");
            certificates.find(caller, &source, &url).await.is_ok()
        };
        for number in 0..MOST_CALLS {
            assert!(!find("one", &number.to_string()).await);
        }
        assert!(!find("one", "good").await);
        assert!(find("two", "good").await);
        // What is kept serves every endpoint, also one without calls.
        assert!(find("one", "good").await);
    }

    #[tokio::test]
    async fn w41_a_stranger_keeps_no_endpoint_from_a_certificate_that_it_had_before() {
        let (certificates, servers, clock) = (Certificates::new(), Servers::default(), clock());
        let source = source();
        let find = async |name: &str| {
            let caller = Caller {
                clock: &clock,
                outbound: &servers,
                endpoint: Some("one"),
            };
            let url = format!("https://sns.us-east-1.amazonaws.com/{name}.pem");
            certificates.find(caller, &source, &url).await.is_ok()
        };
        assert!(find("good").await);
        clock.advance_to(clock.now() + KEPT);
        for number in 0..2 * MOST_KEPT {
            assert!(!find(&number.to_string()).await);
        }
        assert!(find("good").await);
        let calls = usize::try_from(MOST_CALLS).unwrap();
        assert_eq!(servers.0.load(Ordering::Relaxed), 1 + calls + 1);
    }

    #[tokio::test]
    async fn w41_what_strangers_name_is_kept_in_bounds_and_drives_nothing_out_that_is_good() {
        let (certificates, servers, clock) = (Certificates::new(), Servers::default(), clock());
        let source = source();
        let find = async |endpoint: &str, name: &str| {
            let caller = Caller {
                clock: &clock,
                outbound: &servers,
                endpoint: Some(endpoint),
            };
            let url = format!("https://sns.us-east-1.amazonaws.com/{name}.pem");
            certificates.find(caller, &source, &url).await.is_ok()
        };
        assert!(find("one", "good").await);
        for number in 0..2 * MOST_KEPT {
            assert!(!find(&number.to_string(), &number.to_string()).await);
        }
        let kept = certificates.kept.lock().unwrap().len();
        assert!(kept <= MOST_KEPT, "{kept}");
        let calls = servers.0.load(Ordering::Relaxed);
        assert_eq!(calls, 1 + 2 * MOST_KEPT);
        assert!(find("one", "good").await);
        assert_eq!(servers.0.load(Ordering::Relaxed), calls);
        // Where there is nothing but good ones, they make room for one another.
        for number in 0..2 * MOST_KEPT {
            assert!(find(&number.to_string(), &format!("good-{number}")).await);
        }
        assert!(certificates.kept.lock().unwrap().len() <= MOST_KEPT);
    }
}
