//! Sockets, health, reflection and the end.

use drawloom_proto::{Listen, v1};
use drawloom_scheduler::{Config, Service, ServiceError};
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus};
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use crate::cluster::{Player, Submissions, connect, end_state, graph, info, start, start_with};

#[tokio::test]
async fn a_unix_socket_serves_as_well() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("drawloom.sock");
    let listen = vec![Listen::Unix(path.clone())];
    let cluster = start_with(Config { listen, ..Config::default() }).await;
    Player::join(&cluster, &info("a", 2, "")).await.oblige();
    let mut submissions = Submissions::open(&cluster.client).await;
    submissions.submit(&graph(3), "").await;
    assert_eq!(end_state(&submissions.events().await), v1::JobState::Succeeded);
    cluster.stop().await;
    assert!(!path.exists());
}

#[tokio::test]
async fn addresses_that_cannot_be_listened_on_are_told() {
    let bind = |listen: &str| {
        let listen = vec![listen.parse().expect("an address")];
        Service::bind(Config { listen, ..Config::default() })
    };
    let error = bind("0.0.0.0:7070").await.expect_err("not loopback");
    assert!(matches!(error, ServiceError::Listen(_)));
    assert!(error.to_string().contains("not a loopback address"), "{error}");
    let cluster = start().await;
    let address = cluster.address.trim_start_matches("http://");
    let error = bind(address).await.expect_err("taken");
    assert!(error.to_string().contains("is in use by another process"), "{error}");
    cluster.stop().await;
}

#[tokio::test]
async fn health_and_reflection_answer() {
    let cluster = start().await;
    let service = "drawloom.v1.Scheduler".to_owned();
    let mut health = HealthClient::new(connect(&cluster.address));
    let reply = health.check(HealthCheckRequest { service }).await.expect("it serves");
    assert_eq!(reply.into_inner().status(), ServingStatus::Serving);

    let message_request = Some(MessageRequest::ListServices(String::new()));
    let request = ServerReflectionRequest { host: String::new(), message_request };
    let mut reflection = ServerReflectionClient::new(connect(&cluster.address));
    let replies = reflection.server_reflection_info(tokio_stream::iter([request])).await;
    let reply = replies.expect("a stream").into_inner().message().await.expect("no error");
    let Some(MessageResponse::ListServicesResponse(list)) =
        reply.and_then(|reply| reply.message_response)
    else {
        panic!("no list of services")
    };
    let names: Vec<_> = list.service.into_iter().map(|service| service.name).collect();
    assert!(names.contains(&"drawloom.v1.ExecutorLink".to_owned()), "{names:?}");
    cluster.stop().await;
}

#[tokio::test]
async fn the_end_ends_streams() {
    let cluster = start().await;
    let mut player = Player::join(&cluster, &info("a", 2, "")).await;
    let mut submissions = Submissions::open(&cluster.client).await;
    submissions.submit(&graph(1), "").await;
    assert!(player.order().await.is_some());
    cluster.stop().await;
    assert_eq!(player.order().await, None);
}
