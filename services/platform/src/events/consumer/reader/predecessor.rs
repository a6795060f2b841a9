//! Whether an event that is missing can still come.

use redis::aio::MultiplexedConnection;
use redis::{RedisResult, Value, cmd};

use super::{Desk, Key, LOOK_THROUGH, Reader};
use crate::events::redis::{entries, field, id, recovering_key, unexpected};
use crate::events::{Consumer, envelope};

impl Reader {
    /// Whether the event that an impatient one waits for is nowhere: neither among what its context publishes again, nor
    /// among what the group has yet to read, nor with a peer.
    pub(in crate::events::consumer) async fn predecessor_will_not_come<C>(
        &self,
        redis: &mut MultiplexedConnection,
        desk: &mut Desk<'_, C>,
        key: Key,
    ) -> RedisResult<bool>
    where
        C: Consumer,
    {
        let stream = key.0;
        let Some(waiting) = desk.waiting(key) else {
            return Ok(false);
        };
        // Asked first: what comes back from now on is behind the barrier.
        let schema = waiting.event.source.trim_start_matches("/handoff/");
        let recovering: bool = cmd("EXISTS").arg(recovering_key(schema)).query_async(redis).await?;
        if recovering {
            waiting.barrier = None;
            return Ok(false);
        }
        let group = self.info(redis, stream).await?.unwrap_or_default();
        let read_to = id(field(group, "last-delivered-id").ok_or_else(unexpected)?)?;
        let Some(barrier) = waiting.barrier else {
            // What was lost is published again by now: it is no later than this.
            let info: Value = cmd("XINFO").arg("STREAM").arg(stream.key()).query_async(redis).await?;
            let last = field(info, "last-generated-id").ok_or_else(unexpected)?;
            waiting.barrier = Some(id(last)?);
            return Ok(false);
        };
        if read_to < barrier {
            return Ok(false);
        }
        let (org, subject, sequence) = (waiting.event.org, waiting.event.subject.clone(), waiting.event.sequence);
        let pending = self.pending(redis, stream, None).await?;
        if pending.len() == LOOK_THROUGH {
            // More than can be looked through: it may be among the rest.
            return Ok(false);
        }
        let mut pipe = redis::pipe();
        for (id, _) in pending.iter().filter(|(_, of)| *of != self.name) {
            let id = id.to_string();
            pipe.cmd("XRANGE").arg(stream.key()).arg(&id).arg(&id);
        }
        if pipe.is_empty() {
            return Ok(true);
        }
        for answer in pipe.query_async::<Vec<Value>>(redis).await? {
            for entry in entries(answer)? {
                if let Ok(event) = envelope::decode(&entry.event)
                    && (event.org, &event.subject) == (org, &subject)
                    && event.sequence < sequence
                {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }
}
