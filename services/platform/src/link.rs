//! How one context reaches another: over TCP, or inside the process, through the same generated client.

use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use tonic::body::Body;
use tonic::transport::{Channel, Endpoint};
use tower::{Service, ServiceExt as _};

use crate::server::Stack;
use crate::telemetry;

/// A way to a context. Made without connecting, so that nothing has a start order.
#[derive(Clone, Debug)]
pub struct Link(Way);

#[derive(Clone, Debug)]
enum Way {
    Remote(Channel),
    Local(Arc<OnceLock<Stack>>),
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
    pub fn lead_to(&self, stack: &Stack) {
        if let Way::Local(slot) = &self.0 {
            let _ = slot.set(stack.clone());
        }
    }
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
                let stack = slot.get().cloned();
                Box::pin(async move {
                    let stack = stack.ok_or("the server of this link is not running yet")?;
                    Ok(stack.oneshot(request).await.unwrap_or_else(|never| match never {}))
                })
            }
        }
    }
}
