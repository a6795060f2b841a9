//! Contact endpoints: the organization's own addresses and numbers.

use platform::fault::Violation;

use super::field;

/// What an organization is reached under.
#[derive(Clone, Debug)]
pub(crate) struct ContactEndpoint {
    pub(crate) name: Option<String>,
    pub(crate) endpoint: Endpoint,
}

/// An address or a number.
#[derive(Clone, Debug)]
pub(crate) enum Endpoint {
    Email {
        address: String,
        sender_override: Option<String>,
    },
    Telephony {
        /// E.164.
        number: String,
        functionality: Vec<Function>,
    },
}

impl ContactEndpoint {
    /// What it is found under: the number, or the address in lower case.
    pub(crate) fn id(&self) -> String {
        match &self.endpoint {
            Endpoint::Email { address, .. } => address.to_lowercase(),
            Endpoint::Telephony { number, .. } => number.clone(),
        }
    }
}

/// What a number can be used for. Numbers are those of directory.proto.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[repr(i16)]
pub(crate) enum Function {
    Sms = 1,
    VoiceInbound = 2,
    VoiceOutbound = 3,
}

impl Function {
    /// The function of a wire number.
    pub(crate) fn parse(field: &str, number: i32) -> Result<Self, Violation> {
        match number {
            1 => Ok(Self::Sms),
            2 => Ok(Self::VoiceInbound),
            3 => Ok(Self::VoiceOutbound),
            _ => Err(Violation::new(field, "must be a function of a number")),
        }
    }
}

/// What an endpoint is looked up by: an e-mail address or an E.164 number.
pub(crate) fn id(field: &str, text: &str) -> Result<String, Violation> {
    field::email(field, text.to_lowercase())
        .or_else(|_| field::phone(field, text.to_owned()))
        .map_err(|_| Violation::new(field, "is neither a valid email nor a valid E.164 phone number"))
}
