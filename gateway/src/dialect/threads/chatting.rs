//! Threads under `/v1/chatting`.

use platform::link;
use proto::thread::v1 as pb;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::render::flat::{ChattingMessage, ChattingThread, is_anonymous};
use super::{CursorPagination, Pagination};
use crate::answer::{Answer, given};
use crate::errors::{Failure, Names};
use crate::extract::{Call, Object};
use crate::words::{Mode, ModeFilter, Word as _, number};

/// The result of a toggle.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Toggled {
    thread: ChattingThread,
    system_message: ChattingMessage,
}

/// Toggle the escalation of a thread
///
/// Flips the escalated flag, inserts a system message and returns both. A retry with the same `Idempotency-Key` gets the
/// first answer and does not flip back. To set the flag instead, use `update-thread`. A body is ignored.
#[utoipa::path(patch, path = "/v1/chatting/{chatbotId}/thread/{threadId}/escalate", tag = "Chatting",
    responses((status = 200, description = "`Thread escalated to agent successfully` or `Thread de-escalated successfully`", body = Answer<Toggled>)))]
pub(super) async fn toggle_escalation(call: Call) -> Result<Answer<Toggled>, Failure> {
    let request = call.request(pb::ToggleEscalationRequest {
        chatbot_id: call.chatbot()?,
        thread_id: call.thread()?,
    });
    let answer = call.threads().toggle_escalation(request).await?.into_inner();
    let thread = ChattingThread::from(given(answer.thread)?);
    let message = if thread.escalated {
        "Thread escalated to agent successfully"
    } else {
        "Thread de-escalated successfully"
    };
    let system_message = given(answer.system_message)?.into();
    Ok(Answer::done(message, Toggled { thread, system_message }))
}

/// One thread.
#[derive(Serialize, ToSchema)]
pub(super) struct OneThread {
    thread: ChattingThread,
}

/// Get a thread
///
/// An addition to the source. Its messages have their own operation.
#[utoipa::path(get, path = "/v1/chatting/{chatbotId}/thread/{threadId}", tag = "Chatting",
    responses((status = 200, description = "The thread", body = Answer<OneThread>)))]
pub(super) async fn get_thread(call: Call) -> Result<Answer<OneThread>, Failure> {
    let thread_id = call.thread()?;
    one_thread(&call, thread_id).await
}

/// The thread that is called like the literal segment of the bulk route.
pub(super) async fn get_thread_update_thread(call: Call) -> Result<Answer<OneThread>, Failure> {
    one_thread(&call, "update-thread".to_owned()).await
}

async fn one_thread(call: &Call, thread_id: String) -> Result<Answer<OneThread>, Failure> {
    let request = call.request(pb::GetThreadRequest {
        chatbot_id: call.chatbot()?,
        thread_id,
        message_limit: 0,
    });
    let answer = call.threads().get_thread(request).await?.into_inner();
    let thread = given(answer.thread)?.into();
    Ok(Answer::data(OneThread { thread }))
}

/// End a thread
///
/// An addition to the source. Resolves an open escalation. Ending an ended thread changes nothing. A body is ignored.
#[utoipa::path(post, path = "/v1/chatting/{chatbotId}/thread/{threadId}/end", tag = "Chatting",
    responses((status = 200, description = "`Thread ended successfully`", body = Answer<OneThread>)))]
pub(super) async fn end_thread(call: Call) -> Result<Answer<OneThread>, Failure> {
    let request = call.request(pb::EndThreadRequest {
        chatbot_id: call.chatbot()?,
        thread_id: call.thread()?,
    });
    let answer = call.threads().end_thread(request).await?.into_inner();
    let thread = given(answer.thread)?.into();
    Ok(Answer::done("Thread ended successfully", OneThread { thread }))
}

/// A page of threads.
#[derive(Serialize, ToSchema)]
pub(super) struct ThreadPage {
    threads: Vec<ChattingThread>,
    pagination: Pagination,
}

/// The filters that both lists of threads take.
pub(super) fn filtered(call: &Call, with_last_message: bool) -> Result<pb::ListThreadsRequest, Failure> {
    let query = call.query()?;
    Ok(pb::ListThreadsRequest {
        chatbot_id: call.chatbot()?,
        page: query.page()?,
        page_size: query.limit()?,
        mode: number(query.word::<ModeFilter>("mode")?),
        resolved: query.flag("resolved")?,
        archived: query.flag("archived")?,
        escalated: query.flag("escalated")?,
        important: query.flag("important")?,
        anonymous: query.flag("anonymous")?,
        llm_model_id: query.owned("llmModelId")?,
        with_last_message,
    })
}

/// What callers know the fields of a list as.
pub(super) const LIST_NAMES: Names = &[("page_size", "limit"), ("page_token", "cursor")];

/// List threads
///
/// Most recently updated first.
#[utoipa::path(get, path = "/v1/chatting/{chatbotId}/threads", tag = "Chatting",
    params(
        ("page" = Option<i32>, Query, description = "1 to 1000, default 1", minimum = 1, maximum = 1000),
        ("limit" = Option<i32>, Query, description = "1 to 100, default 20", minimum = 1, maximum = 100),
        ("mode" = inline(Option<ModeFilter>), Query),
        ("resolved" = Option<bool>, Query),
        ("archived" = Option<bool>, Query),
        ("escalated" = Option<bool>, Query),
        ("important" = Option<bool>, Query),
        ("anonymous" = Option<bool>, Query, description = "Whether nobody has said who the visitor is"),
        ("llmModelId" = Option<String>, Query, description = "Threads in which this model has answered"),
    ),
    responses((status = 200, description = "A page of threads", body = Answer<ThreadPage>)))]
pub(super) async fn list_threads(call: Call) -> Result<Answer<ThreadPage>, Failure> {
    let request = call.request(filtered(&call, false)?);
    let answer = call
        .threads()
        .list_threads(request)
        .await
        .map_err(Failure::naming(LIST_NAMES))?
        .into_inner();
    Ok(Answer::data(ThreadPage {
        threads: answer
            .entries
            .into_iter()
            .filter_map(|entry| entry.thread.map(ChattingThread::from))
            .collect(),
        pagination: Pagination::of(answer.page, answer.page_size, answer.total),
    }))
}

/// What a message takes on a page, in bytes: most do with it.
const MESSAGE: usize = 768;

/// A page of messages.
#[derive(Serialize, ToSchema)]
pub(super) struct MessagePage {
    /// Oldest first; the first page holds the newest.
    messages: Vec<ChattingMessage>,
    thread: MessagesThread,
    pagination: CursorPagination,
}

/// What a page of messages tells of its thread.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct MessagesThread {
    id: String,
    mode: Mode,
    anonymous: bool,
    unread_messages_count: i32,
}

/// List the messages of a thread
///
/// Newest page first, oldest message first on each page. Reading sets the thread's unread count to 0.
#[utoipa::path(get, path = "/v1/chatting/{chatbotId}/thread/{threadId}/messages", tag = "Chatting",
    params(
        ("limit" = Option<i32>, Query, description = "1 to 100, default 20", minimum = 1, maximum = 100),
        ("before" = Option<String>, Query, description = "Id of a message: the page holds what is older"),
    ),
    responses((status = 200, description = "A page of messages", body = Answer<MessagePage>)))]
pub(super) async fn list_messages(call: Call) -> Result<Answer<MessagePage>, Failure> {
    let query = call.query()?;
    let page_size = query.limit()?;
    let mut request = call.request(pb::ListMessagesRequest {
        chatbot_id: call.chatbot()?,
        thread_id: call.thread()?,
        page_size,
        before: query.owned("before")?,
        mark_read: true,
    });
    link::take_as_it_is(&mut request);
    let answer = call
        .threads()
        .list_messages(request)
        .await
        .map_err(Failure::naming(LIST_NAMES))?;
    let answer = link::received(answer);
    let thread = given(answer.thread)?;
    let size = answer.messages.len() * MESSAGE;
    Ok(Answer::data(MessagePage {
        messages: answer.messages.into_iter().map(ChattingMessage::from).collect(),
        thread: MessagesThread {
            mode: Mode::of(thread.mode()).unwrap_or(Mode::Ai),
            anonymous: is_anonymous(&thread),
            unread_messages_count: thread.unread_count,
            id: thread.thread_id,
        },
        pagination: CursorPagination::of(page_size, answer.next_cursor),
    })
    .of_about(size))
}

/// What to change of one thread: the members that are present.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ThreadChange {
    thread_id: String,
    resolved: Option<bool>,
    archived: Option<bool>,
    escalated: Option<bool>,
    important: Option<bool>,
    /// Replaces the list. At most 50, each 1 to 100 characters.
    tags: Option<Vec<String>>,
    /// At most 500 characters; an empty text clears it.
    title: Option<String>,
    /// At most 32 KiB; an empty text clears it.
    internal_notes: Option<String>,
}

impl From<ThreadChange> for pb::ThreadChange {
    fn from(change: ThreadChange) -> Self {
        Self {
            thread_id: change.thread_id,
            resolved: change.resolved,
            archived: change.archived,
            escalated: change.escalated,
            important: change.important,
            tags: change.tags.map(|values| pb::Tags { values }),
            title: change.title,
            internal_notes: change.internal_notes,
        }
    }
}

/// The threads after a bulk update.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct UpdatedThreads {
    /// One array for each entry of the request, in its order, holding the one thread that was changed: the source
    /// documents an array of arrays.
    updated_threads: Vec<[ChattingThread; 1]>,
}

/// Update the status of threads
///
/// Takes an array of 1 to 100 changes, each of another thread. All are made or none: an unknown thread is named.
#[utoipa::path(patch, path = "/v1/chatting/{chatbotId}/thread/update-thread", tag = "Chatting",
    request_body(content = Vec<ThreadChange>, content_type = "application/json"),
    responses((status = 200, description = "`Thread statuses updated successfully`", body = Answer<UpdatedThreads>)))]
pub(super) async fn bulk_update_threads(call: Call) -> Result<Answer<UpdatedThreads>, Failure> {
    const NAMES: Names = &[("changes", ""), ("values", "")];
    let changes = call
        .json::<Vec<Object<ThreadChange>>>()?
        .into_iter()
        .map(|Object(change)| change.into())
        .collect();
    let request = call.request(pb::BulkUpdateThreadsRequest {
        chatbot_id: call.chatbot()?,
        changes,
    });
    let answer = call
        .threads()
        .bulk_update_threads(request)
        .await
        .map_err(Failure::naming(NAMES))?
        .into_inner();
    let updated_threads = answer.threads.into_iter().map(|thread| [thread.into()]).collect();
    Ok(Answer::done(
        "Thread statuses updated successfully",
        UpdatedThreads { updated_threads },
    ))
}
