//! One row of the table of routes: what the router and the OpenAPI document are both made of.

use std::sync::Arc;

use axum::handler::Handler;
use axum::http::{Method, StatusCode};
use axum::routing::{MethodFilter, MethodRouter, on};
use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::Admin;

/// Makes the schema of a type.
pub(super) type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// What is answered when all goes well.
#[derive(Clone, Copy, Debug)]
pub(super) enum Content {
    /// Nothing.
    Nothing,
    /// JSON of this schema.
    Json(SchemaOf),
    /// Something else, of this content type.
    Other(&'static str),
}

/// A method of a path, with what goes in and what comes out.
pub(super) struct Route {
    pub(super) method: Method,
    pub(super) path: &'static str,
    /// The name of the operation.
    pub(super) name: &'static str,
    pub(super) summary: &'static str,
    pub(super) query: Option<SchemaOf>,
    pub(super) body: Option<SchemaOf>,
    pub(super) answers: Vec<(StatusCode, Content)>,
    /// The refusals of its own, beside those that every route has.
    pub(super) refusals: Vec<StatusCode>,
    /// Whether it is answered without a token.
    pub(super) is_open: bool,
    pub(super) handler: MethodRouter<Arc<Admin>>,
}

impl Route {
    pub(super) fn new<H, T>(
        method: Method,
        path: &'static str,
        (name, summary): (&'static str, &'static str),
        handler: H,
    ) -> Self
    where
        H: Handler<T, Arc<Admin>>,
        T: 'static,
    {
        // Only methods that a filter knows stand in the table; a test looks at each row.
        let filter = MethodFilter::try_from(method.clone()).unwrap_or(MethodFilter::TRACE);
        Self {
            method,
            path,
            name,
            summary,
            query: None,
            body: None,
            answers: Vec::new(),
            refusals: Vec::new(),
            is_open: false,
            handler: on(filter, handler),
        }
    }

    /// Takes parameters: the fields of `T`.
    pub(super) fn query<T: JsonSchema>(mut self) -> Self {
        self.query = Some(T::json_schema);
        self
    }

    /// Takes a JSON body.
    pub(super) fn body<T: JsonSchema>(mut self) -> Self {
        self.body = Some(SchemaGenerator::subschema_for::<T>);
        self
    }

    /// Answers with JSON.
    pub(super) fn answers<T: JsonSchema>(mut self, status: StatusCode) -> Self {
        let schema: SchemaOf = SchemaGenerator::subschema_for::<T>;
        self.answers.push((status, Content::Json(schema)));
        self
    }

    /// Answers with nothing.
    pub(super) fn answers_nothing(mut self) -> Self {
        let answer = (StatusCode::NO_CONTENT, Content::Nothing);
        self.answers.push(answer);
        self
    }

    /// Answers with something that is no JSON.
    pub(super) fn answers_as(mut self, content_type: &'static str) -> Self {
        let answer = (StatusCode::OK, Content::Other(content_type));
        self.answers.push(answer);
        self
    }

    /// May be refused with these.
    pub(super) fn refuses(mut self, statuses: &[StatusCode]) -> Self {
        self.refusals.extend_from_slice(statuses);
        self
    }

    /// Needs no token.
    pub(super) fn open(mut self) -> Self {
        self.is_open = true;
        self
    }
}
