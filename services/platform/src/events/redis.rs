//! Connections to Redis, and its stream entries.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use rand::Rng as _;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisError, RedisResult, Value};

use super::Stream;
use crate::db::Secret;

/// How to reach Redis.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct Config {
    /// Redis 7 or newer, or Valkey: `redis://user:password@host/0`, or `rediss://` for TLS.
    #[arg(long, env = "REDIS_URL", hide_env_values = true, value_parser = url)]
    pub redis_url: Secret,
    /// How long consumers wait.
    #[arg(skip)]
    pub patience: Patience,
}

/// How long consumers wait before they do something about what others left undone. Shorter values are for tests.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// A delivery that nobody finished for so long is taken over: longer than any delivery takes.
    pub claim: Duration,
    /// Wait after the first failed delivery; it doubles with each further one, up to [`Patience::LONGEST_RETRY`].
    pub retry: Duration,
    /// Wait for the predecessor of an event, when the subject is known.
    pub predecessor: Duration,
    /// The same when nothing is known of the subject, which after a rest of two weeks is normal: as long as a relay
    /// needs to be replaced and to notice a loss.
    pub first_predecessor: Duration,
}

impl Patience {
    /// Deliveries of one event are at most this far apart.
    pub const LONGEST_RETRY: Duration = Duration::from_secs(10);
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            claim: Duration::from_secs(30),
            retry: Duration::from_millis(250),
            predecessor: Duration::from_mins(1),
            first_predecessor: Duration::from_secs(10),
        }
    }
}

/// A text that can't be the address of a server is refused at start; later it would look like a server that is away.
fn url(text: &str) -> Result<Secret, &'static str> {
    match redis::Client::open(text) {
        Ok(_) => Ok(Secret::from(text.to_owned())),
        Err(_) => Err("must be redis://host or rediss://host"),
    }
}

/// Connecting takes at most this long.
pub(super) const CONNECT: Duration = Duration::from_secs(1);
/// An answer takes at most this long.
const RESPONSE: Duration = Duration::from_secs(2);
/// A blocking read that finds nothing takes at most this long.
pub(super) const BLOCK: Duration = Duration::from_secs(5);

impl Config {
    /// The server behind `url`.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            redis_url: Secret::from(url.into()),
            patience: Patience::default(),
        }
    }

    /// A connection for commands that answer at once.
    pub(super) async fn connect(&self) -> RedisResult<MultiplexedConnection> {
        self.connect_with(RESPONSE).await
    }

    /// A connection for reads that block up to [`BLOCK`]: nothing else can be asked on it meanwhile.
    pub(super) async fn connect_blocking(&self) -> RedisResult<MultiplexedConnection> {
        self.connect_with(BLOCK + RESPONSE).await
    }

    async fn connect_with(&self, response: Duration) -> RedisResult<MultiplexedConnection> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(response));
        redis::Client::open(self.redis_url.reveal())?
            .get_multiplexed_async_connection_with_config(&config)
            .await
    }
}

/// Growing waits between attempts, with jitter, so that many who wait don't come back together.
#[derive(Debug)]
pub(super) struct Backoff(Duration);

impl Backoff {
    pub(super) const FIRST: Duration = Duration::from_millis(100);
    const LONGEST: Duration = Duration::from_secs(2);

    pub(super) fn new() -> Self {
        Self(Self::FIRST)
    }

    /// How long to wait now.
    pub(super) fn next(&mut self) -> Duration {
        let wait = self.0;
        self.0 = (wait * 2).min(Self::LONGEST);
        wait.mul_f64(rand::rng().random_range(0.5..=1.0))
    }
}

/// The place of an entry in a stream: milliseconds and a counter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Id(pub(super) u64, pub(super) u64);

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.0, self.1)
    }
}

impl FromStr for Id {
    type Err = std::num::ParseIntError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // Text without a dash makes the second part empty, which is an error too.
        let (time, count) = text.split_once('-').unwrap_or((text, ""));
        Ok(Self(time.parse()?, count.parse()?))
    }
}

/// An entry of a stream. A field that is missing or no text is empty.
#[derive(Debug, Default)]
pub(super) struct Entry {
    pub(super) id: Id,
    /// The CloudEvent.
    pub(super) event: String,
    pub(super) kind: String,
    pub(super) organization: String,
    /// The entry was deleted; only its id is left.
    pub(super) deleted: bool,
}

/// An answer that has not the form Redis documents.
pub(super) fn unexpected() -> RedisError {
    (redis::ErrorKind::UnexpectedReturnType, "an answer of another form").into()
}

/// A text, or nothing when it is none.
pub(super) fn text(value: Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => String::from_utf8(bytes).ok(),
        Value::SimpleString(text) => Some(text),
        _ => None,
    }
}

pub(super) fn id(value: Value) -> RedisResult<Id> {
    text(value).and_then(|text| text.parse().ok()).ok_or_else(unexpected)
}

pub(super) fn array(value: Value) -> RedisResult<Vec<Value>> {
    match value {
        Value::Array(values) => Ok(values),
        Value::Nil => Ok(Vec::new()),
        _ => Err(unexpected()),
    }
}

/// The entries of an `XRANGE`, or of one stream of an `XREAD`.
pub(super) fn entries(value: Value) -> RedisResult<Vec<Entry>> {
    array(value)?.into_iter().map(entry).collect()
}

fn entry(value: Value) -> RedisResult<Entry> {
    let mut parts = array(value)?.into_iter();
    let mut entry = Entry {
        id: id(parts.next().ok_or_else(unexpected)?)?,
        ..Entry::default()
    };
    match parts.next() {
        Some(Value::Array(fields)) => {
            let mut fields = fields.into_iter();
            while let (Some(name), Some(value)) = (fields.next(), fields.next()) {
                let Value::BulkString(name) = name else {
                    continue;
                };
                let field = match name.as_slice() {
                    b"event" => &mut entry.event,
                    b"type" => &mut entry.kind,
                    b"organization" => &mut entry.organization,
                    _ => continue,
                };
                *field = text(value).unwrap_or_default();
            }
        }
        _ => entry.deleted = true,
    }
    Ok(entry)
}

/// The streams of an `XREAD` or `XREADGROUP`, each with its key. None when the read timed out.
pub(super) fn streams(value: Value) -> RedisResult<Vec<(String, Vec<Entry>)>> {
    array(value)?
        .into_iter()
        .map(|stream| {
            let mut parts = array(stream)?.into_iter();
            let key = parts.next().and_then(text).ok_or_else(unexpected)?;
            Ok((key, entries(parts.next().unwrap_or_default())?))
        })
        .collect()
}

/// The value of a field in a flat list of names and values, as `XINFO` gives it.
pub(super) fn field(list: Value, name: &str) -> Option<Value> {
    let mut list = array(list).ok()?.into_iter();
    while let (Some(key), Some(value)) = (list.next(), list.next()) {
        if text(key).as_deref() == Some(name) {
            return Some(value);
        }
    }
    None
}

/// The set of our own groups of a stream: trimming waits for them, not for those of other systems.
pub(super) fn groups_key(stream: Stream) -> String {
    format!("handoff:groups:{}", stream.key())
}

/// The key that is there while the relay of a context publishes again what was lost.
pub(super) fn recovering_key(schema: &str) -> String {
    format!("handoff:recovering:{schema}")
}

/// Whether the server says that there is no such stream or group.
pub(super) fn is_missing(error: &RedisError) -> bool {
    matches!(error.code(), Some("NOGROUP" | "UNBLOCKED"))
        || error.detail().is_some_and(|detail| detail.contains("no such key"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_id_is_read_back_as_it_was_written() {
        let id = Id(1_763_776_122_000, 7);
        assert_eq!(id.to_string().parse(), Ok(id));
        for wrong in ["", "-", "1", "1-", "-1", "1-2-3", "a-1", "1-99999999999999999999"] {
            assert!(wrong.parse::<Id>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn only_the_address_of_a_server_is_taken() {
        for right in ["redis://localhost", "rediss://user:secret@redis.example:6380/2"] {
            assert!(url(right).is_ok(), "{right}");
        }
        for wrong in ["", "localhost", "http://localhost", "redis://"] {
            assert!(url(wrong).is_err(), "{wrong}");
        }
    }

    #[tokio::test]
    async fn a_server_that_speaks_no_tls_is_an_error() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let (mut peer, _) = listener.accept().await.unwrap();
            tokio::io::AsyncWriteExt::write_all(&mut peer, b"-ERR what is this\r\n")
                .await
                .unwrap();
        });
        assert!(Config::new(format!("rediss://{address}")).connect().await.is_err());
        server.await.unwrap();
    }

    #[test]
    fn waits_grow_and_stay_bounded() {
        let mut backoff = Backoff::new();
        let waits: Vec<_> = (0..20).map(|_| backoff.next()).collect();
        assert!(waits[0] <= Backoff::FIRST && waits[0] >= Backoff::FIRST / 2);
        assert!(waits.iter().all(|wait| *wait <= Backoff::LONGEST));
        assert!(waits[19] >= Backoff::LONGEST / 2);
    }
}
