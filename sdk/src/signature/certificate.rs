//! The certificate whose key signs, for senders who name it by a URL.

use crate::signature::{Hash, Source};

/// The certificate whose key signs: where it is fetched, and what must be right about it.
///
/// Whoever sends a request writes the URL. So it is fetched only where a rule allows it, and only once everything else of the request
/// is right.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CertificateSource {
    /// Where its URL stands.
    pub url: Source,
    /// Which URLs are allowed. Their hosts are the sender's own: that the file comes from there is what it is trusted for.
    pub allowed: UrlRule,
    /// The names of which it must have one, each as [`UrlRule::hosts`]. None: any name.
    pub names: Vec<String>,
    /// Whether it must have been issued by a public authority, and where the issuers that it does not bring with it may be fetched.
    pub issuers: Option<UrlRule>,
    /// The hash of which the signature is made.
    pub hash: CertificateHash,
    /// What must be one of the secrets, for senders that sign for anybody: the topic of AWS SNS. It must be signed.
    pub recipient: Option<Source>,
}

/// The hash of which a signature is made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CertificateHash {
    /// Always this one.
    Fixed(Hash),
    /// The one that this value stands for.
    Named {
        /// Where the value stands.
        source: Source,
        /// The values, and what each of them stands for. Another value is refused.
        names: Vec<(String, Hash)>,
    },
}

/// Which URLs may be called: `https`, at the usual port, without a user, on one of these hosts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct UrlRule {
    /// The hosts, whole and in lower case. `<region>` stands for the name of an AWS region: words of letters and a number, with hyphens
    /// between them (`us-east-1`). It stands for no more than that, since `s3-us-west-2` holds what anybody has put there.
    pub hosts: Vec<String>,
    /// How the path begins.
    pub path_start: String,
    /// How the path ends.
    pub path_end: String,
    /// Whether there may be a query.
    pub query: bool,
    /// Whether `http` will do as well: for files that prove themselves.
    pub plain: bool,
}

impl UrlRule {
    /// URLs on these hosts, without a query.
    pub fn hosts(hosts: &[&str]) -> Self {
        Self {
            hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
            ..Self::default()
        }
    }

    /// Says how the path begins and how it ends.
    #[must_use]
    pub fn path(mut self, start: impl Into<String>, end: impl Into<String>) -> Self {
        (self.path_start, self.path_end) = (start.into(), end.into());
        self
    }

    /// Allows a query.
    #[must_use]
    pub fn with_query(mut self) -> Self {
        self.query = true;
        self
    }

    /// Allows `http`: for files that prove themselves, as certificates of authorities do.
    #[must_use]
    pub fn or_plain(mut self) -> Self {
        self.plain = true;
        self
    }

    /// Makes a URL that the rule allows, with this name in its path: for who has to be a sender in a test. `None` if it names no host.
    pub fn example(&self, name: &str) -> Option<String> {
        let host = self.hosts.first()?.replace("<region>", "us-east-1");
        let (start, end) = (self.path_start.as_str(), self.path_end.as_str());
        let start = if start.is_empty() { "/" } else { start };
        Some(format!("https://{host}{start}{name}{end}"))
    }

    /// Says whether a host is one of those that a list names; see [`hosts`](Self::hosts).
    pub fn is_host(patterns: &[String], host: &str) -> bool {
        patterns
            .iter()
            .any(|pattern| match pattern.split_once("<region>") {
                None => pattern == host,
                Some((before, after)) => host
                    .strip_prefix(before)
                    .and_then(|rest| rest.strip_suffix(after))
                    .is_some_and(is_region),
            })
    }
}

/// `us-east-1`, `us-gov-west-1`.
fn is_region(text: &str) -> bool {
    let Some((words, number)) = text.rsplit_once('-') else {
        return false;
    };
    let is_word =
        |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
    let is_number =
        matches!(number.len(), 1 | 2) && number.bytes().all(|byte| byte.is_ascii_digit());
    is_number && words.contains('-') && words.split('-').all(is_word)
}

impl CertificateSource {
    /// A certificate whose URL stands here, if this rule allows it. The signature is made of the SHA-256.
    pub fn new(url: Source, allowed: UrlRule) -> Self {
        Self {
            url,
            allowed,
            names: Vec::new(),
            issuers: None,
            hash: CertificateHash::Fixed(Hash::Sha256),
            recipient: None,
        }
    }

    /// Demands that the certificate has one of these names.
    #[must_use]
    pub fn named(mut self, names: &[&str]) -> Self {
        self.names = names.iter().map(|name| (*name).to_owned()).collect();
        self
    }

    /// Demands that a public authority has issued the certificate. What it does not bring of the chain may be fetched by this rule.
    #[must_use]
    pub fn issued(mut self, issuers: UrlRule) -> Self {
        self.issuers = Some(issuers);
        self
    }

    /// Says by which value the hash is chosen.
    #[must_use]
    pub fn hash_named(mut self, source: Source, names: &[(&str, Hash)]) -> Self {
        let names = names.iter();
        let names = names
            .map(|(name, hash)| ((*name).to_owned(), *hash))
            .collect();
        self.hash = CertificateHash::Named { source, names };
        self
    }

    /// Demands that the value here, which must be signed, is one of the secrets.
    #[must_use]
    pub fn recipient(mut self, source: Source) -> Self {
        self.recipient = Some(source);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_is_words_and_a_number_and_nothing_that_holds_files_of_others() {
        let hosts = [
            "sns.<region>.amazonaws.com".to_owned(),
            "api.paypal.com".to_owned(),
        ];
        for host in [
            "sns.us-east-1.amazonaws.com",
            "sns.us-gov-west-1.amazonaws.com",
            "sns.ap-southeast-12.amazonaws.com",
            "api.paypal.com",
        ] {
            assert!(UrlRule::is_host(&hosts, host), "{host}");
        }
        for host in [
            "sns.s3.amazonaws.com",
            "sns.s3-us-west-2.amazonaws.com",
            "sns.s3-external-1.amazonaws.com",
            "sns.us-east.amazonaws.com",
            "sns.east-1.amazonaws.com",
            "sns.us--1.amazonaws.com",
            "sns.us-east-123.amazonaws.com",
            "sns.us-east-1.evil.amazonaws.com",
            "sns..amazonaws.com",
            "sns.amazonaws.com",
            "sns.us-east-1.amazonaws.com.evil.com",
            "xsns.us-east-1.amazonaws.com",
            "SNS.us-east-1.amazonaws.com",
            "evil-api.paypal.com",
            "api.paypal.com.",
            "",
        ] {
            assert!(!UrlRule::is_host(&hosts, host), "{host}");
        }
    }
}
