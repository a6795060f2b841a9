//! What the settings context is about: plain types and rules.

pub mod chatbot;
pub mod error;
pub mod field;
pub mod general;
pub mod human_support;
pub mod key;
pub mod lead;
pub mod organization;
pub mod prompt;
pub mod signed_data;

pub use error::SettingsError;
