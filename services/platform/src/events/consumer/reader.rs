//! The Redis side of a consumer group: what it is given, what it keeps, what it has finished.

mod predecessor;

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Cmd, RedisResult, Value, cmd};

use super::work::{Delivery, Desk, Key, MAX_DELIVERIES};
use crate::events::redis::{
    BLOCK, Entry, Id, Patience, array, entries, field, groups_key, id, streams, text, unexpected,
};
use crate::events::{Consumer, Stream, metrics as names};

/// Entries read at once.
const COUNT: usize = 100;
/// Pending entries that are looked through for a predecessor.
const LOOK_THROUGH: usize = 1000;
/// A process that has not read for so long is gone, in milliseconds.
const GONE: i64 = 60 * 60 * 1000;

pub(super) struct Reader {
    group: &'static str,
    streams: &'static [Stream],
    /// This process within the group.
    name: String,
    patience: Patience,
}

impl Reader {
    pub(super) fn new(group: &'static str, streams: &'static [Stream], patience: Patience) -> Self {
        Self {
            group,
            streams,
            name: crate::id::new().to_string(),
            patience,
        }
    }

    /// How often to look after what others left and what this process keeps.
    pub(super) fn period(&self) -> Duration {
        self.patience.claim / 3
    }

    /// Makes the group where there is none, from the first entry on: what was published before must not be missed.
    pub(super) async fn join(&self, redis: &mut MultiplexedConnection) -> RedisResult<()> {
        for stream in self.streams {
            let () = cmd("SADD")
                .arg(groups_key(*stream))
                .arg(self.group)
                .query_async(redis)
                .await?;
            let made: RedisResult<()> = cmd("XGROUP")
                .arg("CREATE")
                .arg(stream.key())
                .arg(self.group)
                .arg("0")
                .arg("MKSTREAM")
                .query_async(redis)
                .await;
            match made {
                Err(error) if error.code() != Some("BUSYGROUP") => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// What comes next, after waiting up to `wait`.
    pub(super) async fn read(
        &self,
        redis: &mut MultiplexedConnection,
        wait: Duration,
        room: usize,
    ) -> RedisResult<Vec<Delivery>> {
        if room == 0 {
            tokio::time::sleep(wait).await;
            return Ok(Vec::new());
        }
        let mut read = cmd("XREADGROUP");
        read.arg("GROUP")
            .arg(self.group)
            .arg(&self.name)
            .arg("COUNT")
            .arg(COUNT.min(room));
        // To Redis, 0 means for ever.
        let wait = u64::try_from(wait.min(BLOCK).as_millis()).unwrap_or_default();
        if wait > 0 {
            read.arg("BLOCK").arg(wait);
        }
        self.ask(&mut read, ">");
        let answer: Value = read.query_async(redis).await?;
        self.deliveries(answer)
    }

    /// What this process was given and has not acknowledged, apart from what is on the desk.
    pub(super) async fn own<C>(
        &self,
        redis: &mut MultiplexedConnection,
        desk: &Desk<'_, C>,
    ) -> RedisResult<Vec<Delivery>>
    where
        C: Consumer,
    {
        let mut read = cmd("XREADGROUP");
        read.arg("GROUP")
            .arg(self.group)
            .arg(&self.name)
            .arg("COUNT")
            .arg(LOOK_THROUGH);
        self.ask(&mut read, "0");
        let answer: Value = read.query_async(redis).await?;
        let mut own = self.deliveries(answer)?;
        own.retain(|delivery| !desk.has(delivery.key));
        Ok(own)
    }

    fn ask(&self, read: &mut Cmd, from: &str) {
        read.arg("STREAMS");
        for stream in self.streams {
            read.arg(stream.key());
        }
        for _ in self.streams {
            read.arg(from);
        }
    }

    fn deliveries(&self, answer: Value) -> RedisResult<Vec<Delivery>> {
        let mut deliveries = Vec::new();
        for (key, entries) in streams(answer)? {
            let stream = self
                .streams
                .iter()
                .find(|stream| stream.key() == key)
                .ok_or_else(unexpected)?;
            deliveries.extend(entries.into_iter().map(|entry| delivery(*stream, entry)));
        }
        Ok(deliveries)
    }

    /// Takes over what a peer was given and has not acknowledged for long.
    pub(super) async fn claim<C>(
        &self,
        redis: &mut MultiplexedConnection,
        desk: &Desk<'_, C>,
    ) -> RedisResult<Vec<Delivery>>
    where
        C: Consumer,
    {
        let mut claimed = Vec::new();
        for stream in self.streams {
            let mut from = String::from("0-0");
            while claimed.len() < desk.room() {
                let answer: Value = cmd("XAUTOCLAIM")
                    .arg(stream.key())
                    .arg(self.group)
                    .arg(&self.name)
                    .arg(milliseconds(self.patience.claim))
                    .arg(&from)
                    .arg("COUNT")
                    .arg(COUNT)
                    .query_async(redis)
                    .await?;
                // The next position, the entries, the ids of entries that were deleted and are acknowledged by it.
                let mut parts = array(answer)?.into_iter();
                from = parts.next().and_then(text).ok_or_else(unexpected)?;
                claimed.extend(
                    entries(parts.next().unwrap_or_default())?
                        .into_iter()
                        .filter(|entry| !desk.has(Key(*stream, entry.id)))
                        .map(|entry| delivery(*stream, entry)),
                );
                if from == "0-0" {
                    break;
                }
            }
        }
        self.count(redis, &mut claimed).await?;
        Ok(claimed)
    }

    /// How often each was delivered before, to whomever: an event that ends every process it is given to must end, too.
    async fn count(&self, redis: &mut MultiplexedConnection, claimed: &mut [Delivery]) -> RedisResult<()> {
        if claimed.is_empty() {
            return Ok(());
        }
        let mut pipe = redis::pipe();
        for Delivery {
            key: Key(stream, id), ..
        } in claimed.iter()
        {
            let id = id.to_string();
            pipe.cmd("XPENDING")
                .arg(stream.key())
                .arg(self.group)
                .arg(&id)
                .arg(&id)
                .arg(1);
        }
        let answers: Vec<Value> = pipe.query_async(redis).await?;
        for (delivery, answer) in claimed.iter_mut().zip(answers) {
            // The entry's id, its holder, for how long, how often.
            let pending = array(answer)?.into_iter().next().map(array).transpose()?;
            if let Some(Value::Int(times)) = pending.and_then(|pending| pending.into_iter().nth(3)) {
                let before = u32::try_from(times - 1).unwrap_or_default();
                delivery.failures = before.min(MAX_DELIVERIES);
            }
        }
        Ok(())
    }

    /// Tells the peers that what is on the desk is being worked on, and how often it has failed so far: that it is kept
    /// or handed on is no failure.
    pub(super) async fn keep<C>(&self, redis: &mut MultiplexedConnection, desk: &Desk<'_, C>) -> RedisResult<()>
    where
        C: Consumer,
    {
        let mut pipe = redis::pipe();
        for stream in self.streams {
            for (failures, ids) in desk.kept(*stream) {
                let mut keep = self.take(*stream, &ids);
                keep.arg("RETRYCOUNT").arg(failures).arg("JUSTID");
                pipe.add_command(keep);
            }
        }
        if pipe.is_empty() {
            return Ok(());
        }
        pipe.query_async::<Vec<Value>>(redis).await.map(drop)
    }

    fn take(&self, stream: Stream, ids: &[String]) -> Cmd {
        let mut take = cmd("XCLAIM");
        take.arg(stream.key()).arg(self.group).arg(&self.name).arg(0).arg(ids);
        take
    }

    /// Acknowledges what is finished, and notes how often the rest has failed where a peer will find it.
    pub(super) async fn acknowledge(
        &self,
        redis: &mut MultiplexedConnection,
        finished: &[Key],
        failed: &[(Key, u32)],
    ) -> RedisResult<()> {
        let mut pipe = redis::pipe();
        for stream in self.streams {
            let ids: Vec<String> = finished
                .iter()
                .filter(|key| key.0 == *stream)
                .map(|key| key.1.to_string())
                .collect();
            if !ids.is_empty() {
                pipe.cmd("XACK").arg(stream.key()).arg(self.group).arg(ids);
            }
        }
        for (Key(stream, id), failures) in failed {
            let mut note = self.take(*stream, &[id.to_string()]);
            note.arg("RETRYCOUNT").arg(*failures).arg("JUSTID");
            pipe.add_command(note);
        }
        if pipe.is_empty() {
            return Ok(());
        }
        pipe.query_async::<Vec<Value>>(redis).await.map(drop)
    }

    /// Leaves what is unfinished to the peers, who then need not wait for it to grow old, and the group.
    pub(super) async fn leave(&self, redis: &mut MultiplexedConnection) -> RedisResult<()> {
        for stream in self.streams {
            let pending = self.pending(redis, *stream, Some(&self.name)).await?;
            if pending.is_empty() {
                self.dismiss(redis, *stream, &self.name).await?;
                continue;
            }
            let ids: Vec<String> = pending.iter().map(|(id, _)| id.to_string()).collect();
            let _left: Value = self
                .take(*stream, &ids)
                .arg("IDLE")
                .arg(milliseconds(self.patience.claim) + 1)
                .arg("JUSTID")
                .query_async(redis)
                .await?;
        }
        Ok(())
    }

    /// Takes a process that holds nothing out of the group.
    async fn dismiss(&self, redis: &mut MultiplexedConnection, stream: Stream, name: &str) -> RedisResult<()> {
        cmd("XGROUP")
            .arg("DELCONSUMER")
            .arg(stream.key())
            .arg(self.group)
            .arg(name)
            .query_async(redis)
            .await
    }

    /// What is unacknowledged, with its holder.
    async fn pending(
        &self,
        redis: &mut MultiplexedConnection,
        stream: Stream,
        of: Option<&str>,
    ) -> RedisResult<Vec<(Id, String)>> {
        let pending: Value = cmd("XPENDING")
            .arg(stream.key())
            .arg(self.group)
            .arg("-")
            .arg("+")
            .arg(LOOK_THROUGH)
            .arg(of)
            .query_async(redis)
            .await?;
        array(pending)?
            .into_iter()
            .map(|entry| {
                let mut parts = array(entry)?.into_iter();
                let id = id(parts.next().ok_or_else(unexpected)?)?;
                Ok((id, parts.next().and_then(text).ok_or_else(unexpected)?))
            })
            .collect()
    }

    /// Measures how far the group is behind, and forgets processes that are gone for good.
    pub(super) async fn measure(&self, redis: &mut MultiplexedConnection) -> RedisResult<()> {
        for stream in self.streams {
            let Some(group) = self.info(redis, *stream).await? else {
                continue;
            };
            let number = |name| match field(group.clone(), name) {
                Some(Value::Int(number)) => number,
                _ => 0,
            };
            let behind = number("lag") + number("pending");
            metrics::gauge!(names::LAG, "stream" => stream.key(), "group" => self.group)
                .set(f64::from(i32::try_from(behind).unwrap_or(i32::MAX)));
            let consumers: Value = cmd("XINFO")
                .arg("CONSUMERS")
                .arg(stream.key())
                .arg(self.group)
                .query_async(redis)
                .await?;
            for consumer in array(consumers)? {
                let idle = matches!(field(consumer.clone(), "idle"), Some(Value::Int(idle)) if idle > GONE);
                let free = field(consumer.clone(), "pending") == Some(Value::Int(0));
                if let (true, true, Some(name)) = (idle, free, field(consumer, "name").and_then(text)) {
                    self.dismiss(redis, *stream, &name).await?;
                }
            }
        }
        Ok(())
    }

    /// What `XINFO` says of the group.
    async fn info(&self, redis: &mut MultiplexedConnection, stream: Stream) -> RedisResult<Option<Value>> {
        let groups: Value = cmd("XINFO").arg("GROUPS").arg(stream.key()).query_async(redis).await?;
        Ok(array(groups)?.into_iter().find(|group| {
            let name = field(group.clone(), "name").and_then(text);
            name.as_deref() == Some(self.group)
        }))
    }
}

fn delivery(stream: Stream, entry: Entry) -> Delivery {
    Delivery {
        key: Key(stream, entry.id),
        entry,
        failures: 0,
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
