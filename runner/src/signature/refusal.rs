//! Why a request was not accepted as its sender's.

/// Why a request was not accepted as its sender's. For our own log: the caller learns only that it was refused.
///
/// No text of the request is repeated in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// There is no secret, or only blank ones (W43).
    #[error("no signing secret is configured; fill in the config variable that holds it")]
    NoSecret,
    /// No secret could be made a key.
    #[error("the signing secret cannot be used: it {reason}")]
    UnusableSecret {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The scheme contradicts itself.
    #[error("the signature scheme cannot be used: {fault}")]
    UnusableScheme {
        /// The first fault that the scheme lists.
        fault: String,
    },
    /// The scheme needs code that was left out of this build.
    #[error(
        "signatures by a private key are not in this build; enable the feature `asymmetric-signatures` of `runner`"
    )]
    NotBuiltIn,
    /// Something that must be there is not, or is empty.
    #[error("there is no {what}; check that the sender is set up to sign")]
    Missing {
        /// What is missing.
        what: String,
    },
    /// Something is there more than once, and differs.
    #[error("{what} is there more than once, with different values")]
    Conflicting {
        /// What is doubled.
        what: String,
    },
    /// Something is not of the form that it must have.
    #[error("{what} {reason}")]
    Malformed {
        /// What is wrong.
        what: String,
        /// In which way.
        reason: &'static str,
    },
    /// A header does not have the value that the scheme demands.
    #[error("header `{header}` is not `{expected}`")]
    WrongHeader {
        /// The header.
        header: String,
        /// The value that it must have.
        expected: String,
    },
    /// The signature would not cover the body.
    #[error("the body is neither a form nor covered by a digest in the URL")]
    UncoveredBody,
    /// It is meant for somebody else.
    #[error(
        "the {what} is none of the secrets; fill in the config variable with what the sender shows"
    )]
    WrongRecipient {
        /// Where it stands for whom it is meant.
        what: String,
    },
    /// The certificate stands where none may be fetched.
    #[error("the {what} is no address at which the sender keeps its certificates")]
    UrlNotAllowed {
        /// What holds the URL.
        what: String,
    },
    /// Nobody fetched the certificate.
    #[error("the certificate that it names was not fetched")]
    NoCertificate,
    /// The certificate proves nothing.
    #[error("the certificate {reason}")]
    UnusableCertificate {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// No signature fits any of the secrets.
    #[error(
        "the signature does not fit; check that the secret, and the public URL if it is signed, are those that the sender knows"
    )]
    Mismatch,
    /// It was signed too long ago.
    #[error("it was signed {age} s ago, and may be {limit} s old at most")]
    Stale {
        /// Its age, in seconds.
        age: i64,
        /// The limit, in seconds.
        limit: u64,
    },
    /// It was signed too far in the future.
    #[error(
        "it was signed {ahead} s in the future, and may be {limit} s ahead at most; check the clock"
    )]
    FromTheFuture {
        /// How far ahead, in seconds.
        ahead: i64,
        /// The limit, in seconds.
        limit: u64,
    },
}
