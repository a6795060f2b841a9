//! Queues, in which conversations wait for an agent.

use platform::time::Time;
use uuid::Uuid;

/// A queue.
#[derive(Clone, Debug)]
pub(crate) struct Queue {
    pub(crate) id: Uuid,
    /// Unique among the queues of all organizations.
    pub(crate) number: i64,
    pub(crate) name: String,
    /// Exactly one queue of an organization that has any is its default.
    pub(crate) is_default: bool,
    /// Who answers before people do.
    pub(crate) virtual_agent_id: Option<Uuid>,
    /// Settings that are kept and shown but not acted on: a JSON object.
    pub(crate) options: String,
    pub(crate) created_at: Time,
}

/// An agent who takes conversations of a queue.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) agent_id: Uuid,
    pub(crate) priority: Option<i32>,
}

/// Where a conversation waits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Position {
    /// 1-based.
    pub(crate) position: i64,
    pub(crate) queued_at: Time,
}
