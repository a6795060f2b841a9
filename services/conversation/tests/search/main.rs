//! Search for conversations, over real PostgreSQL and through the generated client.

#![expect(clippy::unwrap_used, reason = "helpers of tests panic as tests do")]

mod filters;
mod pages;
#[path = "../conversations/support.rs"]
#[expect(dead_code, reason = "the tests of conversations need all of it")]
mod support;
mod words;

use proto::conversation::v1 as wire;
use support::{World, email, inbound, ok};

/// A search for words, as they come.
pub(crate) fn words(query: &str) -> wire::SearchConversationsRequest {
    wire::SearchConversationsRequest {
        query: query.to_owned(),
        ..Default::default()
    }
}

/// A search by one condition.
pub(crate) fn condition(condition: wire::FilterCondition) -> wire::SearchConversationsRequest {
    wire::SearchConversationsRequest {
        conditions: vec![condition],
        ..Default::default()
    }
}

impl World {
    /// The ids that a search finds on its first page, in their order.
    pub(crate) async fn find(&self, request: wire::SearchConversationsRequest) -> Vec<i64> {
        let world = self;
        let hits = ok!(world.search_conversations(request)).hits;
        hits.into_iter().map(|hit| hit.id).collect()
    }

    /// A new e-mail conversation.
    pub(crate) async fn email(&self, subject: &str, language: Option<&str>, text: &str) -> i64 {
        let world = self;
        let mut request = email(&self.own.end_user, inbound(text));
        request.subject = Some(subject.to_owned());
        request.language = language.map(str::to_owned);
        ok!(world.create_conversation(request)).conversation.unwrap().id
    }
}
