//! Teams.

use uuid::Uuid;

/// Agents who belong together.
#[derive(Clone, Debug)]
pub(crate) struct Team {
    pub(crate) id: Uuid,
    pub(crate) name: String,
}
