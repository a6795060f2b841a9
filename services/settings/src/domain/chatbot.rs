//! Chatbots.

use platform::fault::Violation;
use platform::time::Time;

use super::field::Change;
use super::general::ChatStart;

/// A chatbot.
#[derive(Clone, Debug)]
pub struct Chatbot {
    /// Its id, unique in its organization.
    pub id: String,
    /// What can be changed of it.
    pub profile: Profile,
    /// When it was created.
    pub created_at: Time,
    /// When its profile was changed last.
    pub updated_at: Time,
}

/// What can be changed of a chatbot.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// What is drawn beside its messages.
    pub icons: Icons,
    /// The model that answers.
    pub llm_model: Option<LlmModel>,
    /// The queue that people answer its escalations from.
    pub human_support_queue_id: Option<String>,
}

/// URLs of what is drawn beside messages.
#[derive(Clone, Debug, Default)]
pub struct Icons {
    /// Beside the bot's messages.
    pub bot: Option<String>,
    /// Beside the visitor's.
    pub user: Option<String>,
    /// Beside an agent's.
    pub agent: Option<String>,
    /// On the button that opens the widget.
    pub bubble: Option<String>,
}

/// The model that answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LlmModel {
    /// Its id at the provider.
    pub id: String,
    /// Who runs it.
    pub provider: String,
    /// What people call it.
    pub title: String,
}

/// What a request does to a chatbot's profile.
#[derive(Clone, Debug, Default)]
pub struct ProfileChange {
    /// A new name.
    pub name: Option<String>,
    /// A new description.
    pub description: Change<String>,
    /// New icons: bot, user, agent, bubble.
    pub icons: [Change<String>; 4],
    /// Another model.
    pub llm_model: Change<LlmModel>,
    /// Another queue.
    pub human_support_queue_id: Change<String>,
}

impl ProfileChange {
    /// Does it.
    pub fn apply(self, profile: &mut Profile) {
        if let Some(name) = self.name {
            profile.name = name;
        }
        self.description.apply(&mut profile.description);
        let [bot, user, agent, bubble] = self.icons;
        bot.apply(&mut profile.icons.bot);
        user.apply(&mut profile.icons.user);
        agent.apply(&mut profile.icons.agent);
        bubble.apply(&mut profile.icons.bubble);
        self.llm_model.apply(&mut profile.llm_model);
        self.human_support_queue_id.apply(&mut profile.human_support_queue_id);
    }
}

/// What other contexts need to know of a chatbot.
#[derive(Clone, Debug)]
pub struct Brief {
    /// The chatbot.
    pub chatbot: Chatbot,
    /// Who answers first in a new thread.
    pub chat_start: ChatStart,
    /// What the visitor is told on escalation.
    pub confirmation_message: Option<String>,
}

/// A chatbot id that a caller chose: 1 to 128 characters of `[A-Za-z0-9._~-]`.
pub fn chosen_id(field: &str, text: String) -> Result<String, Violation> {
    let fits = (1..=128).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._~-".contains(&byte));
    fits.then_some(text)
        .ok_or_else(|| Violation::new(field, "must be 1 to 128 of A-Z, a-z, 0-9 and ._~-"))
}

/// A new chatbot id: 18 or 19 digits, as clients know them. Taken ones are found when it is stored.
pub fn minted_id() -> String {
    rand::random_range(100_000_000_000_000_000..=i64::MAX).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chosen_id_is_safe_in_a_path() {
        for good in ["361628903185318481", "a.b_c~d-e", &"a".repeat(128)] {
            assert!(chosen_id("id", good.into()).is_ok(), "{good}");
        }
        for bad in ["", "a/b", "a b", "ü", "a\0", &"a".repeat(129)] {
            assert!(chosen_id("id", bad.into()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_minted_id_is_18_or_19_digits() {
        for _ in 0..100 {
            let id = minted_id();
            assert!(
                matches!(id.len(), 18 | 19) && id.bytes().all(|byte| byte.is_ascii_digit()),
                "{id}"
            );
        }
    }

    #[test]
    fn a_change_touches_only_what_it_names() {
        let mut profile = Profile {
            name: "Demo".into(),
            description: Some("old".into()),
            ..Profile::default()
        };
        let change = ProfileChange {
            icons: [
                Change::Keep,
                Change::Set("https://example.com/u.png".into()),
                Change::Keep,
                Change::Keep,
            ],
            ..ProfileChange::default()
        };
        change.apply(&mut profile);
        assert_eq!(profile.name, "Demo");
        assert_eq!(profile.description.as_deref(), Some("old"));
        assert_eq!(profile.icons.user.as_deref(), Some("https://example.com/u.png"));
        assert_eq!(profile.icons.bot, None);
    }
}
