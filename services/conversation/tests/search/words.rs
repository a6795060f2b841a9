//! What words find, and how it is shown.

use proto::conversation::v1 as wire;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use wire::SearchConversationsRequest;

use crate::support::{World, assert_field, inbound, ok, refused};
use crate::words;

fn exact(query: &str) -> SearchConversationsRequest {
    SearchConversationsRequest {
        exact_match: true,
        ..words(query)
    }
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_hit_shows_its_subject_and_its_messages(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let text = "I want to cancel my order as soon as possible";
    let id = world.email("Cancel my order", Some("en"), text).await;
    world.email("Something else", Some("en"), "entirely").await;
    let request = SearchConversationsRequest {
        with_inner_hits: true,
        ..words("cancel my order")
    };
    let hits = ok!(world.search_conversations(request)).hits;
    let message = world.messages(id).await.remove(0).id;
    let expected = wire::SearchHit {
        id,
        highlights: [(
            "subject".to_owned(),
            wire::Highlights {
                fragments: vec!["<em class=\"highlight\">Cancel my order</em>".to_owned()],
            },
        )]
        .into(),
        inner_hits: vec![wire::InnerHit {
            id: message,
            text: "I want to <em class=\"highlight\">cancel my order</em> as soon as possible".to_owned(),
        }],
    };
    assert_eq!(hits, [expected]);
    let plain = ok!(world.search_conversations(words("cancel my order"))).hits;
    assert_eq!(
        plain[0].highlights["text"].fragments,
        ["I want to <em class=\"highlight\">cancel my order</em> as soon as possible"]
    );
    assert!(plain[0].inner_hits.is_empty());
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn all_words_are_needed_and_an_exact_search_needs_them_in_order(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let ordered = world.email("a", Some("en"), "the red bicycle is broken").await;
    let mixed = world.email("b", Some("en"), "a broken bicycle, painted red").await;
    let stemmed = world.email("c", Some("en"), "red bicycles").await;
    world.email("red", Some("en"), "only half of it").await;
    let mut found = world.find(words("red BICYCLE")).await;
    found.sort_unstable();
    assert_eq!(found, [ordered, mixed, stemmed]);
    assert_eq!(world.find(exact("Red bicycle")).await, [ordered]);
    assert_eq!(world.find(exact("bicycle red")).await, [0; 0]);
    // Not across the seam between the words as they stand and their stems, nor by a stem.
    assert_eq!(world.find(exact("bicycles red")).await, [0; 0]);
    assert_eq!(world.find(exact("broken red")).await, [0; 0]);
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn words_are_found_by_their_stems_in_the_languages_in_use(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let english = world.email("x", Some("en-GB"), "my orders were cancelled").await;
    let german = world.email("y", Some("de"), "die Bestellungen kamen nie an").await;
    let unknown = world.email("z", Some("tlh"), "nuqneH orders").await;
    assert_eq!(world.find(words("cancelling order")).await, [english]);
    assert_eq!(world.find(words("Bestellung")).await, [german]);
    assert_eq!(world.find(words("nuqneh")).await, [unknown]);
    let hits = ok!(world.search_conversations(words("cancelling order"))).hits;
    assert_eq!(
        hits[0].highlights["text"].fragments,
        ["my <em class=\"highlight\">orders</em> were <em class=\"highlight\">cancelled</em>"]
    );
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn html_is_escaped_and_marks_of_ours_are_not_taken_from_texts(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let text = "\u{e000}zebra & \"crossing\" <script>alert('zebra')</script>";
    let id = world.email("<em>zebra</em> \u{e000}&", None, text).await;
    let hits = ok!(world.search_conversations(words("zebra"))).hits;
    assert_eq!(hits[0].id, id);
    for fragment in hits[0].highlights.values().flat_map(|field| &field.fragments) {
        let rest = fragment
            .replace("<em class=\"highlight\">zebra</em>", "")
            .replace("&amp;", "");
        assert!(!rest.contains(['<', '>', '"', '\'', '\u{e000}']), "{fragment}");
        assert!(fragment.contains("<em class=\"highlight\">zebra</em>"), "{fragment}");
        assert!(fragment.contains("&amp;"), "{fragment}");
    }
    assert_eq!(
        hits[0].highlights["subject"].fragments,
        ["&lt;em&gt;<em class=\"highlight\">zebra</em>&lt;/em&gt; &amp;"]
    );
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn what_is_added_later_is_found_and_a_conversation_is_found_once(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let id = world.chat().await;
    assert_eq!(world.find(words("walrus")).await, [0; 0]);
    for text in ["a walrus", "another walrus"] {
        ok!(world.add_message(wire::AddMessageRequest {
            conversation_id: id,
            message: Some(inbound(text)),
        }));
    }
    let request = SearchConversationsRequest {
        with_inner_hits: true,
        ..words("walrus")
    };
    let hits = ok!(world.search_conversations(request)).hits;
    assert_eq!(hits.len(), 1);
    let texts: Vec<_> = hits[0].inner_hits.iter().map(|inner| inner.text.as_str()).collect();
    assert_eq!(
        texts,
        [
            "a <em class=\"highlight\">walrus</em>",
            "another <em class=\"highlight\">walrus</em>"
        ]
    );
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn another_organization_sees_nothing(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let id = world.email("secret", None, "secret").await;
    assert_eq!(world.find(words("secret")).await, [id]);
    let request = world.other.request(words("secret"));
    let answer = world.client.clone().search_conversations(request).await.unwrap();
    assert_eq!(answer.into_inner(), wire::SearchConversationsResponse::default());
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn operators_and_quotes_are_only_text(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let id = world.email("x", Some("en"), "it's o'brien's order").await;
    for query in ["o'brien", "'order' & !it | (", "order:A <-> \\", "-order"] {
        world.find(words(query)).await;
        world.find(exact(query)).await;
    }
    assert_eq!(world.find(words("o'brien order")).await, [id]);
    assert_eq!(world.find(exact("o'brien's order")).await, [id]);
    assert_eq!(world.find(words("-order")).await, [id]);
    assert_eq!(world.find(words("?!")).await, [0; 0]);
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_search_for_nothing_or_too_much_is_refused(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    assert_field(&refused!(world.search_conversations(words(""))), "query");
    assert_field(&refused!(world.search_conversations(words(&"x".repeat(1001)))), "query");
    assert_field(&refused!(world.search_conversations(words("a\0"))), "query");
    world.find(words(&"ö".repeat(1000))).await;
    let negative = SearchConversationsRequest {
        page_size: -1,
        ..words("x")
    };
    assert_field(&refused!(world.search_conversations(negative)), "page_size");
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_hit_shows_its_five_newest_messages_however_it_was_found(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let mut conversations = Vec::new();
    for _ in 0..2 {
        let conversation_id = world.chat().await;
        for n in 1..=7 {
            ok!(world.add_message(wire::AddMessageRequest {
                conversation_id,
                message: Some(inbound(&format!("walrus {n}"))),
            }));
        }
        conversations.push(conversation_id);
    }
    let newest: Vec<_> = (3..=7)
        .map(|n| format!("<em class=\"highlight\">walrus</em> {n}"))
        .collect();
    // A page that the walk over the newest conversations fills, and one of all there are.
    for page_size in [1, 2] {
        let request = SearchConversationsRequest {
            page_size,
            with_inner_hits: true,
            ..words("walrus")
        };
        let hits = ok!(world.search_conversations(request)).hits;
        assert_eq!(i32::try_from(hits.len()).unwrap(), page_size);
        let hit = hits.into_iter().find(|hit| hit.id == conversations[1]).unwrap();
        let texts: Vec<_> = hit.inner_hits.into_iter().map(|inner| inner.text).collect();
        assert_eq!(texts, newest);
    }
}
