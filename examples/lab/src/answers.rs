//! Flows whose answer is not plain JSON.

use sdk::QueryParameters;
use sdk::prelude::*;

use crate::Config;

/// Flow `status`.
#[derive(Debug)]
pub struct Status;

/// Answers with the status `code`, the body `text` and the header `Location` from `location`, all of the query string.
#[flow(key = "status", trigger = Webhook::unsigned(), respond = Respond::WithResult)]
impl Status {
    #[on_execution]
    async fn answer(_context: &Context<Config>, payload: Payload) -> Result<HttpResponse> {
        chosen(&payload.query_parameters)
    }
}

fn chosen(query: &QueryParameters) -> Result<HttpResponse> {
    let mut response = HttpResponse::status(query.require("code")?);
    if let Some(text) = query.get("text") {
        response = response.text(text);
    }
    if let Some(location) = query.get("location") {
        response = response.header("location", location);
    }
    Ok(response)
}

/// Flow `xml`.
#[derive(Debug)]
pub struct Xml;

/// Returns a note in XML.
#[flow(key = "xml", trigger = Webhook::unsigned(), respond = Respond::WithResult)]
impl Xml {
    #[on_execution]
    async fn write(_context: &Context<Config>) -> Result<Output> {
        Ok(Output::text("<note><to>Ada</to></note>").with_content_type("application/xml"))
    }
}

/// Flow `bytes`.
#[derive(Debug)]
pub struct Bytes;

/// Returns `n` bytes: a text of `a`s, or with `kind=binary` what claims to be a picture.
#[flow(key = "bytes", trigger = Webhook::unsigned(), respond = Respond::WithResult)]
impl Bytes {
    /// More than any limit on results that is worth trying, and less than would trouble the machine.
    const MOST: usize = 1_000_000_000;

    #[on_execution]
    async fn fill(_context: &Context<Config>, payload: Payload) -> Result<Output> {
        let query = &payload.query_parameters;
        filled(query.require("n")?, query.get("kind"))
    }
}

fn filled(count: usize, kind: Option<&str>) -> Result<Output> {
    if count > Bytes::MOST {
        let text = format!("`n` is {count}; at most {} are possible", Bytes::MOST);
        return Err(Error::new(text).permanent());
    }
    match kind {
        None | Some("text") => Ok(Output::text("a".repeat(count))),
        Some("binary") => {
            let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(count).collect();
            Ok(Output::bytes(bytes).with_content_type("image/png"))
        }
        Some(other) => {
            let text = format!("`kind` is `{other}`; use `text` or `binary`");
            Err(Error::new(text).permanent())
        }
    }
}

#[cfg(test)]
mod tests {
    use sdk::response::OutputData;

    use super::*;

    #[test]
    fn a_status_carries_only_what_was_asked_for() {
        let bare = chosen(&QueryParameters::from_iter([("code", "415")])).unwrap();
        assert_eq!(
            (bare.code(), bare.bytes(), bare.headers().len()),
            (415, None, 0)
        );

        let full = [
            ("code", "303"),
            ("text", "over there"),
            ("location", "/there"),
        ];
        let full = chosen(&QueryParameters::from_iter(full)).unwrap();
        assert_eq!(
            (full.code(), full.bytes().unwrap().as_ref()),
            (303, b"over there".as_slice())
        );
        assert_eq!(full.headers()["location"], "/there");
    }

    #[test]
    fn a_status_without_a_code_says_what_is_missing() {
        let refusal = chosen(&QueryParameters::default()).unwrap_err();
        assert_eq!(refusal.to_string(), "parameter `code` is missing");
    }

    #[test]
    fn bytes_come_as_text_or_as_a_picture_and_exactly_as_many() {
        let text = filled(3, None).unwrap();
        assert_eq!(text.data, OutputData::Text("aaa".to_owned()));
        let picture = filled(257, Some("binary")).unwrap();
        assert_eq!(picture.content_type.as_deref(), Some("image/png"));
        assert_eq!(
            (picture.to_bytes().len(), picture.to_bytes()[256]),
            (257, 0)
        );
    }

    #[test]
    fn more_bytes_than_the_machine_should_hold_are_refused() {
        assert!(filled(Bytes::MOST + 1, None).unwrap_err().is_permanent());
        assert!(filled(1, Some("music")).is_err());
    }
}
