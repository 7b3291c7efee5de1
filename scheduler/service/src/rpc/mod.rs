//! The gRPC services: thin adapters between the wire and the driver's handle.

mod actors;
mod cluster;
mod company;
mod costs;
mod exchange;
mod executor_link;
mod get;
mod jobs;
mod locate;
mod objects;
mod paging;
mod put;
mod store;
mod submit;
mod tasks;
mod watch;

use drawloom_model::JobId;
use drawloom_proto::{FieldError, MAX_MESSAGE_BYTES, Rejection, v1};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Response, Status, Streaming};

use crate::handle::Handle;
use crate::service::RequestLimits;

pub(crate) use executor_link::ExecutorLink;
pub(crate) use store::Stores;

/// The client-facing service.
#[derive(Clone, Debug)]
pub(crate) struct Clients {
    pub handle: Handle,
    pub limits: RequestLimits,
    pub stores: Stores,
}

type Answer<T> = Result<Response<T>, Status>;
type Sending<T> = ReceiverStream<Result<T, Status>>;

#[tonic::async_trait]
impl v1::scheduler_server::Scheduler for Clients {
    type SubmitStream = Sending<v1::SubmitReply>;
    type WatchStream = Sending<v1::EventBatch>;
    type GetObjectStream = Sending<v1::ObjectChunk>;
    type ExchangeObjectsStream = Sending<v1::ObjectReplyBatch>;

    async fn submit(
        &self,
        request: Request<Streaming<v1::SubmitRequest>>,
    ) -> Answer<Self::SubmitStream> {
        Ok(Response::new(submit::submit(self, request.into_inner())))
    }

    async fn add_tasks(
        &self,
        request: Request<Streaming<v1::AddTasksRequest>>,
    ) -> Answer<v1::AddTasksReply> {
        answer(submit::add_tasks(self, request.into_inner()).await)
    }

    async fn close_job(&self, request: Request<v1::CloseJobRequest>) -> Answer<v1::CloseJobReply> {
        answer(jobs::close(&self.handle, request.into_inner()).await)
    }

    async fn watch(&self, request: Request<v1::WatchRequest>) -> Answer<Self::WatchStream> {
        answer(watch::watch(&self.handle, request.into_inner()).await)
    }

    async fn cancel(&self, request: Request<v1::CancelRequest>) -> Answer<v1::CancelReply> {
        answer(jobs::cancel(&self.handle, request.into_inner()).await)
    }

    async fn list_jobs(&self, request: Request<v1::ListJobsRequest>) -> Answer<v1::ListJobsReply> {
        answer(jobs::list(&self.handle, request.into_inner()).await)
    }

    async fn list_tasks(
        &self,
        request: Request<v1::ListTasksRequest>,
    ) -> Answer<v1::ListTasksReply> {
        answer(tasks::list(&self.handle, request.into_inner()).await)
    }

    async fn wait_tasks(
        &self,
        request: Request<v1::WaitTasksRequest>,
    ) -> Answer<v1::WaitTasksReply> {
        answer(tasks::wait(&self.handle, request.into_inner()).await)
    }

    async fn list_needs(
        &self,
        request: Request<v1::ListNeedsRequest>,
    ) -> Answer<v1::ListNeedsReply> {
        answer(tasks::needs(&self.handle, request.into_inner()).await)
    }

    async fn describe_job(
        &self,
        request: Request<v1::DescribeJobRequest>,
    ) -> Answer<v1::DescribeJobReply> {
        answer(jobs::describe(&self.handle, request.into_inner()).await)
    }

    async fn describe_task(
        &self,
        request: Request<v1::DescribeTaskRequest>,
    ) -> Answer<v1::DescribeTaskReply> {
        answer(tasks::describe(&self.handle, request.into_inner()).await)
    }

    async fn explain(&self, request: Request<v1::ExplainRequest>) -> Answer<v1::ExplainReply> {
        answer(tasks::explain(&self.handle, request.into_inner()).await)
    }

    async fn cluster_view(
        &self,
        _request: Request<v1::ClusterViewRequest>,
    ) -> Answer<v1::ClusterViewReply> {
        answer(cluster::view(&self.handle).await)
    }

    async fn drain(&self, request: Request<v1::DrainRequest>) -> Answer<v1::DrainReply> {
        answer(cluster::drain(&self.handle, request.into_inner()).await)
    }

    async fn put_object(
        &self,
        request: Request<Streaming<v1::ObjectChunk>>,
    ) -> Answer<v1::PutObjectReply> {
        answer(put::put(self, request.into_inner()).await)
    }

    async fn get_object(
        &self,
        request: Request<v1::GetObjectRequest>,
    ) -> Answer<Self::GetObjectStream> {
        answer(get::get(self, request.into_inner()).await)
    }

    async fn locate_object(
        &self,
        request: Request<v1::LocateObjectRequest>,
    ) -> Answer<v1::LocateObjectReply> {
        answer(locate::locate(&self.handle, request.into_inner()).await)
    }

    async fn exchange_objects(
        &self,
        request: Request<Streaming<v1::ObjectRequestBatch>>,
    ) -> Answer<Self::ExchangeObjectsStream> {
        Ok(Response::new(exchange::exchange(self, request.into_inner())))
    }

    async fn list_objects(
        &self,
        request: Request<v1::ListObjectsRequest>,
    ) -> Answer<v1::ListObjectsReply> {
        answer(objects::list(&self.handle, request.into_inner()).await)
    }

    async fn release_object(
        &self,
        request: Request<v1::ReleaseObjectRequest>,
    ) -> Answer<v1::ReleaseObjectReply> {
        answer(put::release(&self.handle, request.into_inner()).await)
    }

    async fn locate_actor(
        &self,
        request: Request<v1::LocateActorRequest>,
    ) -> Answer<v1::LocateActorReply> {
        answer(actors::locate(&self.handle, request.into_inner()).await)
    }

    async fn stop_actor(
        &self,
        request: Request<v1::StopActorRequest>,
    ) -> Answer<v1::StopActorReply> {
        answer(actors::stop(&self.handle, request.into_inner()).await)
    }

    async fn list_actors(
        &self,
        request: Request<v1::ListActorsRequest>,
    ) -> Answer<v1::ListActorsReply> {
        answer(actors::list(&self.handle, request.into_inner()).await)
    }

    async fn list_costs(
        &self,
        request: Request<v1::ListCostsRequest>,
    ) -> Answer<v1::ListCostsReply> {
        answer(costs::list(&self.handle, request.into_inner()).await)
    }
}

fn answer<T>(result: Result<T, Rejection>) -> Answer<T> {
    result.map(Response::new).map_err(Status::from)
}

/// The next message of a stream; `None` at its end.
async fn receive<T>(stream: &mut Streaming<T>) -> Result<Option<T>, Rejection> {
    stream.message().await.map_err(|status| match status.code() {
        // How the codec tells of a message that is too large.
        Code::OutOfRange => Rejection::new(
            Code::ResourceExhausted,
            format!("a message is larger than {MAX_MESSAGE_BYTES} bytes; send it in more parts"),
        ),
        _ => Rejection::from(&status),
    })
}

fn job_id(text: &str) -> Result<JobId, Rejection> {
    text.parse().map_err(|error| FieldError::new("job", error).into())
}
