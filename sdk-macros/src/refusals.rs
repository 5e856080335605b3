//! What is wrong with what the author wrote: collected, so that one compile shows every fault.

use std::fmt::Display;
use std::mem;
use std::thread;

use proc_macro2::TokenStream;
use quote::ToTokens;

/// Refusals, each on the author's token. They read: rule; reason or remedy. Dropping them unread is a bug of this crate.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    found: Vec<syn::Error>,
}

impl Refusals {
    /// Refuses these tokens.
    pub(crate) fn refuse(&mut self, at: impl ToTokens, text: impl Display) {
        self.found.push(syn::Error::new_spanned(at, text));
    }

    /// Keeps a refusal that has its own place.
    pub(crate) fn keep(&mut self, refusal: syn::Error) {
        self.found.push(refusal);
    }

    /// Writes the refusals as compile errors.
    pub(crate) fn into_tokens(mut self) -> TokenStream {
        mem::take(&mut self.found)
            .iter()
            .map(syn::Error::to_compile_error)
            .collect()
    }
}

impl Drop for Refusals {
    fn drop(&mut self) {
        assert!(
            self.found.is_empty() || thread::panicking(),
            "refusals were found and not written: {:?}",
            self.found
        );
    }
}
