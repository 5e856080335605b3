//! Stands for certificates in a build that reads none.

use bytes::Bytes;
use sdk::Timestamp;
use sdk::signature::{CertificateSource, Hash};

use super::candidate::Candidates;
use super::refusal::Refusal;
use super::signing::{CannotSign, CertifiedKey};
use super::text::SignedText;

/// A certificate that a request names. This build reads none: the feature `asymmetric-signatures` is off.
#[derive(Clone, Debug)]
pub enum Certificate {}

impl Certificate {
    /// Reads a file that was fetched from this URL.
    ///
    /// # Errors
    ///
    /// Always, in this build.
    pub fn read(_url: &str, _file: &[u8], _authorities: &[Bytes]) -> Result<Self, Refusal> {
        Err(Refusal::NotBuiltIn)
    }

    /// Returns until when it is valid.
    pub fn valid_until(&self) -> Timestamp {
        match *self {}
    }

    /// Returns where the issuer stands that its chain lacks.
    pub fn missing_issuer(&self, _now: Timestamp) -> Option<String> {
        match *self {}
    }

    /// Says whether its chain leads to no authority that is trusted.
    pub fn lacks_issuer(&self, _now: Timestamp) -> bool {
        match *self {}
    }

    /// Adds an issuer to its chain.
    ///
    /// # Errors
    ///
    /// Never, since there is none.
    pub fn add_issuer(&mut self, _file: &[u8]) -> Result<(), Refusal> {
        match *self {}
    }

    pub(super) fn check(
        &self,
        _source: &CertificateSource,
        _url: &str,
        _now: Timestamp,
    ) -> Result<(), Refusal> {
        match *self {}
    }

    pub(super) fn prove(
        &self,
        _hash: Hash,
        _texts: &[SignedText<'_>],
        _candidates: &Candidates,
    ) -> Result<(), Refusal> {
        match *self {}
    }
}

pub(super) fn sign(_key: &CertifiedKey<'_>, _text: &SignedText<'_>) -> Result<Vec<u8>, CannotSign> {
    Err(Refusal::NotBuiltIn.into())
}
