//! Human-support settings of a chatbot: what its widget offers, and who is mailed about an escalation.

use lettre::Address;
use platform::fault::Violation;
use platform::time::Time;
use uuid::Uuid;

use super::field::Change;

/// Addresses a chatbot notifies at most.
pub const ADDRESSES: usize = 20;

/// Human-support settings of a chatbot.
#[derive(Clone, Debug)]
pub struct HumanSupportSettings {
    /// Their id.
    pub id: Uuid,
    /// Whose they are.
    pub chatbot_id: String,
    /// The widget offers people. An escalation always escalates.
    pub enable_human_support: bool,
    /// The widget suggests nothing but people.
    pub replace_all_other_suggestions: bool,
    /// What a content visitor is asked.
    pub positive_feedback_prompt: Option<String>,
    /// What the button that asks for people says.
    pub request_human_support_prompt: Option<String>,
    /// What the visitor is told on escalation.
    pub confirmation_message: Option<String>,
    /// Whether somebody is mailed about an escalation.
    pub lead_notification: bool,
    /// Who is.
    pub lead_notification_email: Vec<String>,
    /// The widget shows the button after answers.
    pub show_escalation_buttons: bool,
    /// When they were created.
    pub created_at: Time,
    /// When they were changed last.
    pub updated_at: Time,
}

impl HumanSupportSettings {
    /// What a chatbot has before anything is set.
    pub fn new(id: Uuid, chatbot_id: String, now: Time) -> Self {
        Self {
            id,
            chatbot_id,
            enable_human_support: false,
            replace_all_other_suggestions: false,
            positive_feedback_prompt: None,
            request_human_support_prompt: None,
            confirmation_message: None,
            lead_notification: false,
            lead_notification_email: Vec::new(),
            show_escalation_buttons: true,
            created_at: now,
            updated_at: now,
        }
    }
}

/// What a request does to human-support settings.
#[derive(Clone, Debug, Default)]
pub struct HumanSupportChange {
    /// See [`HumanSupportSettings`].
    pub enable_human_support: Option<bool>,
    /// See [`HumanSupportSettings`].
    pub replace_all_other_suggestions: Option<bool>,
    /// See [`HumanSupportSettings`].
    pub positive_feedback_prompt: Change<String>,
    /// See [`HumanSupportSettings`].
    pub request_human_support_prompt: Change<String>,
    /// See [`HumanSupportSettings`].
    pub confirmation_message: Change<String>,
    /// See [`HumanSupportSettings`].
    pub lead_notification: Option<bool>,
    /// See [`addresses`].
    pub lead_notification_email: Option<Vec<String>>,
    /// See [`HumanSupportSettings`].
    pub show_escalation_buttons: Option<bool>,
}

impl HumanSupportChange {
    /// Does it.
    pub fn apply(self, to: &mut HumanSupportSettings) {
        to.enable_human_support = self.enable_human_support.unwrap_or(to.enable_human_support);
        to.replace_all_other_suggestions = self
            .replace_all_other_suggestions
            .unwrap_or(to.replace_all_other_suggestions);
        self.positive_feedback_prompt.apply(&mut to.positive_feedback_prompt);
        self.request_human_support_prompt
            .apply(&mut to.request_human_support_prompt);
        self.confirmation_message.apply(&mut to.confirmation_message);
        to.lead_notification = self.lead_notification.unwrap_or(to.lead_notification);
        if let Some(addresses) = self.lead_notification_email {
            to.lead_notification_email = addresses;
        }
        to.show_escalation_buttons = self.show_escalation_buttons.unwrap_or(to.show_escalation_buttons);
    }
}

/// At most [`ADDRESSES`] mail addresses, in their order, each once. `field` is the path of the list.
pub fn addresses(field: &str, texts: Vec<String>) -> Result<Vec<String>, Violation> {
    if texts.len() > ADDRESSES {
        return Err(Violation::new(field, format!("must be at most {ADDRESSES} addresses")));
    }
    let mut addresses = Vec::with_capacity(texts.len());
    for (at, text) in texts.into_iter().enumerate() {
        // 254: the longest path a mail server has to take (RFC 5321 §4.5.3.1.3).
        let valid = text.len() <= 254 && !text.contains(char::is_control) && text.parse::<Address>().is_ok();
        if !valid {
            return Err(Violation::new(format!("{field}[{at}]"), "must be a mail address"));
        }
        if !addresses.contains(&text) {
            addresses.push(text);
        }
    }
    Ok(addresses)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_is_none_is_named_by_its_place() {
        for bad in [
            "",
            "a",
            "a@",
            "@b.c",
            "a b@c.d",
            "a@b.c\r\nBcc: d@e.f",
            "a@b.c\0",
            "<a@b.c>",
        ] {
            let violation = addresses("e", vec!["a@example.com".into(), bad.into()]).unwrap_err();
            assert_eq!(violation.field, "e[1]", "{bad:?}");
        }
        let long = format!("{}@example.com", "a".repeat(250));
        assert!(addresses("e", vec![long]).is_err());
    }

    #[test]
    fn addresses_are_kept_once_in_their_order() {
        let texts = ["b@example.com", "a@example.com", "b@example.com"].map(str::to_owned);
        assert_eq!(
            addresses("e", texts.into()).unwrap(),
            ["b@example.com", "a@example.com"]
        );
    }

    #[test]
    fn twenty_addresses_fit_and_one_more_does_not() {
        let texts = |count: usize| (0..count).map(|n| format!("a{n}@example.com")).collect();
        assert!(addresses("e", texts(20)).is_ok());
        assert_eq!(addresses("e", texts(21)).unwrap_err().field, "e");
    }

    #[test]
    fn a_change_touches_only_what_it_names() {
        let mut settings = HumanSupportSettings::new(platform::id::new(), "1".into(), platform::time::now());
        let change = HumanSupportChange {
            lead_notification: Some(true),
            ..HumanSupportChange::default()
        };
        change.apply(&mut settings);
        assert!(settings.lead_notification && settings.show_escalation_buttons);
        assert!(!settings.enable_human_support);
    }
}
