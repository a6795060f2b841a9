//! Peers that hold connections and say little.

use std::net::SocketAddr;
use std::time::Duration;

use futures::future::join_all;
use journeys::{Shape, System};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, interval};

/// Each such connection is closed within this.
const CLOSED: Duration = Duration::from_secs(15);
const DRIP: Duration = Duration::from_millis(250);
const PEERS: usize = 20;

/// Connects, says `opening`, then `drip` again and again; returns how long the peer was put up with.
async fn put_up_with(gateway: SocketAddr, opening: &str, drip: &str) -> Duration {
    let mut connection = TcpStream::connect(gateway).await.unwrap();
    let started = Instant::now();
    connection.write_all(opening.as_bytes()).await.unwrap();
    let (mut read, mut write) = connection.split();
    let mut answer = Vec::new();
    let closed = read.read_to_end(&mut answer);
    let talk = async {
        let mut pace = interval(DRIP);
        loop {
            pace.tick().await;
            // A connection that is closed says so to the reader.
            let _ = write.write_all(drip.as_bytes()).await;
        }
    };
    tokio::select! {
        _ = closed => started.elapsed(),
        () = talk => unreachable!("it goes on for ever"),
        () = tokio::time::sleep(CLOSED * 2) => panic!("{opening:?} is put up with for ever"),
    }
}

#[tokio::test]
async fn silent_and_dripping_peers_are_closed_while_others_are_served() {
    let system = System::start(Shape::OneProcess).await;
    let (caller, gateway) = (system.caller(), system.faces().http);
    let peers = [
        ("", ""),
        ("GET /v1/chatb", ""),
        ("GET /v1/chatbots HTTP/1.1\r\nhost: handoff\r\nauthor", ""),
        ("GET /v1/chatbots HTTP/1.1\r\nhost: handoff\r\nx-slow: ", "x"),
    ];
    let peers = std::iter::repeat_n(peers, PEERS).flatten();
    let slow = join_all(peers.map(async |(opening, drip)| (opening, put_up_with(gateway, opening, drip).await)));
    let served = async {
        let mut pace = interval(DRIP);
        loop {
            pace.tick().await;
            let answer = caller.get("/v1/chatbots").send().await;
            assert_eq!(answer.status, 200);
        }
    };
    tokio::select! {
        ended = slow => {
            for (opening, lived) in ended {
                assert!(lived <= CLOSED, "{opening:?} lived {lived:?}");
            }
        }
        () = served => unreachable!("it goes on for ever"),
    }
}
