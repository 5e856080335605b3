//! Questions by which senders find out whether an endpoint is there and belongs to their customer.

use http::{Method, StatusCode};
use serde_json::Value;

use crate::signature::{Hash, Source, UrlRule};

/// A question of a sender that is answered at once and starts no execution (W41).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Handshake {
    /// What it is called in the console.
    pub name: String,
    /// The method of the request.
    pub method: Method,
    /// By what the request is known; all of it must hold.
    pub marks: Vec<Mark>,
    /// What must be right before it is answered.
    pub guard: Guard,
    /// The answer.
    pub reply: Reply,
    /// Whether it says that the sender will send no more: then it verifies nothing.
    pub ends: bool,
}

/// Something by which a handshake is told from a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mark {
    /// There is a value here.
    Has(Source),
    /// There is no such header.
    NoHeader(String),
    /// The query parameter has this value.
    Query {
        /// The name.
        name: String,
        /// The value.
        value: String,
    },
    /// The JSON body has this value here.
    Body {
        /// JSON pointer to it.
        pointer: String,
        /// The value.
        value: Value,
    },
    /// The body is a form of this field alone, whose value is a whole number.
    NumberForm(String),
}

/// What must be right before a handshake is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Guard {
    /// Nothing: whoever asks is answered, and learns nothing but that there is an endpoint.
    Open,
    /// The request must be signed like a delivery. If it is not, it is treated as a delivery, and refused as one.
    Signature,
    /// The value here must be a verify token, which is chosen by the customer and is not the signing secret. If not: 403.
    VerifyToken(Source),
    /// The value here is the signing secret itself, and is accepted only while there is none (or again, if it is the same). If not: 401.
    FirstSecret(Source),
}

/// The answer to a handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reply {
    /// This status, without a body.
    Status(StatusCode),
    /// 200 and the value as plain text, which no browser may take for anything else.
    Text(Source),
    /// 200 and a JSON object of these members.
    Json(Vec<(String, JsonValue)>),
    /// 200 without a body, and the value in this header.
    Header {
        /// The header of the answer.
        name: String,
        /// Where the value stands.
        value: Source,
    },
    /// The URL here is called by GET, if this rule allows it. 200 without a body once it has answered well, 503 until then, so that the
    /// sender asks again. Only behind [`Guard::Signature`].
    Call {
        /// Where the URL stands.
        url: Source,
        /// Which URLs are allowed.
        allowed: UrlRule,
    },
}

/// A member of a JSON answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum JsonValue {
    /// Always this.
    Fixed(Value),
    /// The value that was sent.
    Echo(Source),
    /// The HMAC of the value that was sent, in hexadecimal, under the secret that the request was signed with.
    ///
    /// Answered only for values of ASCII letters, digits, `-` and `_`, else anybody could have texts signed.
    Hmac {
        /// Where the value stands.
        value: Source,
        /// The hash.
        hash: Hash,
    },
}

impl Handshake {
    /// A handshake by name, method, and the answer to it. Nothing marks it yet, so every request of that method is one.
    pub fn new(name: impl Into<String>, method: Method, reply: Reply) -> Self {
        Self {
            name: name.into(),
            method,
            marks: Vec::new(),
            guard: Guard::Open,
            reply,
            ends: false,
        }
    }

    /// GET with a value in this query parameter, which is sent back as plain text.
    pub fn echo_query(name: impl Into<String>, parameter: impl Into<String>) -> Self {
        let value = Source::query(parameter);
        Self::new(name, Method::GET, Reply::Text(value.clone())).mark(Mark::Has(value))
    }

    /// POST with `{"<member>": …}` in the body, which is sent back as a JSON object of that member alone.
    pub fn echo_body(name: impl Into<String>, member: impl Into<String>) -> Self {
        let member = member.into();
        let value = Source::body(format!("/{member}"));
        let reply = Reply::Json(vec![(member, JsonValue::Echo(value.clone()))]);
        Self::new(name, Method::POST, reply).mark(Mark::Has(value))
    }

    /// HEAD, answered with 200: a probe whether anything is there.
    pub fn probe(name: impl Into<String>) -> Self {
        Self::new(name, Method::HEAD, Reply::Status(StatusCode::OK))
    }

    /// Says that by this the sender tells that it will send no more.
    #[must_use]
    pub fn ends(mut self) -> Self {
        self.ends = true;
        self
    }

    /// Adds something that must hold for a request to be this handshake.
    #[must_use]
    pub fn mark(mut self, mark: Mark) -> Self {
        self.marks.push(mark);
        self
    }

    /// Says what must be right before it is answered.
    #[must_use]
    pub fn guard(mut self, guard: Guard) -> Self {
        self.guard = guard;
        self
    }
}
