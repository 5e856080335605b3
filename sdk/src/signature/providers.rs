//! Senders that people integrate with, by name (W41).
//!
//! Each says on what it rests: *published values* were recomputed with this data in the runner's tests; *library* means that the
//! sender's own library was read; *documents* that only its documentation was, or what others wrote from it, so that no value of the
//! sender has been seen. A tolerance without a remark is the sender's own. What is not here is a line of
//! [`SignatureScheme`](crate::signature::SignatureScheme).

pub use super::accounts::{
    docusign, hubspot, hubspot_v1, hubspot_v2, intercom, linear, okta, pagerduty, zendesk,
};
pub use super::certified::{aws_sns, paypal};
pub use super::commerce::{
    lemon_squeezy, paddle, paystack, quickbooks, razorpay, shopify, square, stripe, woocommerce,
    xero,
};
pub use super::documents::{
    asana, box_, calendly, dropbox, microsoft_graph, notion, trello, typeform,
};
pub use super::messaging::{discord, mailgun, meta, sendgrid, slack, twilio, zoom};
pub use super::software::{
    bitbucket, circleci, github, gitlab, standard_webhooks, standard_webhooks_asymmetric, svix,
    vercel,
};

use super::Provider;

/// Lists every sender that is known by name, in alphabetical order of the names.
pub fn all() -> Vec<Provider> {
    let mut all = vec![
        asana(),
        aws_sns(),
        bitbucket(),
        box_(),
        calendly(),
        circleci(),
        discord(),
        docusign(),
        dropbox(),
        github(),
        gitlab(),
        hubspot(),
        hubspot_v1(),
        hubspot_v2(),
        intercom(),
        lemon_squeezy(),
        linear(),
        mailgun(),
        meta(),
        microsoft_graph(),
        notion(),
        okta(),
        paddle(),
        pagerduty(),
        paypal(),
        paystack(),
        quickbooks(),
        razorpay(),
        sendgrid(),
        shopify(),
        slack(),
        square(),
        standard_webhooks(),
        standard_webhooks_asymmetric(),
        stripe(),
        svix(),
        trello(),
        twilio(),
        typeform(),
        vercel(),
        woocommerce(),
        xero(),
        zendesk(),
        zoom(),
    ];
    all.sort_by_key(|provider| provider.name.to_lowercase());
    all
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::signature::{Guard, JsonValue, Reply};

    #[test]
    fn no_sender_has_a_fault_and_each_has_a_name_of_its_own() {
        let mut names = BTreeSet::new();
        for provider in all() {
            assert_eq!(
                provider.scheme.faults(),
                Vec::<String>::new(),
                "{}",
                provider.name
            );
            assert!(names.insert(provider.name.clone()), "{}", provider.name);
        }
        assert!(names.len() >= 31, "W41: {}", names.len());
    }

    /// W41: what is in the list is signed, verified and refused in every way by the tests of the runner, which go through it.
    #[test]
    fn every_sender_is_in_the_list_and_says_on_what_it_rests() {
        let files = [
            include_str!("accounts.rs"),
            include_str!("certified.rs"),
            include_str!("commerce.rs"),
            include_str!("documents.rs"),
            include_str!("messaging.rs"),
            include_str!("software.rs"),
        ];
        let list = include_str!("providers.rs");
        let (list, _) = list.split_once("#[cfg(test)]").unwrap();
        let mut count = 0;
        for file in files {
            for (start, _) in file.match_indices("pub fn ") {
                let declared = &file[start + "pub fn ".len()..];
                let (name, _) = declared.split_once('(').unwrap();
                let listed = list.contains(&format!("        {name}(),"));
                assert!(listed, "`{name}` is not in `providers::all()`");
                let docs = file[..start].rsplit("\n}\n").next().unwrap_or_default();
                assert!(
                    docs.contains("/// Rests on "),
                    "`{name}` does not say on what it rests"
                );
                count += 1;
            }
        }
        assert_eq!(count, all().len());
    }

    /// What a stranger sends must not make the runner call anybody.
    #[test]
    fn no_handshake_calls_a_url_that_is_not_signed() {
        for handshake in all().into_iter().flat_map(|provider| provider.handshakes) {
            if let Reply::Call { allowed, .. } = &handshake.reply {
                assert_eq!(handshake.guard, Guard::Signature, "{}", handshake.name);
                assert!(
                    !allowed.hosts.is_empty() && !allowed.plain,
                    "{}",
                    handshake.name
                );
            }
        }
    }

    #[test]
    fn no_handshake_signs_a_text_for_whoever_asks() {
        for provider in all() {
            for handshake in provider.handshakes {
                let Reply::Json(members) = &handshake.reply else {
                    continue;
                };
                let signs = members
                    .iter()
                    .any(|(_, value)| matches!(value, JsonValue::Hmac { .. }));
                assert!(
                    !signs || handshake.guard == Guard::Signature,
                    "{}",
                    handshake.name
                );
            }
        }
    }
}
