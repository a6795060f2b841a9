//! Conversations, and the directory of people and queues around them.
//!
//! Success is `{"data": …}`, in pages with `"meta": {"next"?}`; a failure of any status is `{"message": …}`. A member of
//! a union ends with its `_type`, which has to be there on the way in. What has no value is left out; collections are
//! `[]` and `{}`.
//!
//! Operation × cause → status. Of every operation: 401 without a valid key; 403 without the scope (401 where the source
//! documents it: custom attributes, search, anonymization requests); 405, 408, 413, 415, 422, 429 and 503 from the edge;
//! 400 `Invalid value for: path parameter …` for an id that is none, `… query parameter …`, `… body (…)`; 404 `The
//! requested resource could not be found` where an entity of the path is not there; 500. Beyond that (source document,
//! then contract §3):
//!
//! | operation | success | 400 | 409 |
//! |---|---|---|---|
//! | `POST /conversations` | 201 | Duplicate externalId, Unsupported ConversationChannel | |
//! | `POST /conversations/import` | 201; what can't be used is a partial error | Requester does not exist, Agent does not exist | |
//! | `POST …/notes` | 200 | Agent was not found | |
//! | `POST …/notes/bulk` | 200, an outcome for each | | |
//! | `POST …/messages` | 200 | Duplicate externalId, Unsupported ConversationChannel | |
//! | `PUT …/claim` | 204 | | held by another agent and not forced |
//! | `PUT …/close`, `…/reopen`, `…/followup` | 204 | User not found, User is not agent/admin | |
//! | `PUT …/transfer/queue` | 204 | the same, and Queue does not exist | |
//! | `PUT …/link` | 204 | a parent with a parent, 100 children, … | |
//! | `PUT …/tags/{tagId}` | 204 | the tag is inactive | |
//! | `DELETE …/tags/{tagId}` | 204 | | |
//! | `POST …/tags/bulk` | 202 | | |
//! | `PATCH …/custom-attributes` | 200 | Invalid input for patching: unknown or deactivated attribute, wrong value | |
//! | `PATCH …/anonymize` | 202, also while it is queued already | | not closed and not forced; anonymized already |
//! | `PATCH …/messages/{messageId}/anonymize` | 202, the same | | its conversation is not closed; anonymized already |
//! | `PATCH /endusers/{id}/anonymize` | 202, the same | | one of his conversations is not closed and not forced; anonymized already |
//! | `GET /anonymization/request/{requestId}` | 200 | | |
//! | `GET …`, `GET …/{messages, notes, tags, linked, activitylog, custom-data}` | 200 | | |
//! | `GET /conversations/{activitylog, flows}`, `GET` and `POST /search/conversations` | 200 | a page key of another list | |
//! | `POST /{agents, endusers, teams, queues, custom-attributes, contact-endpoints, conversations/flows}` | 201 | somebody else's address, number or external id; a queue or virtual agent that is not there | the identifier, address or number is taken |
//! | `POST /tags` | 200, also for one that is there | | |
//! | `POST /{agents, endusers}/bulk` | 201, an outcome for each | | |
//! | `PUT`, `PATCH /{agents, endusers}` | 200, an outcome for each | | |
//! | `GET`, `PUT`, `PATCH /{agents, endusers}/{id}` | 200 | somebody else's address, number or external id; nothing to change | |
//! | `GET /agents`, `/endusers` | 200 | more than one of the ways to look somebody up | |
//! | `PATCH /queues/{id}/members` | 200, an outcome for each | more than 10 | |
//! | `PATCH`, `POST /teams/{id}/agents` | 200, empty | | |
//! | `PATCH /tags/{id}/{activate, deactivate}`, `DELETE /tags/{id}`, `/agents/{id}`, `/teams/{id}`, `/queues/{id}/members`, `/teams/{id}/agents`, `PUT /agents/{id}/presence/working-channel` | 204 | | |
//!
//! `flows`, `activitylog` and `import` win over `{conversationId}`, as every literal segment does over a parameter.

mod activity;
mod agents;
mod anonymization;
mod answer;
mod ask;
mod attributes;
mod contact_endpoints;
mod conversation;
mod create;
mod custom_data;
mod end_users;
mod flows;
mod messages;
mod notes;
mod parts;
mod people;
mod presence;
mod queues;
mod refusal;
mod search;
mod tags;
mod teams;
mod transitions;
mod words;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Gateway;

pub(crate) use refusal::{Refusal, TABLE};

/// What the paths of this dialect begin with, after `/v1/`.
const ROOTS: [&str; 10] = [
    "agents",
    "anonymization",
    "contact-endpoints",
    "conversations",
    "custom-attributes",
    "endusers",
    "queues",
    "search",
    "tags",
    "teams",
];

/// Whether a path is of this dialect, or would be if it existed.
pub(crate) fn owns(path: &str) -> bool {
    path.strip_prefix("/v1/").is_some_and(|rest| {
        let root = rest.split('/').next();
        root.is_some_and(|root| ROOTS.contains(&root))
    })
}

/// Every route of the dialect.
pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    conversation_routes().merge(people_routes()).merge(directory_routes())
}

fn conversation_routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(create::create_conversation))
        .routes(routes!(create::import_conversation))
        .routes(routes!(activity::list_activity))
        .routes(routes!(flows::list_flows, flows::create_flow))
        .routes(routes!(conversation::get_conversation))
        .routes(routes!(conversation::list_linked_conversations))
        .routes(routes!(notes::add_note, notes::list_notes))
        .routes(routes!(notes::add_notes))
        .routes(routes!(messages::add_message, messages::list_conversation_messages))
        .routes(routes!(anonymization::anonymize_conversation))
        .routes(routes!(anonymization::anonymize_message))
        .routes(routes!(anonymization::get_anonymization_request))
        .routes(routes!(transitions::claim_conversation))
        .routes(routes!(transitions::close_conversation))
        .routes(routes!(transitions::reopen_conversation))
        .routes(routes!(transitions::transfer_conversation))
        .routes(routes!(transitions::follow_up_conversation))
        .routes(routes!(transitions::link_conversation))
        .routes(routes!(tags::list_conversation_tags))
        .routes(routes!(tags::tag_conversation, tags::untag_conversation))
        .routes(routes!(tags::bulk_tag_conversation))
        .routes(routes!(attributes::patch_conversation_attributes))
        .routes(routes!(activity::list_conversation_activity))
        .routes(routes!(custom_data::get_conversation_custom_data))
        .routes(routes!(
            search::search_conversations,
            search::search_conversations_by_filters
        ))
}

fn people_routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(
            agents::list_agents,
            agents::create_agent,
            agents::replace_agents,
            agents::patch_agents
        ))
        .routes(routes!(agents::create_agents))
        .routes(routes!(presence::list_agent_presence))
        .routes(routes!(
            agents::get_agent,
            agents::replace_agent,
            agents::patch_agent,
            agents::remove_agent
        ))
        .routes(routes!(presence::get_agent_presence))
        .routes(routes!(presence::set_working_channel))
        .routes(routes!(teams::list_agent_teams))
        .routes(routes!(
            end_users::list_end_users,
            end_users::create_end_user,
            end_users::replace_end_users,
            end_users::patch_end_users
        ))
        .routes(routes!(end_users::create_end_users))
        .routes(routes!(
            end_users::get_end_user,
            end_users::replace_end_user,
            end_users::patch_end_user
        ))
        .routes(routes!(conversation::list_end_user_conversations))
        .routes(routes!(attributes::patch_end_user_attributes))
        .routes(routes!(anonymization::anonymize_end_user))
}

fn directory_routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(teams::list_teams, teams::create_team))
        .routes(routes!(teams::get_team, teams::delete_team))
        .routes(routes!(
            teams::list_team_members,
            teams::add_team_members,
            teams::post_team_members,
            teams::remove_team_members
        ))
        .routes(routes!(presence::list_team_presence))
        .routes(routes!(queues::list_queues, queues::create_queue))
        .routes(routes!(queues::get_queue))
        .routes(routes!(queues::get_queue_position))
        .routes(routes!(
            queues::list_queue_members,
            queues::add_queue_members,
            queues::remove_queue_members
        ))
        .routes(routes!(tags::list_tags, tags::create_tag))
        .routes(routes!(tags::get_tag, tags::delete_tag))
        .routes(routes!(tags::activate_tag))
        .routes(routes!(tags::deactivate_tag))
        .routes(routes!(
            attributes::list_custom_attributes,
            attributes::create_custom_attribute
        ))
        .routes(routes!(
            attributes::get_custom_attribute,
            attributes::update_custom_attribute
        ))
        .routes(routes!(
            contact_endpoints::list_contact_endpoints,
            contact_endpoints::create_contact_endpoint
        ))
        .routes(routes!(contact_endpoints::get_contact_endpoint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_of_the_dialect_is_answered_in_its_words_and_no_other_is() {
        let own = routes().split_for_parts().1;
        for path in own.paths.paths.keys() {
            assert!(owns(path), "{path}");
        }
        let threads = crate::dialect::threads::routes().split_for_parts().1;
        for path in threads.paths.paths.keys() {
            assert!(!owns(path), "{path}");
        }
        assert!(owns("/v1/conversations/7/nothing"));
        for path in ["/v1/conversationsx", "/v0/conversations", "/v1", "/healthz"] {
            assert!(!owns(path), "{path}");
        }
    }

    #[test]
    fn every_root_has_a_path() {
        let own = routes().split_for_parts().1;
        for root in ROOTS {
            let start = format!("/v1/{root}");
            assert!(own.paths.paths.keys().any(|path| path.starts_with(&start)), "{root}");
        }
    }
}
