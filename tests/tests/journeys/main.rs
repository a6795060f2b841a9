//! What people do with the system, over REST and gRPC mixed. Each journey is made through one process and through
//! separate processes, which nobody outside can tell apart.

#![expect(clippy::unwrap_used, reason = "journeys panic as tests do")]

mod chatbots;
mod chats;
mod conversation;
mod conversations;
mod escalation;
mod keys;
mod retries;
mod strangers;

/// A test for each shape of the system.
macro_rules! journeys {
    ($($subject:ident::$journey:ident,)+) => {
        mod one_process {
            use journeys::{Shape, System};
            $(#[tokio::test]
            async fn $journey() {
                crate::$subject::$journey(System::start(Shape::OneProcess).await).await;
            })+
        }

        mod separate_processes {
            use journeys::{Shape, System};
            $(#[tokio::test]
            async fn $journey() {
                crate::$subject::$journey(System::start(Shape::SeparateProcesses).await).await;
            })+
        }
    };
}

journeys! {
    chatbots::what_is_configured_is_what_visitors_get,
    chats::a_chat_goes_from_the_virtual_agent_to_people_and_is_opened_again,
    chats::what_agents_do_with_a_conversation_its_chat_shows,
    chats::a_queue_that_has_no_room_deflects_until_somebody_would_rather_wait,
    conversation::a_conversation_reads_the_same_on_both_surfaces,
    conversations::a_conversation_goes_from_hand_to_hand_until_it_is_found_again,
    conversations::another_organization_sees_nothing_of_a_conversation,
    escalation::people_hear_of_an_escalation_everywhere_and_see_it_through,
    escalation::every_route_takes_the_same_step,
    keys::a_revoked_key_is_refused_everywhere_within_five_seconds,
    retries::one_key_sent_a_hundred_times_at_once_escalates_once,
    strangers::another_organization_sees_nothing,
}
