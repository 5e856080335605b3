//! Which addresses author code may call: public ones, and what the operator allows.
//!
//! A URL that a customer or a sender chose must not lead into the operator's own network, nor to the metadata service of a cloud, which
//! hands out credentials to whoever asks from inside.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Which addresses may be called.
///
/// ```
/// use runner::outbound::Reach;
///
/// let reach = Reach::parse(&["10.1.0.0/16", "erp.internal"])?;
/// assert!(reach.check("10.1.2.3".parse()?).is_ok());
/// assert!(reach.check("10.2.2.3".parse()?).is_err());
/// assert!(reach.allows_host("ERP.internal"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Reach {
    networks: Vec<Network>,
    hosts: Vec<String>,
}

/// Why a rule of the setting `outbound_allow` is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`outbound_allow` holds `{0}`, which is no address, network or host name; write it like `10.1.0.0/16` or `erp.internal`"
)]
pub struct ReachError(String);

/// Why an address is not called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{address} is {kind}; if it is meant to be called, the operator allows it with the setting `outbound_allow`"
)]
pub struct Refusal {
    /// The address.
    pub address: IpAddr,
    /// What it is: `a loopback address`.
    pub kind: &'static str,
}

impl Reach {
    /// Reaches public addresses only.
    pub fn public() -> Self {
        Self::default()
    }

    /// Reaches every address: for a program that calls what its own user typed.
    pub fn anywhere() -> Self {
        let every = |address: Ipv6Addr| Network {
            first: address.to_bits(),
            prefix: 0,
        };
        Self {
            networks: vec![every(Ipv6Addr::UNSPECIFIED)],
            hosts: Vec::new(),
        }
    }

    /// Reaches public addresses, and those that these rules name: an address (`127.0.0.1`), a network (`10.0.0.0/8`, `fd00::/8`), or
    /// the name of a host, whatever it resolves to (`erp.internal`).
    ///
    /// # Errors
    ///
    /// A rule is none of these.
    pub fn parse(rules: &[impl AsRef<str>]) -> Result<Self, ReachError> {
        let mut reach = Self::default();
        for rule in rules {
            let rule = rule.as_ref().trim();
            if let Some(network) = Network::parse(rule) {
                reach.networks.push(network);
            } else if is_host_name(rule) {
                reach.hosts.push(plain(rule));
            } else {
                return Err(ReachError(rule.to_owned()));
            }
        }
        Ok(reach)
    }

    /// Reaches the machine itself too: where a test puts the systems that a flow calls.
    #[must_use]
    pub fn and_loopback(mut self) -> Self {
        let loopback = ["127.0.0.0/8", "::1"];
        self.networks
            .extend(loopback.into_iter().filter_map(Network::parse));
        self
    }

    /// Says whether a host may be called whatever its name resolves to.
    pub fn allows_host(&self, host: &str) -> bool {
        let host = plain(host);
        self.hosts.contains(&host)
    }

    /// Says whether an address may be called.
    ///
    /// # Errors
    ///
    /// It is not a public address, and no rule names it.
    pub fn check(&self, address: IpAddr) -> Result<(), Refusal> {
        let forms = [Some(address), embedded(address).map(IpAddr::V4)];
        let allowed = forms
            .iter()
            .flatten()
            .any(|form| self.networks.iter().any(|network| network.holds(*form)));
        match kind(address) {
            Some(kind) if !allowed => Err(Refusal { address, kind }),
            _ => Ok(()),
        }
    }
}

/// Addresses with a common beginning; those of version 4 as version 6 writes them.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Network {
    first: u128,
    prefix: u32,
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length.parse::<u32>().ok()?)),
            None => (text, None),
        };
        let address = address.trim_start_matches('[').trim_end_matches(']');
        let address: IpAddr = address.parse().ok()?;
        let (width, before) = match address {
            IpAddr::V4(_) => (32, 96),
            IpAddr::V6(_) => (128, 0),
        };
        let prefix = length.unwrap_or(width);
        (prefix <= width).then(|| Self {
            first: wide(address),
            prefix: before + prefix,
        })
    }

    fn holds(&self, address: IpAddr) -> bool {
        let differs = self.first ^ wide(address);
        differs
            .checked_shr(128 - self.prefix)
            .is_none_or(|rest| rest == 0)
    }
}

fn wide(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// The name of a host as names are compared.
fn plain(host: &str) -> String {
    host.trim_end_matches('.').to_ascii_lowercase()
}

fn is_host_name(text: &str) -> bool {
    let letters = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_');
    // What is all digits and dots is an address that was mistyped.
    let named = text
        .chars()
        .any(|letter| letter.is_ascii_alphabetic() || letter == '_');
    named
        && text.len() <= 253
        && text
            .trim_end_matches('.')
            .split('.')
            .all(|label| !label.is_empty() && label.len() <= 63 && label.chars().all(letters))
}

/// Returns what an address is, if it is no public one.
fn kind(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => kind_of_v4(address),
        IpAddr::V6(address) => match embedded(address.into()) {
            Some(inner) => kind_of_v4(inner),
            None => kind_of_v6(address),
        },
    }
}

fn kind_of_v4(address: Ipv4Addr) -> Option<&'static str> {
    Some(match address.octets() {
        // What Azure answers its machines at, although it looks public.
        [168, 63, 129, 16] => "the metadata service of a cloud",
        [0, ..] => "an unspecified address",
        [127, ..] => "a loopback address",
        [169, 254, ..] => "a link-local address, where clouds keep their metadata service",
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => "a private address",
        [100, 64..=127, ..] => "a shared address of a provider's own network",
        [192, 0, 0, _] | [192, 88, 99, _] => "an address with a purpose of its own",
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => "an address for documentation",
        [198, 18 | 19, ..] => "an address for measurements",
        [224..=239, ..] => "a multicast address",
        [240..=255, ..] => "a reserved address",
        _ => return None,
    })
}

fn kind_of_v6(address: Ipv6Addr) -> Option<&'static str> {
    Some(match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => "an unspecified address",
        [0, 0, 0, 0, 0, 0, 0, 1] => "a loopback address",
        [0xfc00..=0xfdff, ..] => "a unique local address",
        [0xfe80..=0xfebf, ..] => "a link-local address",
        [0xfec0..=0xfeff, ..] => "a site-local address",
        [0xff00..=0xffff, ..] => "a multicast address",
        [0x2001, 0x0db8, ..] | [0x3fff, 0..=0x0fff, ..] => "an address for documentation",
        // Tunnels, and other protocols that carry addresses of their own.
        [0x2001, 0..=0x01ff, ..] => "an address with a purpose of its own",
        [0x2000..=0x3fff, ..] => return None,
        _ => "a reserved address",
    })
}

/// Returns the address of version 4 that one of version 6 stands for.
fn embedded(address: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(address) = address else {
        return None;
    };
    let last = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    match address.segments() {
        // `::` and `::1` are their own.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        // Compatible, translated and mapped (RFC 4291, RFC 2765).
        [0, 0, 0, 0, 0 | 0xffff, 0, high, low]
        | [0, 0, 0, 0, 0, 0xffff, high, low]
        // Translated at the edge of a network (RFC 6052), 6to4 (RFC 3056), ISATAP (RFC 5214).
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..]
        | [.., 0 | 0x0200, 0x5efe, high, low] => Some(last(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
