//! The documented REST surfaces of Handoff, in front of its gRPC services.
//!
//! A request passes the edge (`/api` taken off, who calls, how fast, the whole body, the deadline), then a dialect reads
//! it into a message of a service and writes the answer in its documented form. The gateway stores nothing and decides
//! nothing: scopes, tenancy and rules are the services', which get the caller's own key.

mod answer;
mod auth;
mod dialect;
mod edge;
mod errors;
mod extract;
mod feed;
mod limit;
mod openapi;
mod routes;
mod service;
mod trace;
mod words;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use http::{HeaderValue, Request, Uri};
use platform::access::Access;
use platform::events::Feed;
use platform::http::RequestBody;
pub(crate) use platform::link::Link;
use proto::conversation::v1::chat_service_client::ChatServiceClient;
use proto::conversation::v1::conversation_service_client::ConversationServiceClient;
use proto::conversation::v1::directory_service_client::DirectoryServiceClient;
use proto::settings::v1::settings_service_client::SettingsServiceClient;
use proto::thread::v1::thread_service_client::ThreadServiceClient;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;
use utoipa_axum::router::OpenApiRouter;

pub use limit::Limits;
pub use openapi::document;

pub use service::{Config, run};

use dialect::Dialect;
use edge::Edge;
use feed::Feeds;
use routes::Routes;

/// What the gateway needs.
#[derive(Clone, Debug)]
pub struct Dependencies {
    /// The way to the settings context.
    pub settings: Link,
    /// The way to the thread context.
    pub thread: Link,
    /// The way to the conversation context.
    pub conversation: Link,
    /// Who calls.
    pub access: Access,
    /// What happens, as it happens.
    pub feed: Feed,
    /// How much to take on.
    pub limits: Limits,
}

/// What handlers work with. Cloning is cheap.
#[derive(Clone)]
pub(crate) struct Gateway(Arc<Shared>);

struct Shared {
    settings: SettingsServiceClient<Link>,
    thread: ThreadServiceClient<Link>,
    directory: DirectoryServiceClient<Link>,
    conversation: ConversationServiceClient<Link>,
    chat: ChatServiceClient<Link>,
    /// The value of `grpc-timeout`.
    service_deadline: HeaderValue,
    feeds: Feeds,
}

/// Largest answer taken from a service: a thread's newest thousand messages, each of 32 KiB, fit.
const ANSWER_BYTES: usize = 64 << 20;

impl Gateway {
    fn new(deps: &Dependencies, stop: CancellationToken) -> Self {
        let deadline = format!("{}m", deps.limits.service_deadline_ms.min(99_999_999));
        Self(Arc::new(Shared {
            settings: SettingsServiceClient::new(deps.settings.clone()).max_decoding_message_size(ANSWER_BYTES),
            thread: ThreadServiceClient::new(deps.thread.clone()).max_decoding_message_size(ANSWER_BYTES),
            directory: DirectoryServiceClient::new(deps.conversation.clone()).max_decoding_message_size(ANSWER_BYTES),
            conversation: ConversationServiceClient::new(deps.conversation.clone())
                .max_decoding_message_size(ANSWER_BYTES),
            chat: ChatServiceClient::new(deps.conversation.clone()).max_decoding_message_size(ANSWER_BYTES),
            service_deadline: HeaderValue::try_from(deadline).expect("digits and a letter"),
            feeds: Feeds::new(deps.feed.clone(), deps.access.clone(), &deps.limits, stop),
        }))
    }
}

fn edge(deps: Dependencies, stop: CancellationToken) -> Edge {
    let gateway = Gateway::new(&deps, stop);
    let (router, document) = openapi::describe(routes());
    let routes = Routes::new(document.paths.paths.keys().cloned());
    let router = openapi::serve(router, &document)
        .fallback(async |uri: Uri| Dialect::of(uri.path()).refuse(errors::Failure::path_not_found()))
        .method_not_allowed_fallback(async |uri: Uri| {
            Dialect::of(uri.path()).refuse(errors::Failure::method_not_allowed())
        })
        .with_state(gateway);
    Edge::new(router, routes, deps.access, deps.limits)
}

fn routes() -> OpenApiRouter<Gateway> {
    dialect::threads::routes()
        .merge(dialect::conversations::routes())
        .merge(dialect::chats::routes())
        .merge(feed::routes())
}

/// The whole REST surface as a router.
pub fn router(deps: Dependencies) -> Router {
    Router::new().fallback_service(edge(deps, CancellationToken::new()))
}

/// Serves the whole REST surface on `listener` until `stop`.
///
/// # Errors
/// When the listener never listened.
pub fn serve(
    listener: TcpListener,
    deps: Dependencies,
    stop: CancellationToken,
) -> impl Future<Output = std::io::Result<()>> + Send {
    // Not in the future: describing the surface takes long enough to let what runs beside it miss a deadline.
    let service = edge(deps, stop.clone()).map_request(|request: Request<RequestBody>| request.map(Body::new));
    platform::http::serve(listener, service, platform::http::Limits::default(), stop)
}
