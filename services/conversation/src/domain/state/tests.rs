use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn agent(n: u128) -> Party {
    Party {
        id: Uuid::from_u128(n),
        name: Some(format!("name {n}")),
        email: None,
        phone: None,
    }
}

fn named(n: u128) -> Named {
    Named {
        id: Uuid::from_u128(n),
        name: Some(format!("name {n}")),
    }
}

fn queue() -> Named {
    named(100)
}

fn said(direction: Direction) -> Said {
    Said {
        id: Uuid::from_u128(7),
        author: Uuid::from_u128(8),
        direction,
        from_endpoint: None,
        data: Members::of(&json!({ "text": "hello" })),
    }
}

fn open() -> Standing {
    create(Direction::Inbound, Some("s"), Some(queue()), None, Vec::new()).standing
}

fn kinds(outcome: &Outcome) -> Vec<&'static str> {
    outcome.entries.iter().map(|entry| entry.kind).collect()
}

fn in_an_hour() -> Time {
    platform::time::now() + Duration::from_hours(1)
}

#[test]
fn a_conversation_begins_open_in_its_queue() {
    let outcome = create(
        Direction::Inbound,
        Some("s"),
        Some(queue()),
        None,
        vec![said(Direction::Inbound)],
    );
    assert_eq!(
        kinds(&outcome),
        ["ConversationCreatedByCustomer", "MessageAddedByCustomer"]
    );
    assert_eq!(outcome.entries[0].attributes, Some(json!({ "subject": "s" })));
    assert_eq!(outcome.entries[1].author, Some(Uuid::from_u128(8)));
    assert!(outcome.enqueued && outcome.standing.state == State::Open);
}

#[test]
fn an_outbound_conversation_is_assigned_to_its_agent() {
    let outcome = create(
        Direction::Outbound,
        None,
        None,
        Some(agent(1)),
        vec![said(Direction::Outbound)],
    );
    assert_eq!(
        kinds(&outcome),
        [
            "ConversationCreatedByAgent",
            "MessageAddedByAgent",
            "ConversationAssigned"
        ]
    );
    let attributes = json!({ "agentId": agent(1).id, "agentName": "name 1" });
    assert_eq!(outcome.entries[2].attributes, Some(attributes));
}

#[test]
fn a_claim_says_where_it_was_claimed_from() {
    let first = claim(&open(), agent(1), false).unwrap();
    assert_eq!(kinds(&first), ["ConversationClaimed"]);
    let from = json!({ "claimedFromType": "Queue", "claimedFromLabel": "name 100" });
    assert_eq!(first.entries[0].attributes, Some(from));
    let robbed = claim(&first.standing, agent(2), true).unwrap();
    assert_eq!(kinds(&robbed), ["ConversationUnassigned", "ConversationClaimed"]);
    let from = json!({ "claimedFromType": "Agent", "claimedFromLabel": "name 1" });
    assert_eq!(robbed.entries[1].attributes, Some(from));
}

#[test]
fn without_force_nobody_is_robbed() {
    let owned = claim(&open(), agent(1), false).unwrap().standing;
    let refused = claim(&owned, agent(2), false).unwrap_err();
    assert!(matches!(refused, ConversationError::AssignedToAnother(id) if id == agent(1).id));
    assert!(claim(&owned, agent(1), false).unwrap().is_noop());
}

#[test]
fn a_closed_conversation_has_to_be_reopened_before_anything_else() {
    let closed = close(&open()).standing;
    for refused in [
        claim(&closed, agent(1), true),
        transfer(&closed, named(2)),
        follow_up(&closed, in_an_hour()),
    ] {
        assert!(matches!(refused, Err(ConversationError::ConversationClosed)));
    }
    assert_eq!(
        kinds(&reopen(&closed, None)),
        ["ConversationReopened", "ConversationOffered"]
    );
}

#[test]
fn a_conversation_without_a_queue_is_reopened_into_the_default_one() {
    let closed = close(&create(Direction::Outbound, None, None, Some(agent(1)), Vec::new()).standing).standing;
    let outcome = reopen(&closed, Some(queue()));
    assert_eq!(outcome.standing.queue, Some(queue()));
    assert_eq!(outcome.standing.agent, None);
    assert!(outcome.enqueued);
}

#[test]
fn what_the_end_user_writes_wakes_a_conversation() {
    let closed = close(&open()).standing;
    let woken = message(&closed, said(Direction::Inbound), None);
    assert_eq!(
        kinds(&woken),
        ["MessageAddedByCustomer", "ConversationReopened", "ConversationOffered"]
    );
    let pending = follow_up(&open(), in_an_hour()).unwrap().standing;
    let woken = message(&pending, said(Direction::Inbound), None);
    assert_eq!(kinds(&woken), ["MessageAddedByCustomer", "FollowupRemoved"]);
    assert_eq!(woken.standing.state, State::Open);
}

#[test]
fn what_an_agent_writes_wakes_nothing() {
    let closed = close(&open()).standing;
    assert_eq!(message(&closed, said(Direction::Outbound), None).standing, closed);
}

#[test]
fn a_transfer_takes_the_conversation_from_its_agent() {
    let owned = claim(&open(), agent(1), false).unwrap().standing;
    let outcome = transfer(&owned, named(101)).unwrap();
    assert_eq!(
        kinds(&outcome),
        ["TransferInitiated", "ConversationUnassigned", "TransferSuccessful"]
    );
    let attributes = json!({
        "transferType": "Queue", "destinationType": "Queue", "destinationId": named(101).id,
        "destinationLabel": "name 101",
    });
    assert_eq!(outcome.entries[2].attributes, Some(attributes));
    assert!(transfer(&outcome.standing, named(101)).unwrap().is_noop());
}

#[test]
fn attributes_and_links_and_tags_are_logged_with_what_changed() {
    let (set, cleared) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let outcome = attributes(&open(), &[(set, json!("v")), (cleared, Value::Null)]);
    let expected = json!({ "updatedAttributeIds": [set, cleared], "updatedAttributeValues": { set.to_string(): "v" } });
    assert_eq!(outcome.entries[0].attributes, Some(expected));
    assert!(attributes(&open(), &[]).is_noop());
    let linked = link(&open(), 2, 1, "Related", true);
    let expected = json!({ "child": 2, "parent": 1, "linkType": "Related" });
    assert_eq!(linked.entries[0].attributes, Some(expected));
    let tagged = tags(&open(), &[named(3)], true);
    assert_eq!(tagged.entries[0].attributes, Some(json!({ "tag": "name 3" })));
}

/// Something that can happen to a conversation.
#[derive(Clone, Debug)]
enum Action {
    Inbound,
    Outbound,
    Claim(u128, bool),
    Close,
    Reopen,
    Transfer(u128),
    FollowUp(i64),
    Expire,
    Unassign,
}

fn actions() -> impl Strategy<Value = Vec<Action>> {
    let action = prop_oneof![
        Just(Action::Inbound),
        Just(Action::Outbound),
        (1..4u128, any::<bool>()).prop_map(|(agent, force)| Action::Claim(agent, force)),
        Just(Action::Close),
        Just(Action::Reopen),
        (100..103u128).prop_map(Action::Transfer),
        (1..4i64).prop_map(Action::FollowUp),
        Just(Action::Expire),
        Just(Action::Unassign),
    ];
    prop::collection::vec(action, 0..40)
}

fn act(standing: &Standing, action: &Action) -> Result<Outcome, ConversationError> {
    let later = |hours| {
        platform::time::from_proto(prost_types::Timestamp {
            seconds: hours * 3600,
            nanos: 0,
        })
        .unwrap()
    };
    match action {
        Action::Inbound => Ok(message(standing, said(Direction::Inbound), Some(queue()))),
        Action::Outbound => Ok(message(standing, said(Direction::Outbound), Some(queue()))),
        Action::Claim(by, force) => claim(standing, agent(*by), *force),
        Action::Close => Ok(close(standing)),
        Action::Reopen => Ok(reopen(standing, Some(queue()))),
        Action::Transfer(to) => transfer(standing, named(*to)),
        Action::FollowUp(hours) => follow_up(standing, later(*hours)),
        Action::Expire => Ok(expire(standing)),
        Action::Unassign => Ok(unassign(standing)),
    }
}

proptest! {
    /// Whoever reads only the log knows who has the conversation, whether it is over and whether it waits.
    #[test]
    fn the_log_tells_the_standing(actions in actions()) {
        let created = create(Direction::Inbound, None, Some(queue()), None, Vec::new());
        let mut standing = created.standing;
        let (mut assigned, mut closed, mut waits) = (false, false, false);
        for action in actions {
            let Ok(outcome) = act(&standing, &action) else { continue };
            for entry in &outcome.entries {
                match entry.kind {
                    "ConversationClaimed" | "ConversationAssigned" => {
                        prop_assert!(!assigned, "two agents at once");
                        assigned = true;
                    }
                    "ConversationUnassigned" => {
                        prop_assert!(assigned, "nobody to take it from");
                        assigned = false;
                    }
                    "ConversationClosed" => {
                        prop_assert!(!closed, "closed twice");
                        closed = true;
                    }
                    "ConversationReopened" => closed = false,
                    "FollowupAdded" => waits = true,
                    "FollowupRemoved" | "FollowupExpired" => waits = false,
                    _ => {}
                }
            }
            standing = outcome.standing;
            prop_assert_eq!(assigned, standing.agent.is_some());
            prop_assert_eq!(closed, standing.state == State::Closed);
            prop_assert_eq!(waits, standing.follow_up_at.is_some());
            prop_assert_eq!(waits, standing.state == State::Pending);
        }
    }

    /// A step that says nothing changed nothing, and saying a thing twice changes nothing the second time.
    #[test]
    fn steps_are_silent_when_nothing_changes(actions in actions(), last in actions()) {
        let mut standing = open();
        for action in actions.iter().chain(last.first()) {
            if let Ok(outcome) = act(&standing, action) {
                prop_assert!(!outcome.is_noop() || outcome.standing == standing);
                standing = outcome.standing;
                if !matches!(action, Action::Inbound | Action::Outbound) {
                    let again = act(&standing, action).unwrap();
                    prop_assert!(again.is_noop(), "{action:?} twice: {again:?}");
                }
            }
        }
    }
}
