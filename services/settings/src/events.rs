//! What this context does when others tell something.

use anyhow::Context as _;
use platform::events::{Consumer, Received, Stream};
use sqlx::PgConnection;

use crate::domain::lead::Lead;
use crate::store::Store;

/// Queues the mails that tell people of an escalation.
#[derive(Debug)]
pub struct LeadMails;

#[async_trait::async_trait]
impl Consumer for LeadMails {
    fn group(&self) -> &'static str {
        crate::SCHEMA
    }

    fn streams(&self) -> &'static [Stream] {
        &[Stream::Escalations]
    }

    fn wants(&self, kind: &str) -> bool {
        kind.starts_with("escalation.")
    }

    async fn handle(&self, tx: &mut PgConnection, event: &Received) -> anyhow::Result<()> {
        if event.kind != "escalation.created" {
            return Ok(());
        }
        // A chat is no chatbot's, and only chatbots have addresses for leads.
        if event.data["kind"] == "chat" {
            return Ok(());
        }
        let lead: Lead = serde::Deserialize::deserialize(&event.data).context("the escalation can't be read")?;
        let Some((chatbot, addresses)) = Store::lead_recipients(event.org, &mut *tx, &lead.chatbot_id).await? else {
            return Ok(());
        };
        let text = lead.mail(&chatbot);
        Store::queue_lead_mails(event.org, tx, &lead.chatbot_id, &lead.escalation_id, &addresses, &text).await?;
        Ok(())
    }
}
