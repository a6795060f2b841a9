//! Chats whose end user does not answer are dismissed after a while, and finished after another.

use std::time::Duration;

use platform::events::Outbox;
use platform::{Db, OrgId, due};
use tokio_util::sync::CancellationToken;

use super::Store;
use crate::domain::ConversationError;
use crate::domain::chats::Ended;
use crate::domain::conversation::Locked;
use crate::domain::state::{self, Outcome};
use crate::store::transitions::Step;

/// Chats in one transaction.
const BATCH: i64 = 50;

/// Dismisses and finishes what is due, until `stop`. Any number of replicas may do so at once.
pub(crate) async fn run(db: Db, outbox: Outbox, patience: Patience, stop: CancellationToken) -> anyhow::Result<()> {
    let (dismiss_after, finish_after) = (patience.dismiss_after(), patience.finish_after());
    let counter = "conversation_chats_dismissed_total";
    let dismissing = due::run("idle chats", counter, &outbox, stop.clone(), || {
        Store::dismiss_idle(&db, dismiss_after)
    });
    let counter = "conversation_chats_timed_out_total";
    let finishing = due::run("dismissed chats", counter, &outbox, stop, || {
        Store::finish_dismissed(&db, finish_after)
    });
    tokio::try_join!(dismissing, finishing)?;
    Ok(())
}

/// How long an end user may take to answer.
#[derive(Clone, Copy, Debug, clap::Args)]
#[group(skip)]
pub struct Patience {
    /// Seconds without an answer of the end user after which a chat is dismissed.
    #[arg(long, env = "HANDOFF_CHAT_DISMISS_SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u32).range(1..=2_592_000))]
    pub chat_dismiss_seconds: u32,
    /// Seconds after which a dismissed chat is finished.
    #[arg(long, env = "HANDOFF_CHAT_FINISH_SECONDS", default_value_t = 86_400, value_parser = clap::value_parser!(u32).range(1..=31_536_000))]
    pub chat_finish_seconds: u32,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            chat_dismiss_seconds: 600,
            chat_finish_seconds: 86_400,
        }
    }
}

impl Patience {
    pub(crate) fn dismiss_after(self) -> Duration {
        Duration::from_secs(self.chat_dismiss_seconds.into())
    }

    pub(crate) fn finish_after(self) -> Duration {
        Duration::from_secs(self.chat_finish_seconds.into())
    }
}

impl Store {
    /// Dismisses chats whose end user did not answer for so long; how many it were.
    async fn dismiss_idle(db: &Db, after: Duration) -> Result<u64, ConversationError> {
        let mut tx = db.begin().await?;
        // The conversation is what every step locks first.
        let due = sqlx::query!(
            "select c.org_id, c.id from conversation.chats s
             join conversation.conversations c on c.org_id = s.org_id and c.id = s.conversation_id
             where s.idle_since <= now() - make_interval(secs => $1)
             order by s.idle_since limit $2 for no key update of c skip locked",
            after.as_secs_f64(),
            BATCH,
        )
        .fetch_all(&mut *tx)
        .await?;
        let mut dismissed = 0;
        for row in due {
            let org = OrgId(row.org_id);
            let locked = Self::lock_conversation(org, &mut tx, row.id).await?;
            let outcome = state::chats::dismiss(&locked.standing);
            dismissed += Self::by_itself(&mut tx, org, &locked, outcome).await?;
        }
        tx.commit().await?;
        Ok(dismissed)
    }

    /// Finishes chats that have been dismissed for so long; how many it were.
    async fn finish_dismissed(db: &Db, after: Duration) -> Result<u64, ConversationError> {
        let mut tx = db.begin().await?;
        let due = sqlx::query!(
            "select c.org_id, c.id, s.end_user_wrote from conversation.chats s
             join conversation.conversations c on c.org_id = s.org_id and c.id = s.conversation_id
             where s.dismissed_since <= now() - make_interval(secs => $1)
             order by s.dismissed_since limit $2 for no key update of c skip locked",
            after.as_secs_f64(),
            BATCH,
        )
        .fetch_all(&mut *tx)
        .await?;
        let mut finished = 0;
        for row in due {
            let org = OrgId(row.org_id);
            let mut locked = Self::lock_conversation(org, &mut tx, row.id).await?;
            locked.ending = Some(if row.end_user_wrote {
                Ended::Finished
            } else {
                Ended::NoResponse
            });
            let outcome = state::close(&locked.standing);
            finished += Self::by_itself(&mut tx, org, &locked, outcome).await?;
        }
        tx.commit().await?;
        Ok(finished)
    }

    /// Saves a step that nobody took; 1 when it did anything.
    async fn by_itself(
        tx: &mut sqlx::PgConnection,
        org: OrgId,
        locked: &Locked,
        outcome: Outcome,
    ) -> Result<u64, ConversationError> {
        if outcome.is_noop() {
            return Ok(0);
        }
        let step = Step {
            outcome,
            author: None,
            message: None,
        };
        Self::save_outcome(org, None, tx, locked, step).await?;
        Ok(1)
    }
}
