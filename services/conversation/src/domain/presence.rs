//! Whether agents are at work.

use platform::time::Time;
use uuid::Uuid;

use super::Channel;

/// How an agent was last seen.
#[derive(Clone, Debug)]
pub(crate) struct Presence {
    pub(crate) agent_id: Uuid,
    /// The agent's place in lists.
    pub(crate) number: i64,
    pub(crate) working: bool,
    /// Working, or seen within the last five minutes.
    pub(crate) online: bool,
    pub(crate) active_channels: Vec<Channel>,
    /// Absent: never.
    pub(crate) last_seen: Option<Time>,
}
