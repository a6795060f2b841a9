//! Chats, the way integrators of a chat know them: under `/apps/api/v1`.
//!
//! Success is the bare object or array; a failure of any status is `{"message": …}`. Every documented member of an answer
//! is always there, null where there is no value. Members of a request that are not known are ignored, wrong types are
//! refused. Credentials come as Basic (the subdomain and an API key), Bearer or bare.
//!
//! Operation × cause → status. Of every operation: 401 `Unauthorized` without a valid key or with another subdomain; 403
//! without the scope; 405, 408, 413, 415, 422, 429 and 503 from the edge; 404 `Not Found` where the chat or escalation of
//! the path is not there; 400 `<field> must …` for an id that is none and for a wrong value, and `param is missing or the
//! value is empty: <name>` for what has to be there; 500. Whatever changes a chat that has ended, flags aside: 400 `Chat
//! is already ended`. Beyond that:
//!
//! | operation | success | 400 | 404 | 409 |
//! |---|---|---|---|---|
//! | `POST /end_users` | 200 the end user | identifier is missing | | |
//! | `GET /end_users` | 200 the end user | neither id nor identifier, or both | no such end user | |
//! | `GET /menus`, `/agents` | 200 an array, `Link` to other pages | page or per_page out of range | | |
//! | `POST /chats` | 200 the chat | chat, menu_id or end_user_id is missing | no such menu or end user | |
//! | `GET /chats/{id}` | 200 the chat | | | |
//! | `PATCH /chats/{id}` | 200 the chat | chat is missing, a status but finished, a channel that is not offered | no such escalation | |
//! | `POST /chats/{id}/resume` | 200 the chat | | | it is not dismissed |
//! | `POST /chats/{id}/message` | 200 `{}` | a part is missing, the sender is neither its end user nor an agent | no such media | |
//! | `POST /chats/{id}/escalations` | 200 the escalation | reason is missing or none of the documented | no queue | |
//! | `PATCH /chats/{id}/escalations/{id}` | 200 the escalation | it is not deflecting, the channel is not offered | | |
//! | `GET /chats/{id}/customer_flag` | 200 the flags | | | |
//! | `POST /chats/{id}/customer_flag` | 200 the flags | both spellings of a flag, and they differ | | |
//! | `POST /chats/{id}/custom_data` | 200 `{}` | a part is missing; `Invalid signed_data`, whatever is wrong with a token | | |
//! | `POST /chats/{id}/end-user`, `…/end_user` | 202 `{"message":"accepted"}` | identifier is missing; `Duplicate request: Please wait for the interval to expire` | | |

mod answer;
mod ask;
mod chat;
mod custom_data;
mod end_users;
mod escalations;
mod menus;
mod messages;
mod phrases;
mod refusal;
mod transcript;
pub(crate) mod words;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Gateway;

pub(crate) use refusal::{Refusal, TABLE};

/// Whether a path is of this dialect, or would be if it existed.
pub(crate) fn owns(path: &str) -> bool {
    path == "/apps" || path.starts_with("/apps/")
}

/// Every route of the dialect.
pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(end_users::upsert_end_user, end_users::find_end_user))
        .routes(routes!(menus::list_menus))
        .routes(routes!(menus::list_chat_agents))
        .routes(routes!(chat::create_chat))
        .routes(routes!(chat::get_chat, chat::update_chat))
        .routes(routes!(chat::resume_chat))
        .routes(routes!(messages::send_chat_message))
        .routes(routes!(escalations::create_chat_escalation))
        .routes(routes!(escalations::update_chat_escalation))
        .routes(routes!(custom_data::get_customer_flag, custom_data::set_customer_flag))
        .routes(routes!(custom_data::set_custom_data))
        .routes(routes!(end_users::update_chat_end_user))
        .routes(routes!(end_users::update_chat_end_user_underscored))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::{Dialect, conversations, threads};

    #[test]
    fn every_path_of_the_dialect_is_answered_in_its_words_and_no_other_is() {
        let own = routes().split_for_parts().1;
        for path in own.paths.paths.keys() {
            assert_eq!(Dialect::of(path), Dialect::Chats, "{path}");
        }
        for others in [threads::routes(), conversations::routes()] {
            for path in others.split_for_parts().1.paths.paths.keys() {
                assert!(!owns(path), "{path}");
            }
        }
        assert!(owns("/apps/api/v1/nothing") && owns("/apps"));
        assert!(!owns("/appsx") && !owns("/v1/apps"));
    }
}
