//! Bodies that pass piece by piece: none is held whole, and whoever does not take the next piece is not sent it.

use std::cell::Cell;
use std::error::Error;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::task::AbortHandle;
use tokio::time::{Instant, Sleep, sleep};

use super::headers;
use super::tally::{Ending, Tally};

type BoxError = Box<dyn Error + Send + Sync>;

/// What is known of a request's body while it passes.
pub(super) struct Progress {
    /// When a piece of it passed last.
    pub(super) moved: Cell<Instant>,
    /// Why it passes no further.
    pub(super) fault: Cell<Option<Ending>>,
}

/// The body of a request on its way to the app.
pub(super) struct Outgoing<B> {
    body: B,
    progress: Rc<Progress>,
    /// How long the sender may take for the next piece.
    pause: Duration,
    timer: Option<Pin<Box<Sleep>>>,
}

impl<B> Outgoing<B> {
    pub(super) fn new(body: B, pause: Duration) -> (Self, Rc<Progress>) {
        let progress = Rc::new(Progress { moved: Cell::new(Instant::now()), fault: Cell::new(None) });
        (Self { body, progress: Rc::clone(&progress), pause, timer: None }, progress)
    }

    /// Whether the sender has paused for too long.
    fn is_late(&mut self, context: &mut Context<'_>) -> bool {
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(self.pause)));
        timer.as_mut().poll(context).is_ready()
    }
}

impl<B> Body for Outgoing<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) else {
            if self.is_late(context) {
                self.progress.fault.set(Some(Ending::SlowBody));
                return Poll::Ready(Some(Err("the sender paused for too long".into())));
            }
            return Poll::Pending;
        };
        self.timer = None;
        self.progress.moved.set(Instant::now());
        Poll::Ready(match frame {
            Some(Ok(mut frame)) => {
                if let Some(trailers) = frame.trailers_mut() {
                    headers::of_trailers(trailers);
                }
                Some(Ok(frame))
            }
            Some(Err(error)) => {
                self.progress.fault.set(Some(Ending::BrokenBody));
                Some(Err(error.into()))
            }
            None => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A task that ends when nobody holds this any more.
pub(super) struct Driver(pub(super) AbortHandle);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The body of an answer: the app's on its way to the sender, or a short text of ours.
pub struct Passed(Kind);

enum Kind {
    Ours(Full<Bytes>),
    Apps(Apps),
}

struct Apps {
    body: Incoming,
    /// What breaks off, which is told when all that came before it is on its way.
    broken: Option<hyper::Error>,
    /// Without it the connection to the app is closed.
    _driver: Driver,
    tally: Tally,
}

impl Passed {
    /// A text of ours.
    pub(super) fn ours(text: &'static str) -> Self {
        Self(Kind::Ours(Full::new(Bytes::from_static(text.as_bytes()))))
    }

    /// The app's answer, over the connection that `driver` drives.
    pub(super) fn apps(body: Incoming, driver: Driver, tally: Tally) -> Self {
        let mut apps = Apps { body, broken: None, _driver: driver, tally };
        apps.look();
        Self(Kind::Apps(apps))
    }

    /// Whether there is more of it, which will not come if it is dropped now.
    pub(crate) fn is_unfinished(&self) -> bool {
        match &self.0 {
            Kind::Ours(_) => false,
            Kind::Apps(apps) => apps.tally.ending != Ending::Passed,
        }
    }
}

impl Apps {
    /// Notes whether that was all.
    fn look(&mut self) {
        if self.body.is_end_stream() {
            self.tally.ending = Ending::Passed;
        }
    }

    fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(error) = self.broken.take() {
            return Poll::Ready(Some(Err(error.into())));
        }
        match std::task::ready!(Pin::new(&mut self.body).poll_frame(context)) {
            Some(Ok(mut frame)) => {
                if let Some(trailers) = frame.trailers_mut() {
                    headers::of_answer(trailers);
                }
                self.look();
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(error)) => {
                self.broken = Some(error);
                context.waker().wake_by_ref();
                Poll::Pending
            }
            None => {
                self.tally.ending = Ending::Passed;
                Poll::Ready(None)
            }
        }
    }
}

impl Body for Passed {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.0 {
            Kind::Ours(body) => Pin::new(body).poll_frame(context).map_err(|never| match never {}),
            Kind::Apps(apps) => apps.poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Ours(body) => body.is_end_stream(),
            Kind::Apps(apps) => apps.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Ours(body) => body.size_hint(),
            Kind::Apps(apps) => apps.body.size_hint(),
        }
    }
}
