use std::collections::HashSet;

use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::*;

/// Answers every request with `answer`, in two pieces, and tells what was asked.
async fn server(answer: &'static str) -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, requests) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            stream.set_nodelay(true).unwrap();
            let sender = sender.clone();
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                    let _ = sender.send(String::from_utf8_lossy(&buffer[..read]).into_owned());
                    let (first, second) = answer.split_at(answer.len() / 2);
                    stream.write_all(first.as_bytes()).await.unwrap();
                    stream.flush().await.unwrap();
                    tokio::task::yield_now().await;
                    stream.write_all(second.as_bytes()).await.unwrap();
                }
            });
        }
    });
    (address, requests)
}

fn template() -> Template {
    Template::new(
        "POST",
        "/threads/t-{number}",
        &[("idempotency-key", KEY)],
        Some(r#"{"n":1}"#),
    )
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789";

#[tokio::test]
async fn a_run_ends_after_the_requests_it_was_allowed() {
    let (address, mut requests) = server(OK).await;
    let mut load = Load::open(address, &template(), 4, 100_000..100_010).await.unwrap();
    let done = load.run(Duration::from_secs(30), 100).await.unwrap();
    assert_eq!(done.requests, 100);
    assert_eq!(done.latencies.len(), 100);
    let again = load.run(Duration::from_secs(30), 20).await.unwrap();
    assert_eq!(again.requests, 20);
    let mut keys = HashSet::new();
    while let Ok(request) = requests.try_recv() {
        let thread: u32 = request[16..22].parse().unwrap();
        assert!(request.starts_with("POST /threads/t-10000"), "{request}");
        assert!((100_000..100_010).contains(&thread));
        let key = request.split("idempotency-key: ").nth(1).unwrap()[..16].to_owned();
        assert!(keys.insert(key), "a key came twice");
        assert!(request.ends_with("content-length: 7\r\n\r\n{\"n\":1}"), "{request}");
    }
    assert_eq!(keys.len(), 120);
}

#[tokio::test]
async fn the_body_of_a_single_request_is_handed_over_whole() {
    let (address, _requests) = server(OK).await;
    assert_eq!(once(address, &template(), 100_000).await.unwrap(), b"0123456789");
}

#[tokio::test]
async fn a_refusal_ends_the_run_and_shows_the_answer() {
    let (address, _requests) = server("HTTP/1.1 429 Too Many Requests\r\ncontent-length: 2\r\n\r\nno").await;
    let mut load = Load::open(address, &template(), 2, 100_000..100_010).await.unwrap();
    let error = load.run(Duration::from_secs(30), 100).await.unwrap_err();
    assert!(error.to_string().contains("429"), "{error}");
}

#[tokio::test]
async fn no_content_needs_no_length() {
    let (address, _requests) = server("HTTP/1.1 204 No Content\r\n\r\n").await;
    assert_eq!(once(address, &template(), 100_000).await.unwrap(), b"");
}

#[test]
fn number_key_and_digit_are_filled_in() {
    let mut template = Template::new(
        "PUT",
        "/{number}",
        &[("idempotency-key", KEY)],
        Some(r#"{"of":{number},"agent":"{digit}"}"#),
    );
    template.patch(100_042, 0xab);
    let text = String::from_utf8(template.bytes).unwrap();
    assert!(text.starts_with("PUT /100042 "), "{text}");
    assert!(text.contains("idempotency-key: 00000000000000ab\r\n"), "{text}");
    assert!(text.ends_with(r#"{"of":100042,"agent":"b"}"#), "{text}");
}

#[tokio::test]
async fn a_response_without_a_length_is_an_error() {
    let (address, _requests) = server("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n").await;
    assert!(once(address, &template(), 100_000).await.is_err());
}

#[test]
fn latencies_are_read_at_a_share_of_the_requests() {
    let done = Done {
        latencies: (1..=100).map(|n| n * 1000).collect(),
        ..Done::default()
    };
    assert!((done.latency(0.5) - 51.0).abs() < f64::EPSILON);
    assert!((done.latency(1.0) - 100.0).abs() < f64::EPSILON);
}
