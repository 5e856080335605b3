//! A flow that only a sender who knows the secret can start.

use sdk::prelude::*;
use sdk::signature::Hash;
use serde_json::Value;

use crate::Config;

/// Flow `signed`.
#[derive(Debug)]
pub struct Signed;

/// Returns the body of a delivery whose header `x-hmac-sha256` is the HMAC of its bytes, in hexadecimal (W40).
#[flow(
    key = "signed",
    trigger = Webhook::signed_by(
        SignatureScheme::hmac("x-hmac-sha256", Hash::Sha256),
        |config: &Config| &config.hmac_secret,
    ),
)]
impl Signed {
    #[on_execution]
    async fn show(_context: &Context<Config>, body: Value) -> Result<Value> {
        Ok(body)
    }
}
