//! Payloads at rest: sealed, because headers, query and body hold the credentials and signatures of whoever sent them (G10).

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD;

use crate::record::StoredPayload;
use crate::store::{Commit, StoreError, StoreResult, Write};
use crate::vault::Vault;

/// Seals every payload of a commit.
pub(super) fn seal(mut commit: Commit, vault: &Vault) -> Commit {
    if vault.is_clear() {
        return commit;
    }
    for write in &mut commit.writes {
        if let Write::Accept(accept) = write
            && let Some(payload) = &mut accept.payload
            && let Ok(head) = serde_json::to_vec(payload)
        {
            *payload = Arc::new(StoredPayload {
                sealed: Some(BASE64_STANDARD_NO_PAD.encode(vault.seal(&head))),
                raw_body: vault.seal(&payload.raw_body).into(),
                ..StoredPayload::default()
            });
        }
    }
    commit
}

/// Returns a payload as it was before it was sealed; one that never was, as it is.
pub(super) fn unseal(
    payload: Arc<StoredPayload>,
    vault: &Vault,
) -> StoreResult<Arc<StoredPayload>> {
    let Some(head) = &payload.sealed else {
        return Ok(payload);
    };
    let damaged = |fault: String| StoreError::Damaged(format!("a payload: {fault}"));
    let head = BASE64_STANDARD_NO_PAD
        .decode(head)
        .map_err(|fault| damaged(fault.to_string()))?;
    let open = |sealed: &[u8]| {
        vault
            .unseal(sealed)
            .map_err(|fault| damaged(fault.to_string()))
    };
    let mut found: StoredPayload =
        serde_json::from_slice(&open(&head)?).map_err(|fault| damaged(fault.to_string()))?;
    found.raw_body = open(&payload.raw_body)?.into();
    Ok(Arc::new(found))
}
