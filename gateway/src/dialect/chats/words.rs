//! The closed sets of words of this dialect.

use proto::conversation::v1 as pb;

use crate::words::words;

words! {
    /// How a chat stands.
    ChatStatus = pb::ChatStatus {
        "queued" = Queued is Queued,
        "assigned" = Assigned is Assigned,
        "va_assigned" = VaAssigned is VaAssigned,
        "dismissed" = Dismissed is Dismissed,
        "va_dismissed" = VaDismissed is VaDismissed,
        "finished" = Finished is Finished,
        "canceled" = Canceled is Canceled,
        "no_response" = NoResponse is NoResponse,
    }
}

words! {
    /// What a chat can be made.
    NewChatStatus = pb::ChatStatus {
        "finished" = Finished is Finished,
    }
}

words! {
    /// Whether somebody is in the chat: not yet, now, or no more.
    ParticipantStatus = pb::ParticipantStatus {
        "waiting" = Waiting is Waiting,
        "connected" = Connected is Connected,
        "finished" = Finished is Finished,
    }
}

words! {
    /// Whether an agent is there.
    AgentAvailability = pb::AgentAvailability {
        "available" = Available is Available,
        "away" = Away is Away,
        "offline" = Offline is Offline,
    }
}

words! {
    /// What became of an escalation.
    ChatEscalationStatus = pb::EscalationStatus {
        "escalating" = Escalating is Escalating,
        "escalated" = Escalated is Escalated,
        "canceled" = Canceled is Canceled,
        "deflecting" = Deflecting is Deflecting,
        "deflected" = Deflected is Deflected,
    }
}

words! {
    /// Why a chat is escalated.
    EscalationReason = pb::EscalationReason {
        "unknown" = Unknown is Unknown,
        "by_end_user_ask" = ByEndUserAsk is ByEndUserAsk,
        "by_end_user_message" = ByEndUserMessage is ByEndUserMessage,
        "by_virtual_agent" = ByVirtualAgent is ByVirtualAgent,
        "payload_failure" = PayloadFailure is PayloadFailure,
        "could_not_resume" = CouldNotResume is CouldNotResume,
        "by_human_agent" = ByHumanAgent is ByHumanAgent,
        "invalid_queue" = InvalidQueue is InvalidQueue,
        "dismissed" = Dismissed is Dismissed,
    }
}

words! {
    /// What an end user chooses in place of waiting for a person, or after all.
    DeflectionChannel = pb::DeflectionChannel {
        "email" = Email is Email,
        "external_link" = ExternalLink is ExternalLink,
        "human_agent" = HumanAgent is HumanAgent,
        "virtual_agent" = VirtualAgent is VirtualAgent,
    }
}
