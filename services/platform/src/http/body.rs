//! Request and response bodies that tell their connection how far they are.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::activity::{Activity, Exchange};

/// Why a request body ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// It did not arrive within [`super::Limits::body`] or [`super::Limits::body_stall`]; a 408 is the answer.
    #[error("the request body did not arrive in time")]
    Late,
    /// The peer is gone, or sent something that is not HTTP.
    #[error(transparent)]
    Broken(#[from] hyper::Error),
}

/// The body of a request. It fails with [`BodyError::Late`] after its deadline.
#[derive(Debug)]
pub struct RequestBody {
    inner: Incoming,
    /// Absent once nothing more is expected, which for most requests is from the start.
    activity: Option<Arc<Activity>>,
}

impl RequestBody {
    pub(super) fn new(inner: Incoming, activity: Option<&Arc<Activity>>) -> Self {
        Self {
            inner,
            activity: activity.map(Arc::clone),
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        if let Some(activity) = &this.activity
            && activity.body_is_late()
        {
            return Poll::Ready(Some(Err(BodyError::Late)));
        }
        let frame = Pin::new(&mut this.inner).poll_frame(cx);
        if let Some(activity) = &this.activity {
            match &frame {
                Poll::Pending => activity.body_stalled(),
                Poll::Ready(Some(_)) if !this.inner.is_end_stream() => activity.body_moved(),
                Poll::Ready(_) => {
                    activity.body_arrived();
                    this.activity = None;
                }
            }
        }
        frame.map_err(BodyError::from)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        if let Some(activity) = &self.activity {
            activity.body_abandoned(self.inner.size_hint().upper());
        }
    }
}

/// The body of a response, whose end is the end of the request. Empty where the loop itself answered.
#[derive(Debug)]
pub struct ResponseBody<B> {
    inner: Option<B>,
    _exchange: Exchange,
}

impl<B> ResponseBody<B> {
    pub(super) fn new(inner: Option<B>, exchange: Exchange) -> Self {
        Self {
            inner,
            _exchange: exchange,
        }
    }
}

impl<B: Body + Unpin> Body for ResponseBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        match &mut self.get_mut().inner {
            Some(inner) => Pin::new(inner).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}
