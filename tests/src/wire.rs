//! A cable that can be cut: a TCP proxy between a client and a server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What the cable does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Whole,
    /// Connections end, new ones are closed at once.
    Cut,
    /// Nothing gets through and nobody is told: what is sent waits.
    Blackhole,
    /// What the client sends arrives; what the server answers waits.
    OneWay,
}

/// A cable to a server. It is gone when this is dropped.
#[derive(Debug)]
pub struct Wire {
    address: SocketAddr,
    state: watch::Sender<State>,
    answered: Arc<AtomicUsize>,
    accepting: tokio::task::JoinHandle<()>,
}

impl Wire {
    /// Lays a cable to `server`, an address as `host:port`.
    pub async fn to(server: impl Into<String>) -> Self {
        let server = server.into();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let (state, follow) = watch::channel(State::Whole);
        let answered = Arc::<AtomicUsize>::default();
        let withheld = Arc::clone(&answered);
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(connect(client, server.clone(), follow.clone(), Arc::clone(&withheld)));
            }
        });
        Self {
            address,
            state,
            answered,
            accepting,
        }
    }

    /// Where clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends every connection and refuses new ones.
    pub fn cut(&self) {
        self.state.send_replace(State::Cut);
    }

    /// Lets nothing through any more, without a word to anybody.
    pub fn blackhole(&self) {
        self.state.send_replace(State::Blackhole);
    }

    /// Holds answers back from now on.
    pub fn hold_answers(&self) {
        self.state.send_replace(State::OneWay);
    }

    /// Mends the cable: what is still connected goes on.
    pub fn mend(&self) {
        self.state.send_replace(State::Whole);
    }

    /// How many answers have reached the cable while they were held back.
    pub fn held(&self) -> usize {
        self.answered.load(Ordering::SeqCst)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

async fn connect(client: TcpStream, server: String, state: watch::Receiver<State>, held: Arc<AtomicUsize>) {
    let connection = async {
        let mut follow = state.clone();
        // A handshake with a blackhole never ends; here the wait is behind it.
        if !comes(&mut follow, |state| state != State::Blackhole).await {
            return;
        }
        let Ok(server) = TcpStream::connect(server).await else {
            return;
        };
        // What is sent arrives at once, as on a real cable.
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        let there = carry(
            from_client,
            to_server,
            state.clone(),
            |state| state != State::Blackhole,
            None,
        );
        let back = carry(
            from_server,
            to_client,
            state.clone(),
            |state| state == State::Whole,
            Some(held),
        );
        tokio::join!(there, back);
    };
    let mut follow = state.clone();
    tokio::select! {
        () = connection => {}
        _ = comes(&mut follow, |state| state == State::Cut) => {}
    }
}

/// Waits for a state; false when it can't come any more because the cable is gone.
async fn comes(state: &mut watch::Receiver<State>, wanted: impl Fn(State) -> bool) -> bool {
    state.wait_for(|state| wanted(*state)).await.is_ok()
}

/// Carries bytes one way while the state lets them pass.
async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut state: watch::Receiver<State>,
    passes: impl Fn(State) -> bool,
    held: Option<Arc<AtomicUsize>>,
) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if let Some(held) = &held
            && *state.borrow() == State::OneWay
        {
            held.fetch_add(1, Ordering::SeqCst);
        }
        if !comes(&mut state, &passes).await {
            break;
        }
        if to.write_all(&buffer[..count]).await.is_err() {
            break;
        }
    }
    // The other end hears that nothing more comes; what it still has to say is carried on.
    let _ = to.shutdown().await;
}
