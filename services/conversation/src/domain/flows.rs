//! Flows: which queue a new inbound conversation waits in.

use uuid::Uuid;

use super::Channel;

/// The way from a channel and a contact endpoint into a queue. Of several for the same way in the newest counts.
#[derive(Clone, Debug)]
pub(crate) struct Flow {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) channel: Channel,
    pub(crate) contact_endpoint_id: String,
    pub(crate) queue_id: Uuid,
}
