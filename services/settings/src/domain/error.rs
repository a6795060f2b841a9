//! Everything that can go wrong in this context.

use platform::fault::{self, Fault, Kind, Violation};
use platform::idempotency;

/// Why a call to the settings context failed. Each reason is contract.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A field of the request is wrong.
    #[error("{} {}", .0.field, .0.description)]
    Invalid(Violation),
    /// There is no such organization.
    #[error("there is no such organization")]
    OrganizationNotFound,
    /// Another organization has the subdomain.
    #[error("the subdomain is taken")]
    SubdomainTaken,
    /// The organization has no such key.
    #[error("there is no such API key")]
    ApiKeyNotFound,
    /// The presented key is unknown, expired or revoked. Which of them is nobody's business.
    #[error("the API key is not valid")]
    ApiKeyNotValid,
    /// A key can only hand on what it holds itself.
    #[error("the API key lacks the scope {0}, so it can't give it to another key")]
    ScopeNotHeld(String),
    /// The organization has no such chatbot.
    #[error("there is no such chatbot")]
    ChatbotNotFound,
    /// A chatbot of the organization has, or had, this id.
    #[error("the chatbot id is taken")]
    ChatbotIdTaken,
    /// The chatbot has no such prompt.
    #[error("there is no such prompt")]
    PromptNotFound,
    /// The chatbot has as many prompts as it can have.
    #[error("the chatbot has the most prompts it can have")]
    PromptLimitReached,
    /// The chatbot has no human-support settings.
    #[error("the chatbot has no human-support settings")]
    HumanSupportSettingsNotFound,
    /// The chatbot has human-support settings.
    #[error("the chatbot has human-support settings")]
    HumanSupportSettingsExist,
    /// The token is not what a live company secret has signed, or does not hold. Why is nobody's business.
    #[error("the signed data is not valid")]
    SignedDataInvalid,
    /// The request can't be told from an earlier one.
    #[error(transparent)]
    Retry(#[from] idempotency::Error),
    /// The database failed.
    #[error("the database failed")]
    Storage(#[source] sqlx::Error),
}

impl Fault for SettingsError {
    const DOMAIN: &'static str = "settings";

    fn kind(&self) -> Kind {
        match self {
            Self::Invalid(_) | Self::SignedDataInvalid => Kind::Invalid,
            Self::OrganizationNotFound
            | Self::ApiKeyNotFound
            | Self::ChatbotNotFound
            | Self::PromptNotFound
            | Self::HumanSupportSettingsNotFound => Kind::NotFound,
            Self::SubdomainTaken | Self::ChatbotIdTaken | Self::HumanSupportSettingsExist => Kind::Conflict,
            Self::ApiKeyNotValid => Kind::Unauthenticated,
            Self::ScopeNotHeld(_) => Kind::Forbidden,
            Self::PromptLimitReached => Kind::Unprocessable,
            Self::Retry(error) => error.kind(),
            Self::Storage(error) => fault::database_kind(error),
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "REQUEST_VALIDATION_FAILED",
            Self::SignedDataInvalid => "SIGNED_DATA_INVALID",
            Self::OrganizationNotFound => "ORGANIZATION_NOT_FOUND",
            Self::SubdomainTaken => "SUBDOMAIN_TAKEN",
            Self::ApiKeyNotFound => "API_KEY_NOT_FOUND",
            Self::ApiKeyNotValid => "API_KEY_NOT_VALID",
            Self::ScopeNotHeld(_) => "SCOPE_NOT_HELD",
            Self::ChatbotNotFound => "CHATBOT_NOT_FOUND",
            Self::ChatbotIdTaken => "CHATBOT_ID_TAKEN",
            Self::PromptNotFound => "PROMPT_NOT_FOUND",
            Self::PromptLimitReached => "PROMPT_LIMIT_REACHED",
            Self::HumanSupportSettingsNotFound => "HUMAN_SUPPORT_SETTINGS_NOT_FOUND",
            Self::HumanSupportSettingsExist => "HUMAN_SUPPORT_SETTINGS_EXIST",
            Self::Retry(error) => error.reason(),
            Self::Storage(error) => fault::database_reason(error),
        }
    }

    fn violations(&self) -> Vec<Violation> {
        match self {
            Self::Invalid(violation) => vec![violation.clone()],
            Self::Retry(error) => error.violations(),
            _ => Vec::new(),
        }
    }
}

impl From<Violation> for SettingsError {
    fn from(violation: Violation) -> Self {
        Self::Invalid(violation)
    }
}

/// What the database refused has a name here when a rule of ours stands behind the refusal.
impl From<sqlx::Error> for SettingsError {
    fn from(error: sqlx::Error) -> Self {
        match fault::violated_constraint(&error) {
            Some("organizations_subdomain") => Self::SubdomainTaken,
            Some("api_keys_organization" | "company_secrets_organization" | "chatbots_organization") => {
                Self::OrganizationNotFound
            }
            Some("human_support_settings_one") => Self::HumanSupportSettingsExist,
            _ => Self::Storage(error),
        }
    }
}

impl From<SettingsError> for tonic::Status {
    fn from(error: SettingsError) -> Self {
        fault::status(&error)
    }
}
