//! How long calls take, by method.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tonic::codegen::http::Request;
use tower::{Layer, Service};

/// The methods that are told apart; a client must not be able to invent more.
const METHODS: [&str; 17] = [
    "/drawloom.v1.ExecutorLink/Attach",
    "/drawloom.v1.Scheduler/AddTasks",
    "/drawloom.v1.Scheduler/Cancel",
    "/drawloom.v1.Scheduler/CloseJob",
    "/drawloom.v1.Scheduler/ClusterView",
    "/drawloom.v1.Scheduler/DescribeJob",
    "/drawloom.v1.Scheduler/DescribeTask",
    "/drawloom.v1.Scheduler/Drain",
    "/drawloom.v1.Scheduler/Explain",
    "/drawloom.v1.Scheduler/GetObject",
    "/drawloom.v1.Scheduler/ListJobs",
    "/drawloom.v1.Scheduler/ListTasks",
    "/drawloom.v1.Scheduler/LocateObject",
    "/drawloom.v1.Scheduler/PutObject",
    "/drawloom.v1.Scheduler/ReleaseObject",
    "/drawloom.v1.Scheduler/Submit",
    "/drawloom.v1.Scheduler/Watch",
];

fn method(path: &str) -> &'static str {
    METHODS.binary_search(&path).map_or("other", |position| METHODS[position])
}

/// Measures from a call's arrival to the head of its answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Latencies;

impl<S> Layer<S> for Latencies {
    type Service = Measured<S>;

    fn layer(&self, inner: S) -> Measured<S> {
        Measured { inner }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Measured<S> {
    inner: S,
}

impl<S, B> Service<Request<B>> for Measured<S>
where
    S: Service<Request<B>>,
    S::Future: Unpin,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Measurement<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let method = method(request.uri().path());
        Measurement { begun: Instant::now(), method, answer: self.inner.call(request) }
    }
}

/// A call under way.
pub(crate) struct Measurement<F> {
    begun: Instant,
    method: &'static str,
    answer: F,
}

impl<F: Future + Unpin> Future for Measurement<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let answer = ready!(Pin::new(&mut self.answer).poll(context));
        metrics::histogram!("scheduler_grpc_seconds", "method" => self.method)
            .record(self.begun.elapsed());
        Poll::Ready(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_methods_are_told_apart() {
        assert!(METHODS.is_sorted());
        assert_eq!(method("/drawloom.v1.Scheduler/Watch"), "/drawloom.v1.Scheduler/Watch");
        assert_eq!(method("/drawloom.v1.Scheduler/Invented"), "other");
    }
}
