//! The load generator: a closed loop of keep-alive connections that knows just enough HTTP/1.1.
//!
//! Requests are formatted once and patched in place; of a response only the status and the length are read. It is part
//! of what is measured, so it has to be cheaper than what it measures.

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Where the number of the thread or conversation goes in a request: six digits.
pub const NUMBER: &str = "{number}";
/// Where a fresh idempotency key goes: sixteen hexadecimal digits.
pub const KEY: &str = "{key}";
/// Where a hexadecimal digit goes that is another one in each request.
pub const DIGIT: &str = "{digit}";

/// A request whose number, idempotency key and digit are filled in.
#[derive(Clone, Debug)]
pub struct Template {
    bytes: Vec<u8>,
    numbers: Vec<Range<usize>>,
    key: Option<Range<usize>>,
    digit: Option<usize>,
}

impl Template {
    /// Formats a request; `body`, when there is one, is JSON. [`NUMBER`] may be anywhere,
    /// and so may [`KEY`] and [`DIGIT`], once each.
    pub fn new(method: &str, path: &str, headers: &[(&str, &str)], body: Option<&str>) -> Self {
        let fill = |text: &str| {
            text.replace(NUMBER, "######")
                .replace(KEY, "$$$$$$$$$$$$$$$$")
                .replace(DIGIT, "^")
        };
        let body = body.map(fill);
        let mut head = vec![format!("{method} {} HTTP/1.1", fill(path)), "host: bench".to_owned()];
        head.extend(headers.iter().map(|(name, value)| format!("{name}: {}", fill(value))));
        if let Some(body) = &body {
            head.push("content-type: application/json".to_owned());
            head.push(format!("content-length: {}", body.len()));
        }
        let text = format!("{}\r\n\r\n{}", head.join("\r\n"), body.unwrap_or_default());
        let place = |mark: &str| text.find(mark).map(|start| start..start + mark.len());
        Self {
            numbers: text
                .match_indices("######")
                .map(|(start, mark)| start..start + mark.len())
                .collect(),
            key: place("$$$$$$$$$$$$$$$$"),
            digit: text.find('^'),
            bytes: text.into_bytes(),
        }
    }

    fn patch(&mut self, number: u32, key: u64) {
        for place in &self.numbers {
            let mut rest = number;
            for digit in self.bytes[place.clone()].iter_mut().rev() {
                *digit = b'0' + (rest % 10) as u8;
                rest /= 10;
            }
        }
        if let Some(place) = self.digit {
            self.bytes[place] = b"0123456789abcdef"[(key & 15) as usize];
        }
        if let Some(place) = self.key.clone() {
            for (shift, digit) in (0..16).rev().zip(&mut self.bytes[place]) {
                *digit = b"0123456789abcdef"[(key >> (4 * shift) & 15) as usize];
            }
        }
    }
}

/// What one run did.
#[derive(Debug, Default)]
pub struct Done {
    /// Requests that were answered with 2xx. There are no others: one is the end of the run.
    pub requests: u64,
    /// From the first request to the last answer.
    pub time: Duration,
    /// Microseconds from a request to its answer, ascending.
    pub latencies: Vec<u32>,
}

impl Done {
    /// The latency in milliseconds that this share of the requests did not exceed.
    pub fn latency(&self, share: f64) -> f64 {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an index of a list, scaled by a share"
        )]
        let index = (self.latencies.len() as f64 * share) as usize;
        let found = self.latencies.get(index.min(self.latencies.len().saturating_sub(1)));
        f64::from(found.copied().unwrap_or_default()) / 1000.0
    }
}

/// What all connections of a run share.
#[derive(Debug)]
struct Run {
    until: Instant,
    left: AtomicU64,
    numbers: Range<u32>,
}

/// Never the same twice in this process, and by chance never the same as in another.
#[derive(Debug)]
struct Keys(AtomicU64);

impl Keys {
    fn new() -> Arc<Self> {
        Arc::new(Self(AtomicU64::new(rand::random())))
    }

    fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

/// Open connections that repeat one request.
#[derive(Debug)]
pub struct Load {
    connections: Vec<Connection>,
    numbers: Range<u32>,
}

impl Load {
    /// Opens `clients` connections. Each request is for one of `numbers`, uniformly.
    pub async fn open(target: SocketAddr, template: &Template, clients: usize, numbers: Range<u32>) -> Result<Self> {
        let keys = Keys::new();
        let mut connections = Vec::new();
        for _ in 0..clients {
            connections.push(Connection::open(target, template.clone(), Arc::clone(&keys)).await?);
        }
        Ok(Self { connections, numbers })
    }

    /// Repeats the request on all connections for `time`, `most` times at most.
    pub async fn run(&mut self, time: Duration, most: u64) -> Result<Done> {
        let start = Instant::now();
        let run = Arc::new(Run {
            until: start + time,
            left: AtomicU64::new(most),
            numbers: self.numbers.clone(),
        });
        let mut tasks: JoinSet<Result<(Connection, Vec<u32>)>> = JoinSet::new();
        for mut connection in self.connections.drain(..) {
            let run = Arc::clone(&run);
            tasks.spawn(async move {
                let latencies = connection.repeat(&run).await?;
                Ok((connection, latencies))
            });
        }
        let mut done = Done::default();
        while let Some(ended) = tasks.join_next().await {
            let (connection, latencies) = ended??;
            self.connections.push(connection);
            done.latencies.extend(latencies);
        }
        done.time = start.elapsed();
        done.requests = done.latencies.len() as u64;
        done.latencies.sort_unstable();
        Ok(done)
    }
}

/// One request on a connection of its own. Returns the body of its answer.
pub async fn once(target: SocketAddr, template: &Template, number: u32) -> Result<Vec<u8>> {
    let mut connection = Connection::open(target, template.clone(), Keys::new()).await?;
    connection.template.patch(number, connection.keys.next());
    let mut body = Vec::new();
    connection.exchange(Some(&mut body)).await?;
    Ok(body)
}

#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    template: Template,
    buffer: Box<[u8]>,
    keys: Arc<Keys>,
    random: u64,
}

impl Connection {
    async fn open(target: SocketAddr, template: Template, keys: Arc<Keys>) -> Result<Self> {
        let stream = TcpStream::connect(target).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            template,
            buffer: vec![0; 64 * 1024].into_boxed_slice(),
            keys,
            random: rand::random::<u64>() | 1,
        })
    }

    async fn repeat(&mut self, run: &Run) -> Result<Vec<u32>> {
        let mut latencies = Vec::new();
        let mut now = Instant::now();
        while now < run.until && take_one(&run.left) {
            let number = self.pick(&run.numbers);
            self.template.patch(number, self.keys.next());
            self.exchange(None).await?;
            let answered = Instant::now();
            latencies.push(u32::try_from((answered - now).as_micros()).unwrap_or(u32::MAX));
            now = answered;
        }
        Ok(latencies)
    }

    /// Xorshift: uniform enough, and free.
    fn pick(&mut self, numbers: &Range<u32>) -> u32 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let offset = self.random % u64::from(numbers.end - numbers.start);
        numbers.start + u32::try_from(offset).unwrap_or_default()
    }

    /// Sends the request and reads its answer to the end.
    async fn exchange(&mut self, mut body: Option<&mut Vec<u8>>) -> Result<()> {
        self.stream.write_all(&self.template.bytes).await?;
        let mut filled = 0;
        let (head, response) = loop {
            filled += self.read(filled).await?;
            if let Some(end) = self.buffer[..filled].windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break (end + 4, Head::parse(&self.buffer[..end])?);
            }
        };
        if !response.successful {
            let text = String::from_utf8_lossy(&self.buffer[..filled]);
            bail!("a request was refused: {}", text.replace("\r\n", " / "));
        }
        let mut left = (head + response.length)
            .checked_sub(filled)
            .context("more than one answer")?;
        if let Some(body) = &mut body {
            body.extend_from_slice(&self.buffer[head..filled]);
        }
        while left > 0 {
            let read = self.read(0).await?;
            left = left.checked_sub(read).context("more than one answer")?;
            if let Some(body) = &mut body {
                body.extend_from_slice(&self.buffer[..read]);
            }
        }
        Ok(())
    }

    async fn read(&mut self, from: usize) -> Result<usize> {
        let read = self.stream.read(&mut self.buffer[from..]).await?;
        anyhow::ensure!(read > 0, "the connection was closed before the whole answer was there");
        Ok(read)
    }
}

fn take_one(left: &AtomicU64) -> bool {
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
        .is_ok()
}

/// The part of a response's head that matters here.
struct Head {
    successful: bool,
    length: usize,
}

impl Head {
    fn parse(head: &[u8]) -> Result<Self> {
        let mut lines = head.split(|byte| *byte == b'\n');
        let status = lines
            .next()
            .and_then(|line| line.get(9..12))
            .context("not an HTTP response")?;
        if status == b"204" {
            return Ok(Self {
                successful: true,
                length: 0,
            });
        }
        for line in lines {
            if let Some(name) = line.get(..15)
                && name.eq_ignore_ascii_case(b"content-length:")
            {
                let value = std::str::from_utf8(&line[15..])?.trim();
                return Ok(Self {
                    successful: status[0] == b'2',
                    length: value.parse()?,
                });
            }
        }
        bail!("a response without a length: {}", String::from_utf8_lossy(head))
    }
}

#[cfg(test)]
mod tests;
