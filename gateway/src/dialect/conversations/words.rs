//! The closed sets of words of this dialect.

use proto::conversation::v1 as pb;

use crate::words::words;

words! {
    /// The way a conversation goes.
    Channel = pb::Channel {
        "WhatsApp" = WhatsApp is WhatsApp,
        "Voicemail" = Voicemail is Voicemail,
        "WidgetChat" = WidgetChat is WidgetChat,
        "FacebookMessenger" = FacebookMessenger is FacebookMessenger,
        "Twitter" = Twitter is Twitter,
        "Email" = Email is Email,
        "ContactForm" = ContactForm is ContactForm,
        "Callback" = Callback is Callback,
        "PstnPhone" = PstnPhone is PstnPhone,
        "Sms" = Sms is Sms,
        "Messenger" = Messenger is Messenger,
    }
}

words! {
    /// A channel that flows have.
    FlowChannel = pb::Channel {
        "WhatsApp" = WhatsApp is WhatsApp,
        "Voicemail" = Voicemail is Voicemail,
        "WidgetChat" = WidgetChat is WidgetChat,
        "FacebookMessenger" = FacebookMessenger is FacebookMessenger,
        "Email" = Email is Email,
        "ContactForm" = ContactForm is ContactForm,
        "Callback" = Callback is Callback,
        "PstnPhone" = PstnPhone is PstnPhone,
        "Messenger" = Messenger is Messenger,
    }
}

words! {
    /// Who began, or who wrote: the end user, the support team, or the system.
    Direction = pb::Direction {
        "Inbound" = Inbound is Inbound,
        "Outbound" = Outbound is Outbound,
        "Internal" = Internal is Internal,
    }
}

words! {
    /// Who begins a new conversation.
    NewDirection = pb::Direction {
        "Inbound" = Inbound is Inbound,
        "Outbound" = Outbound is Outbound,
    }
}

words! {
    /// Where a conversation stands.
    State = pb::ConversationState {
        "AwaitingPending" = AwaitingPending is AwaitingPending,
        "Closed" = Closed is Closed,
        "Open" = Open is Open,
        "Pending" = Pending is Pending,
    }
}

words! {
    /// What a conversation is; an anonymized one has its own word beside these.
    ConversationKind = pb::ConversationType {
        "ChatConversation" = Chat is Chat,
        "ContactFormConversation" = ContactForm is ContactForm,
        "EmailConversation" = Email is Email,
        "FacebookMessengerConversation" = FacebookMessenger is FacebookMessenger,
        "GenericConversation" = Generic is Generic,
        "MessengerConversation" = Messenger is Messenger,
        "PstnPhoneConversation" = PstnPhone is PstnPhone,
        "SmsConversation" = Sms is Sms,
        "TwitterConversation" = Twitter is Twitter,
        "WhatsAppConversation" = WhatsApp is WhatsApp,
    }
}

words! {
    /// What a new conversation is.
    CreateKind = pb::CreateKind {
        "Callback" = Callback is Callback,
        "Chat" = Chat is Chat,
        "ContactForm" = ContactForm is ContactForm,
        "Email" = Email is Email,
        "Sms" = Sms is Sms,
    }
}

words! {
    /// How a conversation belongs to its parent. One that was linked as related is shown as a follow-up, since the source
    /// has no word for it.
    LinkKind = pb::LinkKind {
        "EmailForward" = EmailForward is EmailForward,
        "FollowUp" = FollowUp is FollowUp,
        "SideConversation" = SideConversation is SideConversation,
    }
}

words! {
    /// How a conversation is to belong to its parent.
    NewLinkKind = pb::LinkKind {
        "Related" = Related is Related,
        "SideConversation" = SideConversation is SideConversation,
    }
}

words! {
    /// How a content is to be read.
    ContentKind = pb::ContentType {
        "Html" = Html is Html,
        "Text" = Text is Text,
    }
}

words! {
    /// What an agent may do besides answering.
    AgentRole = pb::AgentRole {
        "Agent" = Agent is Agent,
        "SystemAdmin" = SystemAdmin is SystemAdmin,
        "TeamLead" = TeamLead is TeamLead,
        "Admin" = Admin is Admin,
    }
}

words! {
    /// What a custom attribute is of.
    AttributeEntity = pb::AttributeEntity {
        "Contact" = Contact is Contact,
        "Conversation" = Conversation is Conversation,
    }
}

words! {
    /// The kind of a contact endpoint.
    ContactEndpointKind = pb::ContactEndpointKind {
        "EmailEndpoint" = Email is Email,
        "TelephonyEndpoint" = Telephony is Telephony,
    }
}

words! {
    /// What a number can do.
    TelephonyFunction = pb::TelephonyFunction {
        "Sms" = Sms is Sms,
        "VoiceInbound" = VoiceInbound is VoiceInbound,
        "VoiceOutbound" = VoiceOutbound is VoiceOutbound,
    }
}

words! {
    /// What is anonymized.
    AnonymizationTarget = pb::AnonymizationTarget {
        "Conversation" = Conversation is Conversation,
        "Message" = Message is Message,
        "User" = User is User,
    }
}

words! {
    /// Why one entry of a bulk request failed.
    BulkErrorKind = pb::FailureKind {
        "EmptyPatchSet" = EmptyPatchSet is EmptyPatch,
        "Integrity" = Integrity is Integrity,
        "NotFound" = NotFound is NotFound,
        "Validation" = Validation is Validation,
    }
}
