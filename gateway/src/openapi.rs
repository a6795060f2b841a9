//! The OpenAPI 3.1 description, made from the handlers, and its browsable form.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::body::Bytes;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION};
use http::{HeaderValue, Method, StatusCode};
use serde_json::{Value, json};
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    Components, ContentBuilder, Header, InfoBuilder, License, OpenApi, OpenApiBuilder, Ref, RefOr, Required, Server,
};
use utoipa::{PartialSchema as _, ToSchema as _};
use utoipa_axum::router::OpenApiRouter;

use crate::Gateway;
use crate::dialect::{Dialect, chats, conversations};
use crate::errors::{self, Sentence, Sentences, TABLE};

/// The description as committed in `openapi.json`.
pub fn document() -> String {
    let (_, document) = describe(crate::routes());
    let mut text = document.to_pretty_json().expect("a description is JSON");
    text.push('\n');
    text
}

/// The routes, and their description completed with what holds for every operation.
pub(crate) fn describe(routes: OpenApiRouter<Gateway>) -> (Router<Gateway>, OpenApi) {
    let (routes, mut document) = routes.split_for_parts();
    let about = OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("Handoff")
                .version(env!("CARGO_PKG_VERSION"))
                .description(Some(ABOUT))
                .license(Some(License::new("Apache-2.0"))),
        )
        .servers(Some([Server::new("/"), Server::new("/api")]))
        .build();
    document.info = about.info;
    document.servers = about.servers;
    document.security = Some(vec![SecurityRequirement::new("apiKey", [""; 0])]);

    let components = document.components.get_or_insert_with(Components::new);
    let mut schemas = vec![(errors::Body::name().into_owned(), errors::Body::schema())];
    errors::Body::schemas(&mut schemas);
    schemas.push((Sentence::name().into_owned(), Sentence::schema()));
    components.schemas.extend(schemas);
    components.add_security_scheme(
        "apiKey",
        SecurityScheme::Http({
            let mut scheme = Http::new(HttpAuthScheme::Bearer);
            scheme.description =
                Some("An API key. The bare key, and Basic with the key as password, work as well.".to_owned());
            scheme
        }),
    );
    components.responses.extend(failures());
    for (name, sentences) in [(CONVERSATIONS, conversations::TABLE), (CHATS, chats::TABLE)] {
        components.responses.extend(sentence_failures(name, sentences));
    }
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in operations(item) {
            complete(path, &method, operation);
        }
    }
    require_what_answers_always_have(&mut document);
    (routes, document)
}

/// Members of answers that are left out instead of being null.
const MAY_LACK: [(&str, &str); 4] = [
    ("Answer_", "message"),
    ("ChatbotMessage", "agentName"),
    ("LastMessage", "question"),
    ("LastMessage", "answer"),
];

/// Declares the members of the threads and chats dialects' answers as required: they are there even where they are null, while a member of a request
/// that may be null may be absent. utoipa can't tell the two apart.
fn require_what_answers_always_have(document: &mut OpenApi) {
    let Some(components) = &mut document.components else {
        return;
    };
    // What requests are made of, and what those schemas are made of in turn.
    let mut found = Vec::new();
    for item in document.paths.paths.values_mut() {
        for (_, operation) in operations(item) {
            referred(&json!(operation.request_body), &mut found);
        }
    }
    let mut requested = BTreeSet::new();
    while let Some(name) = found.pop() {
        if let Some(schema) = components.schemas.get(&name)
            && requested.insert(name)
        {
            referred(&json!(schema), &mut found);
        }
    }
    // The conversations dialect leaves out what is null.
    let own = conversations::routes().split_for_parts().1;
    let own = own.components.unwrap_or_default().schemas;
    for (name, schema) in &mut components.schemas {
        if let RefOr::T(Schema::Object(object)) = schema
            && !requested.contains(name)
            && !own.contains_key(name)
        {
            let lacks = |member: &str| {
                MAY_LACK
                    .iter()
                    .any(|(of, lacked)| name.starts_with(of) && *lacked == member)
            };
            object.required = object
                .properties
                .keys()
                .filter(|member| !lacks(member))
                .cloned()
                .collect();
        }
    }
}

/// Adds the names of the schemas that `part` refers to.
fn referred(part: &Value, names: &mut Vec<String>) {
    match part {
        Value::String(text) => names.extend(text.strip_prefix("#/components/schemas/").map(str::to_owned)),
        Value::Array(parts) => parts.iter().for_each(|part| referred(part, names)),
        Value::Object(members) => members.values().for_each(|part| referred(part, names)),
        _ => {}
    }
}

const ABOUT: &str = "Chatbot threads that are handed off to people, and the conversations they become.

Every path is served with and without `/api` in front. Members and query keys that are not listed are ignored; an absent \
member and `null` mean the same in a request. Every mutation takes an `Idempotency-Key`: a retry with the same key and body gets the \
first answer again and does nothing twice.";

fn operations(item: &mut PathItem) -> impl Iterator<Item = (Method, &mut Operation)> {
    [
        (Method::GET, &mut item.get),
        (Method::POST, &mut item.post),
        (Method::PUT, &mut item.put),
        (Method::PATCH, &mut item.patch),
        (Method::DELETE, &mut item.delete),
    ]
    .into_iter()
    .filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// What every operation has and no handler repeats: path parameters, the idempotency key, the errors.
fn complete(path: &str, method: &Method, operation: &mut Operation) {
    let parameters = operation.parameters.get_or_insert_default();
    let mut first: Vec<Parameter> = path
        .split('/')
        .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| text_parameter(name, ParameterIn::Path, Required::True, about_parameter(name)))
        .collect();
    if *method != Method::GET {
        let about =
            "1 to 255 printable characters. The first answer is kept for at least a day and given to every retry.";
        first.push(text_parameter(
            "Idempotency-Key",
            ParameterIn::Header,
            Required::False,
            about,
        ));
    }
    parameters.splice(0..0, first.into_iter().map(RefOr::T));

    let has_body = operation.request_body.is_some();
    let causes: Vec<_> = match Dialect::of(path) {
        Dialect::Threads => TABLE.iter().map(|row| (row.cause, row.status, "")).collect(),
        Dialect::Conversations => named(CONVERSATIONS, conversations::TABLE),
        Dialect::Chats => named(CHATS, chats::TABLE),
    };
    for (cause, status, prefix) in causes {
        if errors::applies(cause, method, path, has_body) {
            let name = format!("{prefix}{}", failure_name(status));
            operation
                .responses
                .responses
                .entry(status.as_str().to_owned())
                .or_insert_with(|| RefOr::Ref(Ref::from_response_name(name)));
        }
    }
}

/// What the names of the conversations dialect's failures begin with.
const CONVERSATIONS: &str = "Conversations";
/// The same of the chats dialect.
const CHATS: &str = "Chats";

/// Causes and statuses, with what the names of their failures begin with.
fn named(prefix: &'static str, sentences: Sentences) -> Vec<(errors::Cause, StatusCode, &'static str)> {
    let causes = sentences.iter().map(|(cause, status, _)| (*cause, *status, prefix));
    causes.collect()
}

/// One response for each status of a dialect whose failures are sentences.
fn sentence_failures(prefix: &str, sentences: Sentences) -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
    let responses = sentences.iter().map(|(_, status, message)| {
        let content = ContentBuilder::new()
            .schema(Some(Ref::from_schema_name(Sentence::name())))
            .example(message.map(|message| json!({"message": message})))
            .build();
        let mut response = ResponseBuilder::new()
            .description(status.canonical_reason().unwrap_or_default())
            .content("application/json", content);
        if let Some(header) = retry_after(*status) {
            response = response.header("Retry-After", header);
        }
        (format!("{prefix}{}", failure_name(*status)), RefOr::T(response.build()))
    });
    responses.collect()
}

/// The header that says when to try again, where that can help.
fn retry_after(status: StatusCode) -> Option<Header> {
    let helps = matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE | StatusCode::CONFLICT
    );
    helps.then(|| {
        let mut header = Header::new(ObjectBuilder::new().schema_type(Type::Integer));
        header.description = Some("Seconds to wait before trying again, where that can help.".to_owned());
        header
    })
}

fn text_parameter(name: &str, within: ParameterIn, required: Required, about: &str) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(within)
        .required(required)
        .description(Some(about))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
        .build()
}

fn about_parameter(name: &str) -> &'static str {
    match name {
        "chatbotId" => "Id of the chatbot, for example `361628903185318481`.",
        "threadId" => "Id of the thread within the chatbot.",
        "messageId" => "Id of the message.",
        "conversationId" => "Id of the conversation, an int64.",
        "chat_id" => "Id of the chat, an int64: also that of its conversation.",
        "escalation_id" => "Id of the escalation, an int64.",
        "contactEndpointId" => "An e-mail address, or a number in E.164 form.",
        "promptId" => "Id of the prompt.",
        _ => "Its id.",
    }
}

fn failure_name(status: StatusCode) -> String {
    status.canonical_reason().unwrap_or_default().replace(' ', "")
}

/// One response for each status in the table, with an example for each code.
fn failures() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
    let mut statuses: BTreeMap<StatusCode, Vec<_>> = BTreeMap::new();
    for row in TABLE {
        statuses.entry(row.status).or_default().push(row);
    }
    statuses
        .into_iter()
        .map(|(status, rows)| {
            let examples = rows.iter().flat_map(|row| {
                row.codes.iter().map(|code| {
                    let example = json!({
                        "success": false,
                        "message": row.message,
                        "data": null,
                        "error": {"code": code, "message": row.detail.unwrap_or("what exactly is wrong"), "details": null},
                    });
                    let example = utoipa::openapi::example::ExampleBuilder::new().value(Some(example)).build();
                    ((*code).to_owned(), RefOr::T(example))
                })
            });
            let content = ContentBuilder::new()
                .schema(Some(Ref::from_schema_name(errors::Body::name())))
                .examples_from_iter(examples)
                .build();
            let messages: Vec<_> = rows.iter().map(|row| row.message).collect();
            let mut response = ResponseBuilder::new()
                .description(messages.join(", or: "))
                .content("application/json", content);
            if let Some(header) = retry_after(status) {
                response = response.header("Retry-After", header);
            }
            (failure_name(status), RefOr::T(response.build()))
        })
        .collect()
}

/// Adds `/openapi.json`, `/docs` and `/healthz`.
pub(crate) fn serve(routes: Router<Gateway>, document: &OpenApi) -> Router<Gateway> {
    let json = Bytes::from(document.to_json().expect("a description is JSON"));
    let json = async move || file(json.clone(), "application/json");
    routes
        .route("/openapi.json", get(json))
        // Relative, so that it holds behind `/api` and behind any proxy's prefix.
        .route(
            "/docs",
            get(async || (StatusCode::PERMANENT_REDIRECT, [(LOCATION, "docs/")])),
        )
        .route("/docs/", get(async || page("index.html")))
        .route("/docs/{file}", get(async |Path(name): Path<String>| page(&name)))
        .route(
            "/healthz",
            get(async || {
                file(
                    Bytes::from_static(b"{\"success\":true,\"data\":{\"status\":\"ok\"}}"),
                    "application/json",
                )
            }),
        )
}

fn file(body: Bytes, kind: &str) -> Response {
    let mut response = Response::new(body.into());
    if let Ok(kind) = HeaderValue::from_str(kind) {
        response.headers_mut().insert(CONTENT_TYPE, kind);
    }
    response
}

/// The pages are compiled in; nothing is fetched from elsewhere, and the policy keeps it so.
const PAGE_POLICY: &str =
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'";

fn page(name: &str) -> Response {
    static CONFIG: LazyLock<Arc<utoipa_swagger_ui::Config<'static>>> =
        LazyLock::new(|| Arc::new(utoipa_swagger_ui::Config::from("../openapi.json")));
    match utoipa_swagger_ui::serve(name, Arc::clone(&CONFIG)) {
        Ok(Some(page)) => {
            let mut response = file(page.bytes.into_owned().into(), &page.content_type);
            let headers = response.headers_mut();
            headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(PAGE_POLICY));
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("max-age=3600"));
            response
        }
        Ok(None) => errors::Failure::path_not_found().into_response(),
        Err(error) => errors::Failure::internal(&error.to_string()).into_response(),
    }
}
