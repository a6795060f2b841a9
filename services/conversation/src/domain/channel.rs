//! Ways in which people reach each other.

use platform::fault::Violation;

/// The way a conversation is held. Numbers are those of directory.proto.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[repr(i16)]
pub(crate) enum Channel {
    WhatsApp = 1,
    Voicemail = 2,
    WidgetChat = 3,
    FacebookMessenger = 4,
    Twitter = 5,
    Email = 6,
    ContactForm = 7,
    Callback = 8,
    PstnPhone = 9,
    Sms = 10,
    Messenger = 11,
}

impl Channel {
    /// Each of them.
    pub(crate) const ALL: [Self; 11] = [
        Self::WhatsApp,
        Self::Voicemail,
        Self::WidgetChat,
        Self::FacebookMessenger,
        Self::Twitter,
        Self::Email,
        Self::ContactForm,
        Self::Callback,
        Self::PstnPhone,
        Self::Sms,
        Self::Messenger,
    ];

    /// The channel of a wire number.
    pub(crate) fn parse(field: &str, number: i32) -> Result<Self, Violation> {
        let channel = Self::ALL.into_iter().find(|channel| i32::from(*channel) == number);
        channel.ok_or_else(|| Violation::new(field, "must be a channel"))
    }
}

impl From<Channel> for i32 {
    fn from(channel: Channel) -> Self {
        channel as Self
    }
}
