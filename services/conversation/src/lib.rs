//! The conversation context: people, queues and reference data, and the conversations between end users and people.

/// The schema of this context.
pub const SCHEMA: &str = "conversation";
