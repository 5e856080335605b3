//! placeholder
#[derive(Debug)]
pub struct Vault;
#[derive(Debug, thiserror::Error)]
#[error("x")]
pub struct VaultError;
impl Vault {
    pub fn open(_p: &std::path::Path) -> Result<Self, VaultError> {
        Ok(Self)
    }
    pub fn sign(&self, t: &str) -> String {
        t.len().to_string()
    }
    pub fn verify(&self, t: &str, s: &str) -> bool {
        self.sign(t) == s
    }
    pub fn clear() -> Self {
        Self
    }
    pub fn seal(&self, p: &[u8]) -> Vec<u8> {
        p.to_vec()
    }
    pub fn unseal(&self, s: &[u8]) -> Result<Vec<u8>, VaultError> {
        Ok(s.to_vec())
    }
}
