//! Prompts that a widget offers: before the first message, and after an answer.

use platform::fault::Violation;
use uuid::Uuid;

use super::field::{self, Change};

/// Prompts of each sort that a chatbot has at most.
pub const PROMPTS: i64 = 100;

/// What a visitor can click instead of typing.
#[derive(Clone, Debug)]
pub struct Prompt {
    /// Its id.
    pub id: Uuid,
    /// What it shows.
    pub title: String,
    /// What it sends.
    pub description: String,
    /// What it opens instead.
    pub link: Option<String>,
}

impl Prompt {
    /// A new one.
    pub fn parse(id: Uuid, title: String, description: String, link: Option<String>) -> Result<Self, Violation> {
        Ok(Self {
            id,
            title: field::required("title", title, field::NAME)?,
            description: field::required("description", description, field::PROSE)?,
            link: match field::url("link", link)? {
                Change::Set(link) => Some(link),
                Change::Keep | Change::Clear => None,
            },
        })
    }
}

/// A prompt after an answer.
#[derive(Clone, Debug)]
pub struct FollowUpPrompt {
    /// What it shows and sends.
    pub prompt: Prompt,
    /// Clicking it asks for a person.
    pub is_escalation_prompt: bool,
}
