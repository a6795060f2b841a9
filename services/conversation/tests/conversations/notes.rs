//! Internal notes.

use proto::conversation::v1 as wire;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tonic::Code;
use wire::note_outcome::Outcome;

use crate::support::{World, assert_field, assert_refused, at, ok, refused, unknown, with_key};

fn note(message: &str) -> wire::NoteInput {
    wire::NoteInput {
        message: message.to_owned(),
        ..Default::default()
    }
}

fn add(conversation_id: i64, notes: Vec<wire::NoteInput>) -> wire::AddNotesRequest {
    wire::AddNotesRequest { conversation_id, notes }
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn each_note_succeeds_or_fails_by_itself_and_in_order(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let id = world.chat().await;
    let stranger = unknown();
    let by = |agent: &str| wire::NoteInput {
        agent_id: Some(agent.to_owned()),
        ..note("by an agent")
    };
    let request = add(
        id,
        vec![
            by(&world.own.agents[0]),
            by(&stranger),
            note(""),
            by(&world.other.agents[0]),
            note("by the key"),
        ],
    );
    let outcomes = ok!(world.add_notes(request)).outcomes;
    let failure = |index: usize| match outcomes[index].outcome.clone().unwrap() {
        Outcome::Failure(failure) => failure,
        Outcome::Note(note) => panic!("{note:?}"),
    };
    assert_eq!(
        failure(1).message,
        format!("An agent with id:{stranger} cannot be found in org.")
    );
    assert_eq!(failure(1).kind(), wire::FailureKind::NotFound);
    assert_eq!(failure(2).kind(), wire::FailureKind::Validation);
    assert!(failure(2).message.contains("notes[2].message"));
    assert_eq!(failure(3).kind(), wire::FailureKind::NotFound);
    let notes = ok!(world.list_notes(wire::ListNotesRequest { conversation_id: id })).notes;
    let made: Vec<_> = outcomes
        .into_iter()
        .filter_map(|outcome| match outcome.outcome {
            Some(Outcome::Note(note)) => Some(note),
            _ => None,
        })
        .collect();
    assert_eq!(notes, made);
    assert_eq!(notes[0].author_id, world.own.agents[0]);
    assert_eq!(world.log(id).await[2..], ["NoteAdded", "NoteAdded"]);
    let told = world.told(id).await;
    assert_eq!(told[2].0, "conversation.note_added");
    assert_eq!(told[2].1["text"], "by an agent");
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_note_is_the_key_owners_unless_it_says_otherwise(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let id = world.chat().await;
    let scopes = ["conversations:write", "conversations:read"];
    let service = world.key("a service", &scopes).await;
    let person = world.key(&world.own.agents[1], &scopes).await;
    let key_id = platform::access::ApiKey::parse(&service).unwrap().id.to_string();
    for (key, author) in [(&service, key_id), (&person, world.own.agents[1].clone())] {
        let request = with_key(key, add(id, vec![note("x")]));
        let answer = world.client.clone().add_notes(request).await.unwrap().into_inner();
        match answer.outcomes[0].outcome.clone().unwrap() {
            Outcome::Note(note) => assert_eq!(note.author_id, author),
            Outcome::Failure(failure) => panic!("{failure:?}"),
        }
    }
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn notes_come_in_the_order_of_their_own_times(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let id = world.chat().await;
    let dated = |seconds| wire::NoteInput {
        created_at: at(seconds),
        ..note(&seconds.to_string())
    };
    ok!(world.add_notes(add(id, vec![dated(300), dated(100), dated(200)])));
    let notes = ok!(world.list_notes(wire::ListNotesRequest { conversation_id: id })).notes;
    let texts: Vec<_> = notes.iter().map(|note| note.message.as_str()).collect();
    assert_eq!(texts, ["100", "200", "300"]);
    assert_eq!(notes[0].created_at, at(100));
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_request_has_one_to_a_hundred_notes_for_a_conversation_there_is(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let id = world.chat().await;
    for count in [0, 101] {
        assert_field(&refused!(world.add_notes(add(id, vec![note("x"); count]))), "notes");
    }
    assert_eq!(ok!(world.add_notes(add(id, vec![note("x"); 100]))).outcomes.len(), 100);
    let status = refused!(world.add_notes(add(i64::MAX, vec![note("x")])));
    assert_refused(&status, Code::NotFound, "CONVERSATION_NOT_FOUND");
}
