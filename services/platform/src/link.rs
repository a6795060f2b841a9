//! How one context reaches another: over TCP, or inside the process, through the same generated client.

use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use parking_lot::Mutex;
use tonic::body::Body;
use tonic::transport::{Channel, Endpoint};
use tonic::{Extensions, Request, Response};
use tower::{Service, ServiceExt as _};

use crate::fault::{self, Kind};
use crate::server::{Stack, WeakStack};
use crate::telemetry;

/// A way to a context. Made without connecting, so that nothing has a start order.
#[derive(Clone, Debug)]
pub struct Link(Way);

#[derive(Clone, Debug)]
enum Way {
    Remote(Channel),
    Local(Arc<OnceLock<WeakStack>>),
}

impl Link {
    /// A link to another process, for example `http://settings:9090`.
    ///
    /// # Errors
    /// When the URL can't be read.
    pub fn remote(url: &str) -> Result<Self, tonic::transport::Error> {
        let endpoint = Endpoint::from_shared(url.to_owned())?
            .connect_timeout(Duration::from_secs(1))
            .tcp_nodelay(true)
            .http2_keep_alive_interval(Duration::from_secs(5))
            .keep_alive_timeout(Duration::from_secs(5))
            .keep_alive_while_idle(true);
        Ok(Self(Way::Remote(endpoint.connect_lazy())))
    }

    /// A link to a server in this process that is still being put together.
    pub fn local() -> Self {
        Self(Way::Local(Arc::default()))
    }

    /// Says where a [`Link::local`] leads. Only the first time counts; a remote link stays as it is.
    ///
    /// The link does not keep the server alive: whoever runs it does, by its [`Running`](crate::server::Running) or a
    /// clone of `stack`. Without one, calls are answered with `UNAVAILABLE`.
    pub fn lead_to(&self, stack: &Stack) {
        if let Way::Local(slot) = &self.0 {
            let _ = slot.set(stack.downgrade());
        }
    }
}

/// The caller of a request would take the answer as it is.
#[derive(Clone, Copy, Debug)]
struct AsItIs;

/// An answer that is not encoded.
#[derive(Debug)]
struct Carried<T>(Arc<Mutex<Option<T>>>);

impl<T> Clone for Carried<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// Lets a large answer come as it is, without being encoded and decoded, where the link stays in the process. It has to be
/// taken with [`received`].
pub fn take_as_it_is<T>(request: &mut Request<T>) {
    request.extensions_mut().insert(AsItIs);
}

/// Whether the caller would take the answer as it is. Only one in this process can say so.
pub(crate) fn is_taken_as_it_is(extensions: &Extensions) -> bool {
    extensions.get::<AsItIs>().is_some()
}

/// An answer that goes as it is: an empty message stands for it on the wire.
pub(crate) fn carry<T: Default + Send + 'static>(message: T) -> Response<T> {
    let mut response = Response::new(T::default());
    response
        .extensions_mut()
        .insert(Carried(Arc::new(Mutex::new(Some(message)))));
    response
}

/// The message of an answer, however it came.
pub fn received<T: Send + 'static>(mut response: Response<T>) -> T {
    let carried = response.extensions_mut().remove::<Carried<T>>();
    let carried = carried.and_then(|carried| carried.0.lock().take());
    carried.unwrap_or_else(|| response.into_inner())
}

impl Service<http::Request<Body>> for Link {
    type Response = http::Response<Body>;
    type Error = Box<dyn std::error::Error + Send + Sync>;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        match &mut self.0 {
            Way::Remote(channel) => channel.poll_ready(context).map_err(Into::into),
            Way::Local(_) => Poll::Ready(Ok(())),
        }
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        telemetry::inject(request.headers_mut());
        match &mut self.0 {
            Way::Remote(channel) => {
                let response = channel.call(request);
                Box::pin(async move { Ok(response.await?) })
            }
            Way::Local(slot) => {
                let stack = slot.get().and_then(WeakStack::upgrade);
                Box::pin(async move {
                    let stack = stack.ok_or_else(|| {
                        fault::refuse(
                            Kind::Unavailable,
                            "DEPENDENCY_UNAVAILABLE",
                            "temporarily unavailable, try again",
                        )
                    })?;
                    Ok(stack.oneshot(request).await.unwrap_or_else(|never| match never {}))
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proto::settings::v1::FindOrganizationRequest;
    use proto::settings::v1::settings_service_client::SettingsServiceClient;
    use tonic::Code;

    use super::*;
    use crate::OrgId;
    use crate::access::{Access, ServiceKey};
    use crate::server::{Limits, Server};

    #[test]
    fn an_answer_is_received_however_it_came() {
        let mut request = Request::new(());
        assert!(!is_taken_as_it_is(request.extensions()));
        take_as_it_is(&mut request);
        assert!(is_taken_as_it_is(request.extensions()));
        let message = FindOrganizationRequest {
            subdomain: "demo".to_owned(),
        };
        let carried = carry(message.clone());
        assert_eq!(*carried.get_ref(), FindOrganizationRequest::default());
        assert_eq!(received(carried), message);
        assert_eq!(received(Response::new(message.clone())), message);
    }

    #[tokio::test]
    async fn a_link_does_not_keep_its_own_server_alive() {
        let (link, key) = (Link::local(), ServiceKey::random());
        let find = async || {
            let request = key.request(OrgId(uuid::Uuid::nil()), FindOrganizationRequest::default());
            let answer = SettingsServiceClient::new(link.clone())
                .find_organization(request)
                .await;
            answer.unwrap_err().code()
        };
        assert_eq!(find().await, Code::Unavailable, "it leads nowhere yet");
        let running = Server::new(Access::new(link.clone(), key.clone()), Limits::default()).build();
        link.lead_to(&running.stack());
        assert_eq!(find().await, Code::Unimplemented, "nothing is mounted");
        let stack = running.stack().downgrade();
        drop(running);
        assert!(stack.upgrade().is_none());
        assert_eq!(find().await, Code::Unavailable);
    }
}
