//! General settings of a chatbot.

use std::ops::RangeInclusive;

use platform::fault::Violation;
use platform::time::Time;
use serde_json::Value;
use uuid::Uuid;

use super::field::Change;

/// Who answers first in a new thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChatStart {
    /// The bot.
    Ai,
    /// A person.
    Agent,
}

impl ChatStart {
    /// The stored word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ai => "ai",
            Self::Agent => "agent",
        }
    }

    /// What a stored word stands for; the table allows these two.
    pub fn from_stored(word: &str) -> Self {
        match word {
            "agent" => Self::Agent,
            _ => Self::Ai,
        }
    }
}

/// What a bot says when it has no answer and nothing else is configured.
pub const FALLBACK_MESSAGE: &str = "Sorry, I could not find an answer to that. Please try asking in another way.";
/// Follow-up prompts a bot suggests.
pub const FOLLOW_UPS: RangeInclusive<i32> = 1..=5;
/// Earlier messages a model is shown.
pub const HISTORY: RangeInclusive<i32> = 1..=5;
/// Messages a visitor may send in a conversation when that is limited.
pub const MESSAGES: RangeInclusive<i32> = 1..=10_000;
/// Longest extra data, in characters.
pub const EXTRA_DATA: usize = 16_384;

/// General settings of a chatbot.
#[derive(Clone, Debug)]
pub struct GeneralSettings {
    /// Their id.
    pub id: Uuid,
    /// Whose they are.
    pub chatbot_id: String,
    /// What the model is told about the bot.
    pub description: Option<String>,
    /// No follow-up prompts are made up.
    pub smart_follow_up_prompts_disabled: bool,
    /// How many are.
    pub smart_follow_up_prompts_count: i32,
    /// Nobody is mailed about escalations.
    pub lead_notifications_disabled: bool,
    /// How many earlier messages the model is shown.
    pub history_count: i32,
    /// A model by its old name.
    pub gpt_model: Option<String>,
    /// Whatever the integrator keeps here.
    pub extra_data: Option<String>,
    /// A JSON object the integrator keeps here.
    pub metadata: Value,
    /// The bot is told what page the visitor is on.
    pub page_context_awareness_enabled: bool,
    /// The model that answers.
    pub llm_id: Option<String>,
    /// A visitor may not send any number of messages.
    pub messages_per_conversation_limited: bool,
    /// How many he may send then.
    pub max_messages_per_conversation: i32,
    /// What the bot says when it has no answer; `None`: [`FALLBACK_MESSAGE`].
    pub fallback_message: Option<String>,
    /// Who answers first.
    pub chat_start: ChatStart,
    /// When they were created.
    pub created_at: Time,
    /// When they were changed last.
    pub updated_at: Time,
}

impl GeneralSettings {
    /// What a new chatbot has.
    pub fn of_new_chatbot(id: Uuid, chatbot_id: String, now: Time) -> Self {
        Self {
            id,
            chatbot_id,
            description: None,
            smart_follow_up_prompts_disabled: false,
            smart_follow_up_prompts_count: 3,
            lead_notifications_disabled: false,
            history_count: 1,
            gpt_model: None,
            extra_data: None,
            metadata: Value::Object(serde_json::Map::new()),
            page_context_awareness_enabled: false,
            llm_id: None,
            messages_per_conversation_limited: false,
            max_messages_per_conversation: 20,
            fallback_message: None,
            chat_start: ChatStart::Ai,
            created_at: now,
            updated_at: now,
        }
    }
}

/// What a request does to general settings.
#[derive(Clone, Debug, Default)]
pub struct GeneralSettingsChange {
    /// See [`GeneralSettings`].
    pub description: Change<String>,
    /// See [`GeneralSettings`].
    pub smart_follow_up_prompts_disabled: Option<bool>,
    /// Within [`FOLLOW_UPS`].
    pub smart_follow_up_prompts_count: Option<i32>,
    /// See [`GeneralSettings`].
    pub lead_notifications_disabled: Option<bool>,
    /// Within [`HISTORY`].
    pub history_count: Option<i32>,
    /// See [`gpt_model`].
    pub gpt_model: Change<String>,
    /// See [`GeneralSettings`].
    pub extra_data: Change<String>,
    /// See [`metadata`].
    pub metadata: Option<Value>,
    /// See [`GeneralSettings`].
    pub page_context_awareness_enabled: Option<bool>,
    /// See [`GeneralSettings`].
    pub llm_id: Change<String>,
    /// See [`GeneralSettings`].
    pub messages_per_conversation_limited: Option<bool>,
    /// Within [`MESSAGES`].
    pub max_messages_per_conversation: Option<i32>,
    /// Cleared: the default text again.
    pub fallback_message: Change<String>,
    /// See [`GeneralSettings`].
    pub chat_start: Option<ChatStart>,
}

impl GeneralSettingsChange {
    /// Does it.
    pub fn apply(self, to: &mut GeneralSettings) {
        fn set<T>(field: &mut T, value: Option<T>) {
            if let Some(value) = value {
                *field = value;
            }
        }
        self.description.apply(&mut to.description);
        set(
            &mut to.smart_follow_up_prompts_disabled,
            self.smart_follow_up_prompts_disabled,
        );
        set(
            &mut to.smart_follow_up_prompts_count,
            self.smart_follow_up_prompts_count,
        );
        set(&mut to.lead_notifications_disabled, self.lead_notifications_disabled);
        set(&mut to.history_count, self.history_count);
        self.gpt_model.apply(&mut to.gpt_model);
        self.extra_data.apply(&mut to.extra_data);
        set(&mut to.metadata, self.metadata);
        set(
            &mut to.page_context_awareness_enabled,
            self.page_context_awareness_enabled,
        );
        self.llm_id.apply(&mut to.llm_id);
        set(
            &mut to.messages_per_conversation_limited,
            self.messages_per_conversation_limited,
        );
        set(
            &mut to.max_messages_per_conversation,
            self.max_messages_per_conversation,
        );
        self.fallback_message.apply(&mut to.fallback_message);
        set(&mut to.chat_start, self.chat_start);
    }
}

/// One of the two models that the older dialect names.
pub fn gpt_model(field: &str, text: Option<&str>) -> Result<Change<String>, Violation> {
    match text {
        None => Ok(Change::Keep),
        Some("") => Ok(Change::Clear),
        Some(name @ ("gpt-3.5-turbo" | "gpt-4")) => Ok(Change::Set(name.to_owned())),
        Some(_) => Err(Violation::new(field, "must be gpt-3.5-turbo or gpt-4")),
    }
}

const METADATA_BYTES: usize = 16 * 1024;
const METADATA_DEPTH: usize = 16;

/// A JSON object of at most 16 KiB and 16 levels.
pub fn metadata(field: &str, object: Value) -> Result<Value, Violation> {
    fn has_nul(value: &Value) -> bool {
        match value {
            Value::String(text) => text.contains('\0'),
            Value::Array(items) => items.iter().any(has_nul),
            Value::Object(members) => members
                .iter()
                .any(|(name, value)| name.contains('\0') || has_nul(value)),
            _ => false,
        }
    }
    fn depth(value: &Value) -> usize {
        match value {
            Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
            Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
            _ => 0,
        }
    }
    if depth(&object) > METADATA_DEPTH {
        return Err(Violation::new(field, "must be at most 16 levels deep"));
    }
    if object.to_string().len() > METADATA_BYTES {
        return Err(Violation::new(field, "must be at most 16 KiB as JSON"));
    }
    if has_nul(&object) {
        return Err(Violation::new(field, "must not contain U+0000"));
    }
    Ok(object)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn metadata_is_bounded_in_size_and_depth_and_free_of_nul() {
        assert!(metadata("m", json!({"a": [1, {"b": null}]})).is_ok());
        assert!(metadata("m", json!({"a": "x".repeat(METADATA_BYTES)})).is_err());
        assert!(metadata("m", json!({"a": ["x\0"]})).is_err());
        assert!(metadata("m", json!({"a\0": 1})).is_err());
        let deep = (0..METADATA_DEPTH).fold(json!(1), |inner, _| json!({"a": inner}));
        assert!(metadata("m", deep.clone()).is_ok());
        assert!(metadata("m", json!([deep])).is_err());
    }

    #[test]
    fn only_the_documented_gpt_models_are_known() {
        assert_eq!(gpt_model("g", Some("gpt-4")).unwrap(), Change::Set("gpt-4".into()));
        assert_eq!(gpt_model("g", Some("")).unwrap(), Change::Clear);
        assert!(gpt_model("g", Some("gpt-5")).is_err());
    }

    #[test]
    fn a_cleared_fallback_message_is_the_default_again() {
        let mut settings = GeneralSettings::of_new_chatbot(platform::id::new(), "1".into(), platform::time::now());
        settings.fallback_message = Some("?".into());
        let change = GeneralSettingsChange {
            fallback_message: Change::Clear,
            history_count: Some(4),
            ..GeneralSettingsChange::default()
        };
        change.apply(&mut settings);
        assert_eq!(settings.fallback_message, None);
        assert_eq!((settings.history_count, settings.smart_follow_up_prompts_count), (4, 3));
    }
}
