//! Delivery to receivers of every temper.

use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use tonic::Code;

use super::receiver::{Answer, Receiver, listener, nobody};
use super::*;
use crate::exporter::otlp::{grpc, http};

#[tokio::test]
async fn grpc_delivers_typed_records_with_resource_scope_headers_and_gzip() {
    let receiver = Receiver::grpc([]).await;
    let mut bench = Bench::new(&grpc::KIND, &settings(&receiver.url(), json!({"headers": {"x-tenant": "shop"}})));
    bench.events(0..100);
    assert_eq!(bench.service.status().destination, format!("{}/", receiver.url()));
    let entry = bench.stop().await;
    assert_eq!(receiver.state.pids(), (0..100).collect::<Vec<_>>());
    assert_eq!(entry.delivered.get(), 100);
    let requests = receiver.state.logs.lock().unwrap();
    let group = &requests[0].resource_logs[0];
    assert_eq!(group.resource.as_ref().unwrap().attributes[0].key, "service.name");
    assert_eq!(group.scope_logs[0].scope.as_ref().unwrap().name, "trace exec");
    let headers = receiver.state.headers.lock().unwrap();
    assert_eq!((headers["x-tenant"].as_bytes(), headers["grpc-encoding"].as_bytes()), (&b"shop"[..], &b"gzip"[..]));
}

#[tokio::test]
async fn http_delivers_with_content_type_and_headers_compressed_or_not() {
    for compression in ["gzip", "none"] {
        let receiver = Receiver::http([]).await;
        let more = json!({"headers": {"x-tenant": "shop"}, "compression": compression});
        let mut bench = Bench::new(&http::KIND, &settings(&receiver.url(), more));
        bench.events(0..100);
        assert_eq!(bench.stop().await.delivered.get(), 100);
        assert_eq!(receiver.state.pids(), (0..100).collect::<Vec<_>>());
        let headers = receiver.state.headers.lock().unwrap();
        assert_eq!(
            (&headers["content-type"], &headers["x-tenant"]),
            (&"application/x-protobuf".parse().unwrap(), &"shop".parse().unwrap())
        );
        assert_eq!(headers.contains_key("content-encoding"), compression == "gzip");
    }
}

#[tokio::test]
async fn retryable_grpc_codes_and_hangs_are_tried_again_until_nothing_is_missing() {
    let codes = [Code::Cancelled, Code::DeadlineExceeded, Code::Aborted, Code::OutOfRange, Code::Unavailable, Code::DataLoss];
    let answers = codes.map(Answer::Grpc).into_iter().chain([Answer::Throttle(Duration::from_millis(30)), Answer::Hang]);
    let receiver = Receiver::grpc(answers).await;
    let mut bench = Bench::new(&grpc::KIND, &settings(&receiver.url(), json!({})));
    bench.events(0..10);
    assert_eq!(bench.stop().await.delivered.get(), 10);
    assert_eq!(receiver.state.pids(), (0..10).collect::<Vec<_>>());
    assert_eq!(*receiver.state.attempts.lock().unwrap(), 9);
}

#[tokio::test]
async fn other_grpc_codes_are_final_and_counted_as_rejected() {
    for code in [Code::InvalidArgument, Code::Unauthenticated, Code::Unimplemented, Code::Internal, Code::Unknown, Code::ResourceExhausted]
    {
        let receiver = Receiver::grpc([Answer::Grpc(code)]).await;
        let mut bench = Bench::new(&grpc::KIND, &settings(&receiver.url(), json!({})));
        bench.events(0..10);
        let entry = bench.stop().await;
        assert_eq!((dropped(&entry, DropReason::Rejected), *receiver.state.attempts.lock().unwrap()), (10, 1), "{code:?}");
    }
}

#[tokio::test]
async fn http_statuses_are_tried_again_or_final_as_the_specification_says() {
    let again = [Answer::Http(429, Some("0")), Answer::Http(502, None), Answer::Http(503, None), Answer::Http(504, None), Answer::Hang];
    let receiver = Receiver::http(again).await;
    let mut bench = Bench::new(&http::KIND, &settings(&receiver.url(), json!({})));
    bench.events(0..10);
    assert_eq!(bench.stop().await.delivered.get(), 10);
    assert_eq!(*receiver.state.attempts.lock().unwrap(), 6);
    for status in [400, 401, 404, 413, 500, 307] {
        let receiver = Receiver::http([Answer::Http(status, None)]).await;
        let mut bench = Bench::new(&http::KIND, &settings(&receiver.url(), json!({})));
        bench.events(0..10);
        until("failing", || bench.service.status().failing.is_some()).await;
        let failing = bench.service.status().failing.unwrap();
        assert!(failing.contains(&status.to_string()) && failing.contains("as scripted"), "{failing}");
        assert_eq!(dropped(&*bench.stop().await, DropReason::Rejected), 10);
        assert_eq!(*receiver.state.attempts.lock().unwrap(), 1, "{status}");
    }
}

#[tokio::test]
async fn what_a_partial_success_refuses_is_rejected_the_rest_delivered_and_nothing_sent_twice() {
    for grpc in [true, false] {
        let (kind, receiver) = match grpc {
            true => (&grpc::KIND, Receiver::grpc([Answer::Partial(3)]).await),
            false => (&http::KIND, Receiver::http([Answer::Partial(3)]).await),
        };
        let mut bench = Bench::new(kind, &settings(&receiver.url(), json!({})));
        bench.events(0..10);
        let entry = bench.stop().await;
        assert_eq!((entry.delivered.get(), dropped(&entry, DropReason::Rejected)), (7, 3));
        assert_eq!(*receiver.state.attempts.lock().unwrap(), 1);
    }
}

#[tokio::test]
async fn a_receiver_that_is_down_and_comes_back_loses_nothing() {
    let address = nobody().await;
    let mut bench = Bench::new(&grpc::KIND, &settings(&format!("http://{address}"), json!({})));
    bench.events(0..50);
    until("failing", || bench.service.status().failing.is_some()).await;
    let failing = bench.service.status().failing.unwrap();
    assert!(failing.contains("refused"), "{failing}");
    let first = Receiver::grpc_on(tokio::net::TcpListener::bind(address).await.unwrap(), [], None);
    until("delivered", || bench.entry.delivered.get() == 50).await;
    assert_eq!(bench.service.status().failing, None);
    let mut got = first.state.pids();
    drop(first);
    bench.events(50..80);
    until("failing again", || bench.service.status().failing.is_some()).await;
    let second = Receiver::grpc_on(bind_again(address).await, [], None);
    assert_eq!(bench.stop().await.delivered.get(), 80);
    got.extend(second.state.pids());
    assert_eq!(got, (0..80).collect::<Vec<_>>());
}

/// The old receiver's connections may take a moment to go.
async fn bind_again(address: std::net::SocketAddr) -> tokio::net::TcpListener {
    loop {
        match tokio::net::TcpListener::bind(address).await {
            Ok(listener) => return listener,
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

#[tokio::test]
async fn a_receiver_that_closes_connections_is_tried_again() {
    for kind in [&grpc::KIND, &http::KIND] {
        let listener = listener().await;
        let url = format!("http://{}", listener.local_addr().unwrap());
        let closing = tokio::spawn(async move { while listener.accept().await.is_ok() {} });
        let mut bench =
            Bench::new(kind, &settings(&url, json!({"retry_on_failure": {"initial_interval": "20ms", "max_elapsed_time": "300ms"}})));
        bench.events(0..10);
        assert_eq!(dropped(&*bench.stop().await, DropReason::RetriesExhausted), 10);
        closing.abort();
    }
}

#[tokio::test]
async fn events_beyond_the_queue_are_counted_and_the_others_arrive() {
    let address = nobody().await;
    let more = json!({"sending_queue": {"queue_size": 200, "sizer": "items", "batch": {"flush_timeout": "10ms"}}});
    let mut bench = Bench::new(&grpc::KIND, &settings(&format!("http://{address}"), more));
    (0..10).for_each(|i| bench.events(i * 50..i * 50 + 50));
    let receiver = Receiver::grpc_on(tokio::net::TcpListener::bind(address).await.unwrap(), [], None);
    let entry = bench.stop().await;
    assert_eq!((dropped(&entry, DropReason::QueueFull), entry.delivered.get()), (300, 200));
    assert_eq!(receiver.state.pids().len(), 200);
}

#[tokio::test]
async fn a_large_storm_arrives_whole_in_requests_of_bounded_size() {
    let receiver = Receiver::grpc([]).await;
    let mut bench = Bench::new(&grpc::KIND, &settings(&receiver.url(), json!({"timeout": "10s"})));
    (0..20).for_each(|i| bench.events(i * 5000..i * 5000 + 5000));
    assert_eq!(bench.stop().await.delivered.get(), 100_000);
    let mut pids = receiver.state.pids();
    pids.sort_unstable();
    assert!(pids.iter().copied().eq(0..100_000), "{} records, first {:?}", pids.len(), pids.first());
    let largest = receiver.state.logs.lock().unwrap().iter().map(prost::Message::encoded_len).max().unwrap();
    assert!((100_000..=1 << 20).contains(&largest), "{largest}");
}

/// Rows of a map gadget and events with `metrics:` become cumulative metrics; only the latter are logs as well.
#[tokio::test]
async fn metrics_go_out_on_their_interval_and_a_last_time_at_the_end() {
    for (grpc, source) in [(true, SourceKind::Single), (false, SourceKind::Array)] {
        let (kind, receiver) = match grpc {
            true => (&grpc::KIND, Receiver::grpc([]).await),
            false => (&http::KIND, Receiver::http([]).await),
        };
        let mut bench = Bench::with(kind, &settings(&receiver.url(), json!({})), source, counter());
        bench.events(0..5);
        until("first push", || !receiver.state.metrics.lock().unwrap().is_empty()).await;
        bench.events(5..12);
        assert_eq!(bench.stop().await.delivered.get(), 12);
        assert_eq!(receiver.state.pids().len(), if source == SourceKind::Single { 12 } else { 0 });
        let requests = receiver.state.metrics.lock().unwrap();
        let counts: Vec<_> = requests.iter().map(count).collect();
        assert_eq!((counts.first(), counts.last()), (Some(&5), Some(&12)));
        assert!(counts.is_sorted());
    }
}

fn count(request: &opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest) -> i64 {
    let metric = &request.resource_metrics[0].scope_metrics[0].metrics[0];
    assert_eq!(metric.name, "execs");
    let Some(Data::Sum(sum)) = &metric.data else { panic!("{metric:?}") };
    let point = &sum.data_points[0];
    assert!(sum.is_monotonic && point.start_time_unix_nano > 0 && point.time_unix_nano >= point.start_time_unix_nano);
    assert_eq!((sum.aggregation_temporality, point.attributes[0].key.as_str()), (2, "comm"));
    match point.value {
        Some(Number::AsInt(n)) => n,
        Some(Number::AsDouble(n)) => n as i64,
        None => panic!("no value"),
    }
}

#[tokio::test]
async fn a_failed_push_of_metrics_is_made_good_by_the_next() {
    let receiver = Receiver::grpc([Answer::Grpc(Code::Unavailable), Answer::Grpc(Code::Unavailable)]).await;
    let mut bench = Bench::with(&grpc::KIND, &settings(&receiver.url(), json!({})), SourceKind::Array, counter());
    bench.events(0..5);
    until("failing", || bench.service.status().failing.is_some()).await;
    until("pushed", || !receiver.state.metrics.lock().unwrap().is_empty()).await;
    assert_eq!(count(&receiver.state.metrics.lock().unwrap()[0]), 5);
    until("well again", || bench.service.status().failing.is_none()).await;
    bench.stop().await;
}
