//! Signatures by the holder of a certificate.

use std::time::Duration;

use bytes::Bytes;
use ring::rand::SystemRandom;
use ring::signature::{
    RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256,
    RsaKeyPair, UnparsedPublicKey,
};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer, TrustAnchor, UnixTime};
use sdk::Timestamp;
use sdk::signature::{CertificateSource, Hash, UrlRule};
use webpki::{EndEntityCert, Error as ChainFault, KeyUsage, anchor_from_trusted_cert};
use x509_cert::Certificate as Read;
use x509_cert::der::Decode as _;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{AuthorityInfoAccessSyntax, BasicConstraints, SubjectAltName};

use super::candidate::Candidates;
use super::refusal::Refusal;
use super::signing::{CannotSign, CertifiedKey};
use super::text::SignedText;

/// The algorithm `rsaEncryption` of a public key.
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// The access method `caIssuers`.
const ISSUERS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.2");

/// No file of a sender holds more certificates.
const LONGEST_CHAIN: usize = 8;

/// A certificate that a request names, with what came with it. It is only read so far: [`verify`](super::verify) checks whether it is
/// valid now, has the right name, and was issued by an authority, if the scheme asks for that.
#[derive(Clone, Debug)]
pub struct Certificate {
    url: String,
    /// The certificate itself and, behind it, its issuers as far as they are known.
    chain: Vec<CertificateDer<'static>>,
    /// Authorities that are trusted beside the public ones: those of a simulation.
    authorities: Vec<CertificateDer<'static>>,
    key: Vec<u8>,
    names: Vec<String>,
    valid_from: Timestamp,
    valid_until: Timestamp,
    /// Where the issuer of the last of the chain stands, by its own word.
    issuer_url: Option<String>,
}

const fn unusable(reason: &'static str) -> Refusal {
    Refusal::UnusableCertificate { reason }
}

impl Certificate {
    /// Reads a file that was fetched from this URL: PEM, the certificate first and then its issuers, if they are there. Authorities, PEM or
    /// DER, are trusted beside the public ones.
    ///
    /// # Errors
    ///
    /// The file holds no certificate with an RSA key.
    pub fn read(url: &str, file: &[u8], authorities: &[Bytes]) -> Result<Self, Refusal> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(file)
            .take(LONGEST_CHAIN)
            .collect();
        let chain = chain.map_err(|_| unusable("is not in a file of the form PEM"))?;
        let (Some(first), Some(last)) = (chain.first(), chain.last()) else {
            return Err(unusable("is not in a file of the form PEM"));
        };
        let read = read(first)?;
        let body = read.tbs_certificate();
        let is_authority = body.get_extension::<BasicConstraints>();
        if matches!(is_authority, Ok(Some((_, constraints))) if constraints.ca) {
            return Err(unusable("is that of an authority"));
        }
        let public = body.subject_public_key_info();
        let key = public.subject_public_key.as_bytes();
        let key = key.filter(|_| public.algorithm.oid == RSA);
        let moment = |time: x509_cert::time::Time| {
            let millis = time.to_unix_duration().as_millis();
            Timestamp::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
        };
        Ok(Self {
            url: url.to_owned(),
            key: key.ok_or(unusable("has no RSA key"))?.to_vec(),
            names: names(&read),
            valid_from: moment(body.validity().not_before),
            valid_until: moment(body.validity().not_after),
            issuer_url: issuer_url(last),
            authorities: authorities.iter().map(|file| single(file)).collect(),
            chain,
        })
    }

    /// Returns until when it is valid.
    pub fn valid_until(&self) -> Timestamp {
        self.valid_until
    }

    /// Returns where the issuer stands that its chain lacks, if that is all that it lacks: by the word of the certificate itself, so fetch
    /// it only if the scheme allows it.
    pub fn missing_issuer(&self, now: Timestamp) -> Option<String> {
        let url = self.issuer_url.clone();
        url.filter(|_| self.lacks_issuer(now) && self.chain.len() < LONGEST_CHAIN)
    }

    /// Says whether its chain leads to no authority that is trusted.
    pub fn lacks_issuer(&self, now: Timestamp) -> bool {
        matches!(self.check_chain(now), Err(ChainFault::UnknownIssuer))
    }

    /// Adds an issuer to its chain, PEM or DER. Whether it is the right one is for the check of the chain to say.
    ///
    /// # Errors
    ///
    /// The file holds no certificate.
    pub fn add_issuer(&mut self, file: &[u8]) -> Result<(), Refusal> {
        let issuer = single(file);
        read(&issuer)?;
        self.issuer_url = issuer_url(&issuer);
        self.chain.push(issuer);
        Ok(())
    }

    /// Checks that this is the certificate that a request names, and that it proves who signs.
    pub(super) fn check(
        &self,
        source: &CertificateSource,
        url: &str,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        if self.url != url {
            return Err(Refusal::NoCertificate);
        }
        if now < self.valid_from {
            return Err(unusable("is not valid yet; check the clock"));
        }
        if now > self.valid_until {
            return Err(unusable("is valid no longer"));
        }
        let fits = |name: &String| UrlRule::is_host(&source.names, name);
        if !source.names.is_empty() && !self.names.iter().any(fits) {
            return Err(unusable("is not one for the name of the sender"));
        }
        if source.issuers.is_some() {
            self.check_chain(now)
                .map_err(|_| unusable("was not issued by an authority that is trusted"))?;
        }
        Ok(())
    }

    fn check_chain(&self, now: Timestamp) -> Result<(), ChainFault> {
        let (first, issuers) = self.chain.split_first().ok_or(ChainFault::UnknownIssuer)?;
        let own: Result<Vec<TrustAnchor<'_>>, _> = self
            .authorities
            .iter()
            .map(|authority| anchor_from_trusted_cert(authority))
            .collect();
        let mut trusted = own?;
        trusted.extend_from_slice(webpki_roots::TLS_SERVER_ROOTS);
        let seconds = u64::try_from(now.as_seconds()).unwrap_or_default();
        EndEntityCert::try_from(first)?.verify_for_usage(
            webpki::ALL_VERIFICATION_ALGS,
            &trusted,
            issuers,
            UnixTime::since_unix_epoch(Duration::from_secs(seconds)),
            KeyUsage::server_auth(),
            None,
            None,
        )?;
        Ok(())
    }

    /// Checks that its holder signed one of the texts.
    pub(super) fn prove(
        &self,
        hash: Hash,
        texts: &[SignedText<'_>],
        candidates: &Candidates,
    ) -> Result<(), Refusal> {
        let algorithm = match hash {
            Hash::Sha1 => &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
            Hash::Sha256 => &RSA_PKCS1_2048_8192_SHA256,
            Hash::Md5 | Hash::Sha512 => {
                return Err(Refusal::Malformed {
                    what: "the hash".to_owned(),
                    reason: "is not SHA-1 or SHA-256",
                });
            }
        };
        let key = UnparsedPublicKey::new(algorithm, &self.key);
        let is_proven = texts.iter().any(|text| {
            let message = text.0.concat();
            let mut candidates = candidates.values.iter();
            candidates.any(|candidate| key.verify(&message, candidate).is_ok())
        });
        if is_proven {
            Ok(())
        } else {
            Err(Refusal::Mismatch)
        }
    }
}

/// One certificate, PEM or DER.
fn single(file: &[u8]) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(file).unwrap_or_else(|_| CertificateDer::from(file.to_vec()))
}

fn read(certificate: &CertificateDer<'_>) -> Result<Read, Refusal> {
    Read::from_der(certificate).map_err(|_| unusable("cannot be read"))
}

/// The DNS names of a certificate, in lower case.
fn names(certificate: &Read) -> Vec<String> {
    let names = certificate
        .tbs_certificate()
        .get_extension::<SubjectAltName>();
    let Ok(Some((_, names))) = names else {
        return Vec::new();
    };
    let names = names.0.into_iter();
    let names = names.filter_map(|name| match name {
        GeneralName::DnsName(name) => Some(name.as_str().to_ascii_lowercase()),
        _ => None,
    });
    names.collect()
}

/// Where the issuer of a certificate stands, by its own word.
fn issuer_url(certificate: &CertificateDer<'_>) -> Option<String> {
    let read = read(certificate).ok()?;
    let access = read
        .tbs_certificate()
        .get_extension::<AuthorityInfoAccessSyntax>();
    let (_, access) = access.ok().flatten()?;
    let descriptions = access.0.into_iter();
    let mut urls = descriptions
        .filter(|description| description.access_method == ISSUERS)
        .filter_map(|description| match description.access_location {
            GeneralName::UniformResourceIdentifier(url) => Some(url.as_str().to_owned()),
            _ => None,
        });
    urls.next()
}

/// Signs with the private key of a certificate: SHA-256, PKCS #1 v1.5.
pub(super) fn sign(key: &CertifiedKey<'_>, text: &SignedText<'_>) -> Result<Vec<u8>, CannotSign> {
    let file = key.private_key;
    let private = PrivatePkcs8KeyDer::from_pem_slice(file)
        .map_or_else(|_| file.to_vec(), |key| key.secret_pkcs8_der().to_vec());
    let pair = RsaKeyPair::from_pkcs8(&private).map_err(|_| CannotSign::NoCertificate)?;
    let mut signature = vec![0; pair.public().modulus_len()];
    let random = SystemRandom::new();
    pair.sign(&RSA_PKCS1_SHA256, &random, &text.0.concat(), &mut signature)
        .map_err(|_| CannotSign::NoCertificate)?;
    Ok(signature)
}
