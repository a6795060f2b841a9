//! Chatbot threads, their messages and their escalation, and the settings around them.
//!
//! Two documented surfaces live here. `/v1/chatting` and `/v1/chatbots/chatbot` show flat rows; `/v0/chatbots/{chatbotId}`
//! (served under `/v1` too, since its source gives no version for the creation of a thread) pairs a question with its
//! answer. Both read and write the same threads. Additions to the sources are marked as such.

mod chatbots;
mod chatting;
mod escalations;
mod human_support;
mod messages;
mod organization;
mod prompts;
mod render;
mod settings;
#[expect(clippy::module_inception, reason = "threads of the dialect named threads")]
mod threads;

use axum::routing::get;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::path::Paths;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};
use utoipa_axum::routes;

use crate::Gateway;

/// Every route of the dialect.
pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        // A literal segment wins over a parameter: `update-thread` is no thread id here, `chatbot` no chatbot id.
        .routes(routes!(chatting::bulk_update_threads))
        .route(
            "/v1/chatting/{chatbotId}/thread/update-thread",
            get(chatting::get_thread_update_thread),
        )
        .routes(routes!(chatting::list_threads))
        .routes(routes!(chatting::get_thread))
        .routes(routes!(chatting::list_messages))
        .routes(routes!(chatting::toggle_escalation))
        .routes(routes!(chatting::end_thread))
        .routes(routes!(
            human_support::create_human_support_settings,
            human_support::get_human_support_settings,
            human_support::update_human_support_settings,
            human_support::delete_human_support_settings
        ))
        .routes(both(routes!(settings::get_settings, settings::update_settings)))
        .routes(both(routes!(settings::update_chat_mode)))
        .routes(both(routes!(settings::update_general_settings)))
        .routes(both(routes!(
            threads::create_chatbot_thread,
            threads::list_chatbot_threads
        )))
        .routes(both(routes!(
            threads::get_chatbot_thread,
            threads::update_chatbot_thread
        )))
        .routes(both(routes!(threads::escalate_chatbot_thread)))
        .routes(both(routes!(messages::send_message)))
        .routes(both(routes!(messages::update_message)))
        .routes(both(routes!(prompts::list_quick_prompts, prompts::create_quick_prompt)))
        .routes(both(routes!(prompts::create_conversation_starter)))
        .routes(both(routes!(prompts::get_quick_prompt)))
        .routes(both(routes!(
            prompts::list_follow_up_prompts,
            prompts::create_follow_up_prompt
        )))
        .routes(routes!(chatbots::create_chatbot, chatbots::list_chatbots))
        .routes(routes!(
            chatbots::get_chatbot,
            chatbots::update_chatbot,
            chatbots::delete_chatbot
        ))
        .routes(routes!(organization::set_company_secret))
        .routes(routes!(organization::list_lead_mails))
        .routes(routes!(escalations::list_escalations))
        .routes(routes!(escalations::acknowledge_escalation))
}

/// Serves what is declared under `/v0` under `/v1` as well.
fn both((schemas, declared, methods): UtoipaMethodRouter<Gateway>) -> UtoipaMethodRouter<Gateway> {
    let mut paths = Paths::new();
    for (path, item) in declared.paths {
        let mut newer = item.clone();
        let operations = [&mut newer.get, &mut newer.post, &mut newer.patch];
        for operation in operations.into_iter().flatten() {
            // Operation ids are unique in a description.
            if let Some(id) = &mut operation.operation_id {
                id.push_str("_v1");
            }
        }
        paths.paths.insert(path.replacen("/v0/", "/v1/", 1), newer);
        paths.paths.insert(path, item);
    }
    (schemas, paths, methods)
}

/// Where a numbered page is in its list.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Pagination {
    #[schema(example = 1)]
    page: i32,
    #[schema(example = 20)]
    limit: i32,
    /// Of all pages.
    total: i32,
    total_pages: i32,
}

impl Pagination {
    fn of(page: i32, limit: i32, total: i32) -> Self {
        Self {
            page,
            limit,
            total,
            // Rounded up; a limit is at least 1.
            total_pages: (total + limit - 1) / limit.max(1),
        }
    }
}

/// Where a page is whose place is told by a cursor.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct CursorPagination {
    #[schema(example = 20)]
    limit: i32,
    has_more: bool,
    /// What to pass for the page after this one; null on the last.
    next_cursor: Option<String>,
}

impl CursorPagination {
    fn of(asked: i32, next: String) -> Self {
        Self {
            limit: if asked == 0 {
                platform::page::DEFAULT_SIZE
            } else {
                asked
            },
            has_more: !next.is_empty(),
            next_cursor: (!next.is_empty()).then_some(next),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_page_of_a_list_counts_when_it_is_not_full() {
        for (total, pages) in [(0, 0), (1, 1), (20, 1), (21, 2)] {
            assert_eq!(Pagination::of(1, 20, total).total_pages, pages);
        }
    }
}
