//! Connects to what may be reached, and to nothing else. A name is resolved once: what was checked is what is connected to, so that a
//! name server cannot give one answer to the check and another to the connection.

use std::error::Error as StdError;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::vec;

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use sdk::host::BoxFuture;
use tower_service::Service;

use super::reach::Reach;

type Fault = Box<dyn StdError + Send + Sync>;

/// Resolves names to addresses that may be reached.
#[derive(Clone)]
pub(crate) struct GuardedResolver {
    system: GaiResolver,
    reach: Arc<Reach>,
}

impl Service<Name> for GuardedResolver {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = Fault;
    type Future = BoxFuture<'static, Result<Self::Response, Fault>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        self.system.poll_ready(context).map_err(Fault::from)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let reach = Arc::clone(&self.reach);
        let allowed = reach.allows_host(name.as_str());
        let resolving = self.system.call(name);
        Box::pin(async move {
            let found: Vec<SocketAddr> = resolving.await?.collect();
            if allowed {
                return Ok(found.into_iter());
            }
            permitted(found, &reach)
        })
    }
}

/// Keeps the addresses that may be reached; if there is none, says why.
fn permitted(found: Vec<SocketAddr>, reach: &Reach) -> Result<vec::IntoIter<SocketAddr>, Fault> {
    let mut refused = None;
    let mut kept = Vec::with_capacity(found.len());
    for address in found {
        match reach.check(address.ip()) {
            Ok(()) => kept.push(address),
            Err(refusal) => refused = refused.or(Some(refusal)),
        }
    }
    match refused {
        Some(refusal) if kept.is_empty() => Err(refusal.into()),
        _ => Ok(kept.into_iter()),
    }
}

/// Connects over TCP. Addresses that stand in the URL itself are never resolved, so they are checked here.
#[derive(Clone)]
pub(crate) struct GuardedConnector {
    tcp: HttpConnector<GuardedResolver>,
    reach: Arc<Reach>,
}

impl GuardedConnector {
    pub(super) fn new(reach: &Arc<Reach>) -> Self {
        let resolver = GuardedResolver {
            system: GaiResolver::new(),
            reach: Arc::clone(reach),
        };
        let mut tcp = HttpConnector::new_with_resolver(resolver);
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(std::time::Duration::from_secs(10)));
        Self {
            tcp,
            reach: Arc::clone(reach),
        }
    }
}

impl Service<Uri> for GuardedConnector {
    type Response = <HttpConnector<GuardedResolver> as Service<Uri>>::Response;
    type Error = Fault;
    type Future = BoxFuture<'static, Result<Self::Response, Fault>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        self.tcp.poll_ready(context).map_err(Fault::from)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        if let Some(address) = literal(&uri)
            && let Err(refusal) = self.reach.check(address)
        {
            return Box::pin(std::future::ready(Err(refusal.into())));
        }
        let connecting = self.tcp.call(uri);
        Box::pin(async move { connecting.await.map_err(Fault::from) })
    }
}

/// Returns the address that a URL holds in the place of a name.
fn literal(uri: &Uri) -> Option<IpAddr> {
    let host = uri.host()?;
    let host = host.strip_prefix('[').unwrap_or(host);
    host.strip_suffix(']').unwrap_or(host).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sockets(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn of_several_addresses_of_a_name_only_the_public_ones_are_tried() {
        let found = sockets(&["10.0.0.1:80", "[2606:4700::1]:80", "127.0.0.1:80"]);
        let kept = permitted(found, &Reach::public()).unwrap();
        assert_eq!(kept.collect::<Vec<_>>(), sockets(&["[2606:4700::1]:80"]));
        let refusal = permitted(sockets(&["10.0.0.1:80"]), &Reach::public()).unwrap_err();
        assert!(
            refusal
                .to_string()
                .starts_with("10.0.0.1 is a private address;")
        );
        let nothing = permitted(Vec::new(), &Reach::public()).unwrap();
        assert_eq!(nothing.count(), 0);
    }

    #[test]
    fn an_address_in_a_url_is_seen_with_and_without_brackets() {
        for (url, address) in [
            ("http://127.0.0.1:80/x", Some("127.0.0.1")),
            ("http://[::1]/", Some("::1")),
            ("http://[::ffff:10.0.0.1]:8080/", Some("::ffff:10.0.0.1")),
            ("http://shop.example/", None),
        ] {
            let found = literal(&url.parse().unwrap());
            assert_eq!(found, address.map(|text| text.parse().unwrap()), "{url}");
        }
    }
}
