//! Everything that can go wrong in this context.

use platform::batch::Failure;
use platform::fault::{self, Fault, Kind, Violation};
use platform::idempotency;
use uuid::Uuid;

/// Why a call to the conversation context failed. Each reason is contract.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConversationError {
    /// A field of the request is wrong.
    #[error("{} {}", .0.field, .0.description)]
    Invalid(Violation),
    /// The organization has no such conversation.
    #[error("there is no such conversation")]
    ConversationNotFound,
    /// The conversation has no such message.
    #[error("there is no such message")]
    MessageNotFound,
    /// The organization has no such agent.
    #[error("there is no such agent")]
    AgentNotFound,
    /// The organization has no such person.
    #[error("there is no such user")]
    UserNotFound,
    /// The person is no agent, and only an agent may do this.
    #[error("the user is not an agent")]
    UserNotAgent,
    /// The organization has no such end user.
    #[error("there is no such end user")]
    EndUserNotFound,
    /// The organization has no such queue, or no queue at all.
    #[error("there is no such queue")]
    QueueNotFound,
    /// The conversation waits in no queue.
    #[error("the conversation is not queued")]
    NotQueued,
    /// The organization has no such team.
    #[error("there is no such team")]
    TeamNotFound,
    /// The organization has no such tag.
    #[error("there is no such tag")]
    TagNotFound,
    /// An inactive tag can't be added.
    #[error("the tag is not active")]
    TagInactive,
    /// The organization has no such custom attribute for this kind of entity.
    #[error("there is no such custom attribute")]
    AttributeNotFound,
    /// A deactivated custom attribute can't be set.
    #[error("the custom attribute is deactivated")]
    AttributeDeactivated,
    /// The value does not fit the definition of its custom attribute.
    #[error("{} {}", .0.field, .0.description)]
    AttributeValueInvalid(Violation),
    /// The organization has a custom attribute of this identifier for this kind of entity.
    #[error("the identifier is taken")]
    AttributeIdentifierTaken,
    /// The organization has no such contact endpoint.
    #[error("there is no such contact endpoint")]
    ContactEndpointNotFound,
    /// The organization has this contact endpoint.
    #[error("the contact endpoint exists already")]
    ContactEndpointExists,
    /// Somebody else of the same kind has the e-mail address, the phone number or the external id.
    #[error("another person has the same {0}")]
    PersonExists(&'static str),
    /// A conversation or message of the organization has this external id.
    #[error("the external id is taken")]
    DuplicateExternalId,
    /// The same where the caller is a connector that may just have been faster.
    #[error("the external id is taken")]
    ExternalIdTaken,
    /// The channel can't carry this.
    #[error("the channel does not support this")]
    UnsupportedChannel,
    /// Another agent holds the conversation.
    #[error("the conversation is assigned to {0}")]
    AssignedToAnother(Uuid),
    /// A closed conversation has to be reopened first.
    #[error("the conversation is closed")]
    ConversationClosed,
    /// Without force only what is closed is anonymized.
    #[error("the conversation is not closed")]
    ConversationNotClosed,
    /// The organization has no such request to anonymize.
    #[error("there is no such anonymization request")]
    AnonymizationRequestNotFound,
    /// Anonymized content can't be changed.
    #[error("it is anonymized already")]
    AlreadyAnonymized,
    /// The two conversations can't be linked.
    #[error("{0}")]
    LinkRefused(&'static str),
    /// The request can't be told from an earlier one.
    #[error(transparent)]
    Retry(#[from] idempotency::Error),
    /// What was done together with others came to nothing.
    #[error(transparent)]
    Batch(#[from] Failure),
    /// The database failed.
    #[error("the database failed")]
    Storage(#[source] sqlx::Error),
}

impl ConversationError {
    /// A request with one wrong field.
    pub(crate) fn invalid(field: impl Into<String>, description: impl Into<String>) -> Self {
        Self::Invalid(Violation::new(field, description))
    }
}

impl Fault for ConversationError {
    const DOMAIN: &'static str = "conversation";

    fn kind(&self) -> Kind {
        match self {
            Self::Invalid(_)
            | Self::UserNotAgent
            | Self::TagInactive
            | Self::AttributeDeactivated
            | Self::AttributeValueInvalid(_)
            | Self::DuplicateExternalId
            | Self::UnsupportedChannel
            | Self::ConversationClosed
            | Self::LinkRefused(_) => Kind::Invalid,
            Self::ConversationNotFound
            | Self::MessageNotFound
            | Self::AnonymizationRequestNotFound
            | Self::AgentNotFound
            | Self::UserNotFound
            | Self::EndUserNotFound
            | Self::QueueNotFound
            | Self::NotQueued
            | Self::TeamNotFound
            | Self::TagNotFound
            | Self::AttributeNotFound
            | Self::ContactEndpointNotFound => Kind::NotFound,
            Self::AttributeIdentifierTaken
            | Self::ContactEndpointExists
            | Self::PersonExists(_)
            | Self::ExternalIdTaken
            | Self::AssignedToAnother(_)
            | Self::ConversationNotClosed
            | Self::AlreadyAnonymized => Kind::Conflict,
            Self::Retry(error) => error.kind(),
            Self::Batch(failure) => failure.kind(),
            Self::Storage(error) => fault::database_kind(error),
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "REQUEST_VALIDATION_FAILED",
            Self::ConversationNotFound => "CONVERSATION_NOT_FOUND",
            Self::MessageNotFound => "MESSAGE_NOT_FOUND",
            Self::AgentNotFound => "AGENT_NOT_FOUND",
            Self::UserNotFound => "USER_NOT_FOUND",
            Self::UserNotAgent => "USER_NOT_AGENT",
            Self::EndUserNotFound => "END_USER_NOT_FOUND",
            Self::QueueNotFound => "QUEUE_NOT_FOUND",
            Self::NotQueued => "NOT_QUEUED",
            Self::TeamNotFound => "TEAM_NOT_FOUND",
            Self::TagNotFound => "TAG_NOT_FOUND",
            Self::TagInactive => "TAG_INACTIVE",
            Self::AttributeNotFound => "ATTRIBUTE_NOT_FOUND",
            Self::AttributeDeactivated => "ATTRIBUTE_DEACTIVATED",
            Self::AttributeValueInvalid(_) => "ATTRIBUTE_VALUE_INVALID",
            Self::AttributeIdentifierTaken => "ATTRIBUTE_IDENTIFIER_TAKEN",
            Self::ContactEndpointNotFound => "CONTACT_ENDPOINT_NOT_FOUND",
            Self::ContactEndpointExists => "CONTACT_ENDPOINT_EXISTS",
            Self::PersonExists(_) => "PERSON_EXISTS",
            Self::DuplicateExternalId | Self::ExternalIdTaken => "DUPLICATE_EXTERNAL_ID",
            Self::UnsupportedChannel => "UNSUPPORTED_CHANNEL",
            Self::AssignedToAnother(_) => "ASSIGNED_TO_ANOTHER",
            Self::ConversationClosed => "CONVERSATION_CLOSED",
            Self::ConversationNotClosed => "CONVERSATION_NOT_CLOSED",
            Self::AnonymizationRequestNotFound => "ANONYMIZATION_REQUEST_NOT_FOUND",
            Self::AlreadyAnonymized => "ALREADY_ANONYMIZED",
            Self::LinkRefused(_) => "LINK_REFUSED",
            Self::Retry(error) => error.reason(),
            Self::Batch(failure) => failure.reason(),
            Self::Storage(error) => fault::database_reason(error),
        }
    }

    fn violations(&self) -> Vec<Violation> {
        match self {
            Self::Invalid(violation) | Self::AttributeValueInvalid(violation) => vec![violation.clone()],
            Self::DuplicateExternalId | Self::ExternalIdTaken => vec![Violation::new("external_id", "is taken")],
            Self::Retry(error) => error.violations(),
            _ => Vec::new(),
        }
    }
}

impl From<Violation> for ConversationError {
    fn from(violation: Violation) -> Self {
        Self::Invalid(violation)
    }
}

/// What the database refused has a name here when a rule of ours stands behind the refusal.
impl From<sqlx::Error> for ConversationError {
    fn from(error: sqlx::Error) -> Self {
        match fault::violated_constraint(&error) {
            Some("people_agent_email" | "people_end_user_email") => Self::PersonExists("e-mail address"),
            Some("people_agent_phone" | "people_end_user_phone") => Self::PersonExists("phone number"),
            Some("people_external_id") => Self::PersonExists("external id"),
            Some("custom_attributes_identifier") => Self::AttributeIdentifierTaken,
            Some("contact_endpoints_pkey") => Self::ContactEndpointExists,
            Some("messages_external_id") => Self::DuplicateExternalId,
            _ => Self::Storage(error),
        }
    }
}

impl From<ConversationError> for tonic::Status {
    fn from(error: ConversationError) -> Self {
        fault::status(&error)
    }
}
