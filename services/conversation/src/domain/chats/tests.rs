use platform::time::Time;
use proptest::prelude::*;

use super::escalation::{Channel, Deflection, begin, choose, offered};
use super::*;
use crate::domain::conversation::Party;
use crate::domain::state::{self, Direction, Named, Said};

const BOT: u128 = 1;
const PEOPLE: [u128; 2] = [2, 3];

fn agent(n: u128) -> Party {
    Party {
        id: Uuid::from_u128(n),
        name: None,
        email: None,
        phone: None,
    }
}

fn named(n: u128) -> Named {
    Named {
        id: Uuid::from_u128(n),
        name: None,
    }
}

fn standing(state: State, agent: Option<u128>) -> Standing {
    Standing {
        state,
        agent: agent.map(self::agent),
        queue: Some(named(100)),
        follow_up_at: None,
    }
}

fn session() -> Session {
    Session {
        ended: None,
        end_user_wrote: true,
        taken: false,
    }
}

fn is_bot(standing: &Standing) -> bool {
    standing
        .agent
        .as_ref()
        .is_some_and(|agent| agent.id == Uuid::from_u128(BOT))
}

fn step(session: Session, before: &Standing, after: &Standing, spoken: &[Spoken]) -> Consequences {
    let step = Step {
        before,
        after,
        is_virtual: is_bot(after),
        spoken,
        ending: None,
    };
    follow(session, &step)
}

fn says(author: u128, inbound: bool) -> Spoken {
    Spoken {
        author: Uuid::from_u128(author),
        inbound,
    }
}

#[test]
fn each_standing_has_its_status() {
    let cases = [
        (State::Open, Holder::Nobody, None, "queued"),
        (State::Open, Holder::Person, None, "assigned"),
        (State::Open, Holder::VirtualAgent, None, "va_assigned"),
        (State::Pending, Holder::Nobody, None, "dismissed"),
        (State::Pending, Holder::Person, None, "dismissed"),
        (State::Pending, Holder::VirtualAgent, None, "va_dismissed"),
        (State::Closed, Holder::Person, None, "finished"),
        (State::Closed, Holder::Nobody, Some(Ended::Finished), "finished"),
        (State::Closed, Holder::Nobody, Some(Ended::Canceled), "canceled"),
        (
            State::Closed,
            Holder::VirtualAgent,
            Some(Ended::NoResponse),
            "no_response",
        ),
        // What was said of an earlier end does not count any more.
        (State::Open, Holder::Nobody, Some(Ended::Canceled), "queued"),
    ];
    for (state, holder, ended, word) in cases {
        assert_eq!(Status::of(state, holder, ended).as_str(), word);
    }
}

#[test]
fn a_virtual_agent_waits_until_it_speaks_and_a_person_does_not() {
    let queued = standing(State::Open, None);
    let person = step(session(), &queued, &standing(State::Open, Some(PEOPLE[0])), &[]);
    assert_eq!(
        person.participants,
        [(Uuid::from_u128(PEOPLE[0]), Participation::Connected)]
    );
    let bot = standing(State::Open, Some(BOT));
    let waiting = step(session(), &queued, &bot, &[]);
    assert_eq!(waiting.participants, [(Uuid::from_u128(BOT), Participation::Waiting)]);
    let speaking = step(session(), &bot, &bot, &[says(BOT, false)]);
    assert_eq!(
        speaking.participants,
        [(Uuid::from_u128(BOT), Participation::Connected)]
    );
}

#[test]
fn who_closes_an_untaken_chat_cancels_it_and_who_ends_it_says_how() {
    let (queued, closed) = (standing(State::Open, None), standing(State::Closed, None));
    assert_eq!(step(session(), &queued, &closed, &[]).ended, Some(Ended::Canceled));
    let taken = Session {
        taken: true,
        ..session()
    };
    assert_eq!(step(taken, &queued, &closed, &[]).ended, Some(Ended::Finished));
    let asked = Step {
        before: &queued,
        after: &closed,
        is_virtual: false,
        spoken: &[],
        ending: Some(Ended::NoResponse),
    };
    assert_eq!(follow(session(), &asked).ended, Some(Ended::NoResponse));
}

#[test]
fn the_clock_starts_with_an_answer_and_stops_with_the_next_word() {
    let taken = standing(State::Open, Some(PEOPLE[0]));
    let silent = Session {
        end_user_wrote: false,
        ..session()
    };
    let answer = [says(PEOPLE[0], false)];
    assert_eq!(step(session(), &taken, &taken, &answer).idle, Clock::Start);
    assert_eq!(step(silent, &taken, &taken, &answer).idle, Clock::Keep);
    assert_eq!(step(session(), &taken, &taken, &[says(9, true)]).idle, Clock::Stop);
    assert_eq!(step(session(), &taken, &taken, &[]).idle, Clock::Keep);
    let bot = standing(State::Open, Some(BOT));
    assert_eq!(step(silent, &bot, &bot, &[says(BOT, false)]).idle, Clock::Start);
    let pending = standing(State::Pending, Some(PEOPLE[0]));
    let dismissed = step(session(), &taken, &pending, &[]);
    assert_eq!((dismissed.idle, dismissed.dismissed), (Clock::Stop, Clock::Start));
    assert_eq!(step(session(), &pending, &pending, &[]).dismissed, Clock::Keep);
    let put_off = Standing {
        follow_up_at: Some(Time::UNIX_EPOCH),
        ..pending.clone()
    };
    assert_eq!(step(session(), &taken, &put_off, &[]).dismissed, Clock::Stop);
    assert_eq!(step(session(), &put_off, &pending, &[]).dismissed, Clock::Start);
}

#[test]
fn an_escalation_begins_where_the_queue_lets_it() {
    use escalation::Status::{Deflecting, Escalated, Escalating};
    let (full, after) = (Deflection::OverCapacity, Deflection::AfterHours);
    for holder in [Holder::Nobody, Holder::VirtualAgent] {
        assert_eq!(begin(holder, true, false, false), (Escalating, None));
        assert_eq!(begin(holder, true, true, false), (Deflecting, Some(full)));
        assert_eq!(begin(holder, false, true, false), (Deflecting, Some(after)));
        assert_eq!(begin(holder, false, true, true), (Escalating, None));
    }
    assert_eq!(begin(Holder::Person, false, true, false), (Escalated, None));
}

fn holders() -> impl Strategy<Value = Holder> {
    prop_oneof![Just(Holder::Nobody), Just(Holder::Person), Just(Holder::VirtualAgent)]
}

fn channels() -> impl Strategy<Value = Channel> {
    prop_oneof![
        Just(Channel::Email),
        Just(Channel::ExternalLink),
        Just(Channel::HumanAgent),
        Just(Channel::VirtualAgent)
    ]
}

fn statuses() -> impl Strategy<Value = escalation::Status> {
    use escalation::Status::{Canceled, Deflected, Deflecting, Escalated, Escalating};
    prop_oneof![
        Just(Escalating),
        Just(Escalated),
        Just(Canceled),
        Just(Deflecting),
        Just(Deflected)
    ]
}

fn deflections() -> impl Strategy<Value = Deflection> {
    prop_oneof![Just(Deflection::OverCapacity), Just(Deflection::AfterHours)]
}

proptest! {
    #[test]
    fn only_what_is_offered_can_be_chosen_and_only_while_deflecting(
        status in statuses(),
        deflection in deflections(),
        holder in holders(),
        channel in channels(),
    ) {
        let chosen = choose(status, Some(deflection), None, holder, channel);
        let can = status == escalation::Status::Deflecting && offered(deflection, holder).contains(&channel);
        prop_assert_eq!(chosen.is_ok(), can);
        if let Ok(next) = chosen {
            prop_assert_eq!(next.is_open(), channel == Channel::HumanAgent);
            prop_assert_eq!(choose(next, Some(deflection), Some(channel), holder, channel).unwrap(), next);
        }
        prop_assert!(!offered(Deflection::AfterHours, holder).contains(&Channel::HumanAgent));
    }

    #[test]
    fn whatever_happens_at_most_the_holder_is_at_work(steps in prop::collection::vec(0..9u8, 1..40)) {
        let mut now = standing(State::Open, Some(BOT));
        let mut session = session();
        let mut at_work = vec![Uuid::from_u128(BOT)];
        let mut idle = false;
        for step_number in steps {
            let said = |direction| Said {
                id: Uuid::nil(),
                author: now.agent.as_ref().map_or(Uuid::nil(), |agent| agent.id),
                direction,
                from_endpoint: None,
                data: state::Members::default(),
            };
            let mut spoken = Vec::new();
            let outcome = match step_number {
                0 | 1 => state::claim(&now, agent(PEOPLE[usize::from(step_number)]), true).ok(),
                2 => Some(state::close(&now)),
                3 => Some(state::reopen(&now, None)),
                4 => state::chats::escalate(&now, None).ok(),
                5 => Some(state::chats::dismiss(&now)),
                6 => state::chats::resume(&now, is_bot(&now), None).ok(),
                7 => {
                    spoken.push(says(9, true));
                    Some(state::message(&now, said(Direction::Inbound), None))
                }
                _ => now.agent.clone().map(|agent| {
                    spoken.push(Spoken { author: agent.id, inbound: false });
                    state::message(&now, said(Direction::Outbound), None)
                }),
            };
            let Some(outcome) = outcome else { continue };
            let after = outcome.standing;
            let what = step(session, &now, &after, &spoken);
            for (person, participation) in &what.participants {
                at_work.retain(|other| other != person);
                if *participation != Participation::Finished {
                    at_work.push(*person);
                }
            }
            match what.idle {
                Clock::Keep => {}
                clock => idle = clock == Clock::Start,
            }
            let holds = after.agent.as_ref().filter(|_| after.state != State::Closed);
            prop_assert_eq!(&at_work, &holds.map(|agent| agent.id).into_iter().collect::<Vec<_>>());
            prop_assert_eq!(what.ended.is_some(), after.state == State::Closed);
            prop_assert_eq!(what.finished, after.state == State::Closed && now.state != State::Closed);
            prop_assert!(!idle || (after.state == State::Open && after.agent.is_some()));
            prop_assert!(!(what.finished && what.taken));
            session = Session {
                ended: what.ended,
                end_user_wrote: what.end_user_wrote,
                taken: true,
            };
            now = after;
        }
    }
}
