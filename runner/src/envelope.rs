//! Between a payload as author code sees it and a payload as it is stored: the bytes of the body are never written again (W13).

mod identity;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use sdk::endpoint::{Field, Layout, RoutedBy};
use sdk::flow::FlowFn;
use sdk::integration::FlowParts;
use sdk::queue::Queue;
use sdk::response::OutputData;
use sdk::{Body, Error, Output, Payload, QueryParameters, Result};

pub use self::identity::identity;
use crate::decode::{BodyLimits, JsonAs, read_body_as};
use crate::record::{
    Base64, Function, HandedOn, HeaderBytes, StoredBody, StoredOutput, StoredPayload,
};

/// Says as what the JSON of a payload is taken for a function of a flow: as a text, if all that looks at it is a function that reads it
/// into a type of its own. It depends on nothing but the code, so that each attempt and each replay finds the same.
pub fn json_as(layout: &Layout, flow: &FlowParts, function: Function) -> JsonAs {
    let (options, functions) = (&flow.options, &flow.functions);
    let is_looked_into = is_read_for_routing(layout)
        || functions.on_trigger.is_some()
        || options.dedupe.is_some()
        || options.retry.unique_pointer().is_some()
        || matches!(options.queue, Queue::OrderBy { .. });
    let on_execution = functions.on_execution.as_ref();
    let is_decoded = function == Function::OnExecution && on_execution.is_none_or(FlowFn::decodes);
    if is_decoded && !is_looked_into {
        JsonAs::Text
    } else {
        JsonAs::Value
    }
}

/// Says whether the body is read before it is known which flow a request is for.
fn is_read_for_routing(layout: &Layout) -> bool {
    match layout {
        Layout::PerFlow => false,
        Layout::PerInstance(RoutedBy::Fields { customer, flow })
        | Layout::Shared(RoutedBy::Fields { customer, flow }) => [customer, flow]
            .into_iter()
            .flatten()
            .any(Field::is_in_body),
        _ => true,
    }
}

impl StoredPayload {
    /// Keeps a payload whose body is what its raw bytes read as: one that came over HTTP.
    pub fn received(payload: &Payload, invoke_url: Option<&str>) -> Self {
        Self {
            method: payload.method.as_str().to_owned(),
            headers: store_headers(&payload.headers),
            path_fragment: payload.path_fragment.clone(),
            query: payload
                .query_parameters
                .iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            invoke_url: invoke_url.map(str::to_owned),
            content_type: payload.content_type.clone(),
            tick: payload.tick.clone(),
            cursor: payload.cursor.clone(),
            body: None,
            handed_on: None,
            triggered: None,
            trigger_state: Vec::new(),
            sealed: None,
            raw_body: payload.raw_body.clone(),
        }
    }

    /// Keeps a payload that code made: its body need not be what its raw bytes read as.
    pub fn made(payload: &Payload, limits: &BodyLimits) -> Self {
        let received = Self::received(payload, None);
        let reads_as = received
            .read(payload.raw_body.clone(), limits, JsonAs::Value)
            .ok()
            .map(|read| read.body);
        Self {
            body: (reads_as.as_ref() != Some(&payload.body))
                .then(|| StoredBody::from(&payload.body)),
            ..received
        }
    }

    /// Keeps what `#[on_trigger]` hands on in place of this, whatever of it has changed (W21).
    #[must_use]
    pub fn handing_on(self, changed: &Payload, limits: &BodyLimits) -> Self {
        let raw_body =
            (changed.raw_body != self.raw_body).then(|| Base64(changed.raw_body.clone()));
        let payload = Self::made(changed, limits);
        Self {
            handed_on: Some(Box::new(HandedOn { payload, raw_body })),
            ..self
        }
    }

    /// Returns what came, before `#[on_trigger]` has seen it.
    #[must_use]
    pub fn before_trigger(&self) -> Self {
        Self {
            handed_on: None,
            triggered: None,
            trigger_state: Vec::new(),
            ..self.clone()
        }
    }

    /// Makes the payload again, as `#[on_trigger]` handed it on if it did: the same bytes, read in the same way.
    ///
    /// # Errors
    ///
    /// The body cannot be read any more, because the limits have become smaller since it was accepted.
    pub fn to_payload(&self, limits: &BodyLimits, json: JsonAs) -> Result<Payload> {
        let came = || self.raw_body.clone();
        match self.handed_on.as_deref() {
            Some(HandedOn { payload, raw_body }) => {
                let own = raw_body.as_ref().map(|Base64(bytes)| bytes.clone());
                payload.read(own.unwrap_or_else(came), limits, json)
            }
            None => self.read(came(), limits, json),
        }
    }

    fn read(&self, raw_body: Bytes, limits: &BodyLimits, json: JsonAs) -> Result<Payload> {
        let headers = load_headers(&self.headers);
        let body = match &self.body {
            Some(body) => body.to_body()?,
            None => self.read_body(&headers, &raw_body, limits, json)?,
        };
        Ok(Payload {
            method: Method::from_bytes(self.method.as_bytes()).unwrap_or(Method::POST),
            headers,
            path_fragment: self.path_fragment.clone(),
            query_parameters: self.query.iter().cloned().collect::<QueryParameters>(),
            raw_body,
            content_type: self.content_type.clone(),
            body,
            tick: self.tick.clone(),
            cursor: self.cursor.clone(),
        })
    }

    fn read_body(
        &self,
        headers: &HeaderMap,
        raw: &Bytes,
        limits: &BodyLimits,
        json: JsonAs,
    ) -> Result<Body> {
        let encoding = content_encoding(headers);
        read_body_as(
            json,
            self.content_type.as_deref(),
            encoding.as_deref(),
            raw,
            limits,
        )
        .map_err(|fault| Error::new(fault.to_string()).permanent())
    }
}

/// Says whether `#[on_trigger]` handed on just what it was given.
pub fn is_unchanged(came: &Payload, handed: &Payload) -> bool {
    came.raw_body == handed.raw_body
        && came.body == handed.body
        && came.headers == handed.headers
        && came.query_parameters == handed.query_parameters
        && came.path_fragment == handed.path_fragment
        && came.content_type == handed.content_type
        && came.method == handed.method
        && came.tick == handed.tick
        && came.cursor == handed.cursor
}

/// Returns the content encoding of a body: what several headers say, in their order.
pub fn content_encoding(headers: &HeaderMap) -> Option<String> {
    let values = headers.get_all(http::header::CONTENT_ENCODING);
    let texts: Vec<&str> = values
        .iter()
        .filter_map(|value| value.to_str().ok())
        .collect();
    (!texts.is_empty()).then(|| texts.join(", "))
}

/// Keeps headers in their order, repeated ones too (W10).
pub fn store_headers(headers: &HeaderMap) -> Vec<(String, HeaderBytes)> {
    let entry = |(name, value): (&HeaderName, &HeaderValue)| {
        let value = match value.to_str() {
            Ok(text) => HeaderBytes::Text(text.to_owned()),
            Err(_) => HeaderBytes::Bytes(value.as_bytes().to_vec()),
        };
        (name.as_str().to_owned(), value)
    };
    headers.iter().map(entry).collect()
}

/// Makes the headers again.
pub fn load_headers(stored: &[(String, HeaderBytes)]) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(stored.len());
    for (name, value) in stored {
        let value = match value {
            HeaderBytes::Text(text) => HeaderValue::from_str(text),
            HeaderBytes::Bytes(bytes) => HeaderValue::from_bytes(bytes),
        };
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name.as_str()), value) {
            headers.append(name, value);
        }
    }
    headers
}

/// Keeps a result.
pub fn store_output(output: &Output) -> StoredOutput {
    StoredOutput {
        content_type: output.effective_content_type().to_owned(),
        status: output.status,
        headers: store_headers(&output.headers),
        text_like: is_text_like(output),
        data: output.to_bytes(),
    }
}

/// Makes a result again, for a flow that called the one that gave it.
pub fn load_output(stored: &StoredOutput) -> Output {
    let data = if stored.data.is_empty() {
        OutputData::None
    } else if stored.content_type == "application/json" {
        OutputData::Json(stored.data.clone())
    } else {
        OutputData::Bytes(stored.data.clone())
    };
    Output {
        data,
        content_type: Some(stored.content_type.clone()),
        status: stored.status,
        headers: load_headers(&stored.headers),
    }
}

/// Says whether a result is text: JSON, XML or plain text, so that it can be answered directly (W25).
fn is_text_like(output: &Output) -> bool {
    let essence = output
        .effective_content_type()
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    let text = essence.starts_with("text/")
        || matches!(
            essence.as_str(),
            "application/json"
                | "application/xml"
                | "application/javascript"
                | "application/x-www-form-urlencoded"
        )
        || essence.ends_with("+json")
        || essence.ends_with("+xml");
    text && std::str::from_utf8(&peek(output)).is_ok()
}

fn peek(output: &Output) -> Bytes {
    match &output.data {
        OutputData::Bytes(bytes) => bytes.clone(),
        // JSON and text are UTF-8 already.
        _ => Bytes::new(),
    }
}
