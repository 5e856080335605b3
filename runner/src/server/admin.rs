//! placeholder
use crate::Runner;
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};
/// x
#[derive(Clone, Debug)]
pub struct Access(PathBuf);
impl Access {
    /// # Errors
    /// x
    pub fn open(data: &Path) -> std::io::Result<Self> {
        Ok(Self(data.join("admin-token")))
    }
    /// x
    #[must_use]
    pub fn for_address(self, _a: SocketAddr) -> Self {
        self
    }
    /// x
    pub fn token_file(&self) -> &Path {
        &self.0
    }
}
/// x
pub fn router(
    _r: Arc<Runner>,
    _a: Access,
    _stop: tokio::sync::watch::Receiver<bool>,
) -> axum::Router {
    axum::Router::new()
}
