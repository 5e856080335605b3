//! What a flow gives back.

use std::any::Any;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;

use crate::error::{Error, Result};
use crate::json;
use crate::payload::Payload;

/// An answer to the caller, chosen by the author (W21, W27, W28).
///
/// ```
/// use sdk::HttpResponse;
///
/// let response = HttpResponse::status(202).text("thank you").header("x-queue", "orders");
/// assert_eq!(response.code(), 202);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpResponse {
    status: u16,
    headers: HeaderMap,
    body: Option<Bytes>,
    fault: Option<String>,
}

impl HttpResponse {
    /// Answers with status 200.
    pub fn ok() -> Self {
        Self::status(200)
    }

    /// Answers with a status from 200 to 599.
    pub fn status(code: u16) -> Self {
        Self {
            status: code,
            fault: fault_of_status(code),
            ..Self::default()
        }
    }

    /// Sends the caller to another place: status 303 with `Location`.
    pub fn redirect(location: &str) -> Self {
        Self::status(303).header("location", location)
    }

    /// Sets the body to plain text in UTF-8.
    #[must_use]
    pub fn text(self, text: impl Into<String>) -> Self {
        self.body("text/plain; charset=utf-8", text.into())
    }

    /// Sets the body to a JSON value.
    #[must_use]
    pub fn json(mut self, value: &impl Serialize) -> Self {
        match json::to_vec(value) {
            Ok(bytes) => self.body("application/json", bytes),
            Err(fault) => {
                self.fault
                    .get_or_insert_with(|| format!("the answer is not JSON: {fault}"));
                self
            }
        }
    }

    /// Sets the body and its content type.
    #[must_use]
    pub fn body(mut self, content_type: &str, body: impl Into<Bytes>) -> Self {
        self.body = Some(body.into());
        self.header("content-type", content_type)
    }

    /// Sets a header, replacing one of the same name. A line break in it fails the execution: it never reaches the wire.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        match (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            (Ok(name), Ok(value)) => {
                self.headers.insert(name, value);
            }
            _ => {
                self.fault.get_or_insert_with(|| {
                    format!("`{name}` cannot be sent as a header with the value {value:?}")
                });
            }
        }
        self
    }

    /// Returns the status.
    pub fn code(&self) -> u16 {
        self.status
    }

    /// Returns the headers, `content-type` among them.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Returns the body; `None` asks for the default one (W21).
    pub fn bytes(&self) -> Option<&Bytes> {
        self.body.as_ref()
    }

    /// Refuses what cannot be sent.
    ///
    /// # Errors
    ///
    /// A status outside 200 to 599, a header name or value that HTTP does not allow, a body that is not JSON.
    pub fn check(self) -> Result<Self> {
        match self.fault {
            Some(fault) => Err(Error::new(fault).permanent()),
            None => Ok(self),
        }
    }
}

fn fault_of_status(code: u16) -> Option<String> {
    (!(200..600).contains(&code))
        .then(|| format!("{code} is no HTTP status for an answer; use 200 to 599"))
}

/// The result of an execution, with what a synchronous caller is to see of it (W24 to W28).
///
/// A plain serialisable value is enough for most flows; this is for a content type, a status, headers, text or bytes.
///
/// ```
/// use sdk::Output;
///
/// let output = Output::text("<note><to>Ada</to></note>").with_content_type("application/xml");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// The result itself.
    pub data: OutputData,
    /// Its content type, if the author chose one; else JSON, `text/plain` or `application/octet-stream` by the kind of data.
    pub content_type: Option<String>,
    /// The status for the caller, if the author chose one (W27).
    pub status: Option<u16>,
    /// Headers for the caller (W28).
    pub headers: HeaderMap,
}

/// The data of an [`Output`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OutputData {
    /// Nothing.
    #[default]
    None,
    /// A JSON document.
    Json(Bytes),
    /// Text, given to the caller without quotes.
    Text(String),
    /// Bytes.
    Bytes(Bytes),
}

impl Output {
    /// Makes a JSON result.
    ///
    /// # Errors
    ///
    /// The value cannot be written as JSON, for example a map whose keys are not strings, or a number that is not finite.
    pub fn json(value: &impl Serialize) -> Result<Self> {
        let document = json::to_vec(value)
            .map_err(|fault| Error::new(format!("the result is not JSON: {fault}")).permanent())?;
        Ok(Self {
            data: OutputData::Json(document.into()),
            ..Self::default()
        })
    }

    /// Makes a result of text.
    pub fn text(text: impl Into<String>) -> Self {
        Self {
            data: OutputData::Text(text.into()),
            ..Self::default()
        }
    }

    /// Makes a result of bytes.
    pub fn bytes(bytes: impl Into<Bytes>) -> Self {
        Self {
            data: OutputData::Bytes(bytes.into()),
            ..Self::default()
        }
    }

    /// Makes a result without data that answers with this status, from 200 to 599 (W27).
    pub fn status(code: u16) -> Self {
        Self {
            status: Some(code),
            ..Self::default()
        }
    }

    /// Sets the content type (W26).
    #[must_use]
    pub fn with_content_type(mut self, content_type: impl Into<String>) -> Self {
        self.content_type = Some(content_type.into());
        self
    }

    /// Refuses what cannot be sent.
    ///
    /// # Errors
    ///
    /// A status outside 200 to 599, or a content type that HTTP does not allow as the value of a header.
    pub fn check(self) -> Result<Self> {
        let of_type = |text: &String| {
            HeaderValue::try_from(text)
                .is_err()
                .then(|| format!("{text:?} cannot be sent as a content type"))
        };
        let fault = self.status.and_then(fault_of_status);
        match fault.or_else(|| self.content_type.as_ref().and_then(of_type)) {
            Some(fault) => Err(Error::new(fault).permanent()),
            None => Ok(self),
        }
    }

    /// Returns the bytes of the data, none if there is no data.
    pub fn to_bytes(&self) -> Bytes {
        match &self.data {
            OutputData::None => Bytes::new(),
            OutputData::Json(bytes) | OutputData::Bytes(bytes) => bytes.clone(),
            OutputData::Text(text) => Bytes::from(text.clone()),
        }
    }

    /// Returns the content type that the data is given out with.
    pub fn effective_content_type(&self) -> &str {
        match (&self.content_type, &self.data) {
            (Some(chosen), _) => chosen,
            (None, OutputData::Text(_)) => "text/plain; charset=utf-8",
            (None, OutputData::Bytes(_)) => "application/octet-stream",
            (None, OutputData::None | OutputData::Json(_)) => "application/json",
        }
    }
}

impl TryFrom<HttpResponse> for Output {
    type Error = Error;

    fn try_from(response: HttpResponse) -> Result<Self> {
        let mut response = response.check()?;
        let content_type = response.headers.remove("content-type");
        let data = response.body.map_or(OutputData::None, OutputData::Bytes);
        Ok(Self {
            data,
            content_type: content_type.and_then(|value| value.to_str().ok().map(str::to_owned)),
            status: Some(response.status),
            headers: response.headers,
        })
    }
}

/// What `#[on_execution]` may return inside its `Result`: anything that serialises, [`Output`], or [`HttpResponse`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the result of a flow; derive `serde::Serialize` for it, or return `Output` or `HttpResponse`",
    label = "does not serialise"
)]
pub trait FlowOutput: Send {
    /// Writes the result.
    ///
    /// # Errors
    ///
    /// The value cannot be written, or an [`Output`] or [`HttpResponse`] cannot be sent.
    fn into_output(self) -> Result<Output>;
}

impl FlowOutput for Output {
    fn into_output(self) -> Result<Output> {
        self.check()
    }
}

impl FlowOutput for HttpResponse {
    fn into_output(self) -> Result<Output> {
        Output::try_from(self)
    }
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + Send> FlowOutput for T {
    fn into_output(self) -> Result<Output> {
        Output::json(&self)
    }
}

/// What `#[on_trigger]` decided (E3).
///
/// A trigger may simply return a value, which becomes the body that `#[on_execution]` sees, or an [`HttpResponse`] for the caller, or
/// `()` to let the payload pass; this says more than one of these at once.
#[derive(Debug, Default)]
pub struct TriggerOutput {
    /// The payload for `#[on_execution]`; `None` passes on the one that came.
    pub payload: Option<Payload>,
    /// The answer to an asynchronous caller (W21).
    pub response: Option<HttpResponse>,
    /// Nothing new: `#[on_execution]` does not run (polling).
    pub nothing_new: bool,
    /// The items of this page, cut into executions of `batch_size`, and the cursor of the next page (E6).
    pub page: Option<Page>,
}

/// One page that a batching trigger fetched (E6).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// The items.
    pub items: Vec<serde_json::Value>,
    /// Where the next page begins; `None` after the last one.
    pub cursor: Option<serde_json::Value>,
}

impl TriggerOutput {
    /// Passes this payload on.
    pub fn payload(payload: Payload) -> Self {
        Self {
            payload: Some(payload),
            ..Self::default()
        }
    }

    /// Passes this value on as the body, with nothing else of the payload that came.
    ///
    /// # Errors
    ///
    /// The value cannot be written as JSON.
    pub fn json(value: &impl Serialize) -> Result<Self> {
        let body = json::to_value(value).map_err(|fault| {
            Error::new(format!("what the trigger returned is not JSON: {fault}")).permanent()
        })?;
        Ok(Self::payload(Payload::json(&body)))
    }

    /// Says that there is nothing new, so nothing runs.
    pub fn nothing_new() -> Self {
        Self {
            nothing_new: true,
            ..Self::default()
        }
    }

    /// Hands over one page of items and where the next begins (E6).
    ///
    /// # Errors
    ///
    /// An item or the cursor cannot be written as JSON.
    pub fn page<T: Serialize, K: Serialize>(items: &[T], cursor: Option<&K>) -> Result<Self> {
        let items = items.iter().map(json::to_value).collect::<Result<_, _>>()?;
        let cursor = cursor.map(json::to_value).transpose()?;
        Ok(Self {
            page: Some(Page { items, cursor }),
            ..Self::default()
        })
    }

    /// Answers the caller with this response.
    #[must_use]
    pub fn respond(mut self, response: HttpResponse) -> Self {
        self.response = Some(response);
        self
    }
}

/// What `#[on_trigger]` may return inside its `Result`: [`TriggerOutput`], [`Payload`], [`HttpResponse`], `()`, or anything that
/// serialises, which becomes the body that `#[on_execution]` sees.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot come from a trigger; derive `serde::Serialize` for it, or return `Payload`, `HttpResponse` or `TriggerOutput`",
    label = "does not serialise"
)]
pub trait FromTrigger: Send {
    /// Reads what the trigger returned; `payload` is what it was given, without its body when the trigger took that.
    ///
    /// # Errors
    ///
    /// The value cannot be written, or an [`HttpResponse`] cannot be sent.
    fn into_trigger_output(self, payload: &Payload) -> Result<TriggerOutput>;
}

impl FromTrigger for TriggerOutput {
    fn into_trigger_output(mut self, _payload: &Payload) -> Result<TriggerOutput> {
        self.response = self.response.map(HttpResponse::check).transpose()?;
        Ok(self)
    }
}

impl FromTrigger for Payload {
    fn into_trigger_output(self, _payload: &Payload) -> Result<TriggerOutput> {
        Ok(TriggerOutput::payload(self))
    }
}

impl FromTrigger for HttpResponse {
    fn into_trigger_output(self, _payload: &Payload) -> Result<TriggerOutput> {
        Ok(TriggerOutput::default().respond(self.check()?))
    }
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + Send + 'static> FromTrigger for T {
    fn into_trigger_output(self, payload: &Payload) -> Result<TriggerOutput> {
        if is_unit(&self) {
            return Ok(TriggerOutput::default());
        }
        let body = json::to_value(&self).map_err(|fault| {
            Error::new(format!("what the trigger returned is not JSON: {fault}")).permanent()
        })?;
        Ok(TriggerOutput::payload(payload.clone().with_body(body)))
    }
}

fn is_unit<T: 'static>(value: &T) -> bool {
    (value as &dyn Any).is::<()>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_with_a_line_break_is_refused() {
        let refusal = HttpResponse::ok()
            .header("location", "/a\r\nset-cookie: b")
            .check()
            .unwrap_err();
        assert!(
            refusal.to_string().contains("cannot be sent as a header"),
            "{refusal}"
        );
    }

    #[test]
    fn a_status_that_is_no_answer_is_refused() {
        assert!(HttpResponse::status(99).check().is_err());
        assert!(HttpResponse::status(101).check().is_err());
        assert!(HttpResponse::status(415).check().is_ok());
    }

    #[test]
    fn a_trigger_hands_over_a_value_as_the_body() {
        let output = TriggerOutput::json(&[1, 2]).unwrap();
        assert_eq!(output.payload.unwrap().data(), serde_json::json!([1, 2]));
        assert!(!output.nothing_new);
    }

    #[test]
    fn a_trigger_that_returns_nothing_lets_the_payload_pass() {
        let payload = Payload::json(&serde_json::json!({"a": 1}));
        assert!(().into_trigger_output(&payload).unwrap().payload.is_none());
        let changed = 7.into_trigger_output(&payload).unwrap().payload.unwrap();
        assert_eq!(
            (changed.data(), changed.raw_body.as_ref()),
            (serde_json::json!(7), br#"{"a":1}"#.as_slice())
        );
    }

    #[test]
    fn a_result_that_cannot_be_sent_is_refused() {
        let told = |output: Output| output.into_output().unwrap_err().to_string();
        assert_eq!(
            told(Output::status(999)),
            "999 is no HTTP status for an answer; use 200 to 599"
        );
        assert_eq!(
            told(Output::text("a").with_content_type("text/plain\r\nx: y")),
            r#""text/plain\r\nx: y" cannot be sent as a content type"#
        );
        assert!(Output::status(599).into_output().is_ok());
    }
}
