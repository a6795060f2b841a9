//! Threads under `/v0/chatbots/{chatbotId}/threads`.

use proto::thread::v1 as pb;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::chatting::{LIST_NAMES, filtered};
use super::render::paired::{ChatbotThread, ListedThread, NewThread};
use crate::answer::{Answer, Null, given};
use crate::errors::{Failure, Names};
use crate::extract::{Call, Object};
use crate::words::{Mode, ModeFilter, number};

/// A thread to be created. Every member may be absent.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreateThread {
    /// The id of the thread, `[A-Za-z0-9._~-]{1,128}`; absent: random.
    thread_id: Option<String>,
    /// Absent: what the chatbot's settings say.
    mode: Option<Mode>,
    /// The visitor with this address is found or created; absent: nobody knows who it is.
    chat_user_email: Option<String>,
}

/// The new thread.
#[derive(Serialize, ToSchema)]
pub(super) struct CreatedThread {
    thread: NewThread,
}

/// What callers know the visitor as.
const NAMES: Names = &[("visitor_email", "chatUserEmail"), ("visitor", "chatUser")];

/// Create a thread
///
/// Creates an empty thread of the chatbot. An id that is taken is a 409.
#[utoipa::path(post, path = "/v0/chatbots/{chatbotId}/threads", tag = "Threads",
    request_body(content = CreateThread, content_type = "application/json", example = json!({"threadId": "xyz", "mode": "AI", "chatUserEmail": null})),
    responses((status = 200, description = "`Created the chatbot thread successfully`", body = Answer<CreatedThread>)))]
pub(super) async fn create_chatbot_thread(call: Call) -> Result<Answer<CreatedThread>, Failure> {
    let body: CreateThread = call.object()?;
    let request = call.request(pb::CreateThreadRequest {
        chatbot_id: call.chatbot()?,
        thread_id: body.thread_id,
        mode: number(body.mode),
        visitor_email: body.chat_user_email,
        platform_source: None,
    });
    let answer = call
        .threads()
        .create_thread(request)
        .await
        .map_err(Failure::naming(NAMES))?
        .into_inner();
    let thread = given(answer.thread)?.into();
    Ok(Answer::done(
        "Created the chatbot thread successfully",
        CreatedThread { thread },
    ))
}

/// A page of threads.
#[derive(Serialize, ToSchema)]
pub(super) struct ListedThreads {
    threads: Vec<ListedThread>,
}

/// List threads
///
/// Most recently updated first. The filters are an addition to the source.
#[utoipa::path(get, path = "/v0/chatbots/{chatbotId}/threads", tag = "Threads",
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
    responses((status = 200, description = "`Fetched the chatbot threads successfully`", body = Answer<ListedThreads>)))]
pub(super) async fn list_chatbot_threads(call: Call) -> Result<Answer<ListedThreads>, Failure> {
    let request = call.request(filtered(&call, true)?);
    let answer = call
        .threads()
        .list_threads(request)
        .await
        .map_err(Failure::naming(LIST_NAMES))?
        .into_inner();
    let threads = answer.entries.into_iter().filter_map(ListedThread::of).collect();
    Ok(Answer::done(
        "Fetched the chatbot threads successfully",
        ListedThreads { threads },
    ))
}

/// The thread.
#[derive(Serialize, ToSchema)]
pub(super) struct FetchedThread {
    thread: ChatbotThread,
}

/// How many of a thread's newest messages come with it.
const MESSAGES: i32 = 1_000;

/// Get a thread with its messages
///
/// The newest 1000 messages, oldest first.
#[utoipa::path(get, path = "/v0/chatbots/{chatbotId}/threads/{threadId}", tag = "Threads",
    responses((status = 200, description = "`Fetched the thread successfully`", body = Answer<FetchedThread>)))]
pub(super) async fn get_chatbot_thread(call: Call) -> Result<Answer<FetchedThread>, Failure> {
    let request = call.request(pb::GetThreadRequest {
        chatbot_id: call.chatbot()?,
        thread_id: call.thread()?,
        message_limit: MESSAGES,
    });
    let answer = call.threads().get_thread(request).await?.into_inner();
    let thread = ChatbotThread::of(given(answer.thread)?, answer.messages);
    Ok(Answer::done(
        "Fetched the thread successfully",
        FetchedThread { thread },
    ))
}

/// What to change of a thread: the members that are present.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct UpdateThread {
    mode: Option<Mode>,
    /// Where all messages are sent: an absolute http(s) URL; an empty text clears it.
    webhook_url: Option<String>,
    /// Sent along with them. Never shown again; an empty text clears it.
    webhook_token: Option<String>,
    #[schema(value_type = Option<ChatUserChange>)]
    chat_user: Option<Object<ChatUserChange>>,
}

/// What to change of the visitor: the members that are present.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ChatUserChange {
    email: Option<String>,
    name: Option<String>,
    phone_number: Option<String>,
}

/// Update a thread
#[utoipa::path(patch, path = "/v0/chatbots/{chatbotId}/threads/{threadId}", tag = "Threads",
    request_body(content = UpdateThread, content_type = "application/json"),
    responses((status = 200, description = "`Updated the chatbot thread successfully`", body = Answer<Null>)))]
pub(super) async fn update_chatbot_thread(call: Call) -> Result<Answer<Null>, Failure> {
    let body: UpdateThread = call.object()?;
    let request = call.request(pb::UpdateThreadRequest {
        chatbot_id: call.chatbot()?,
        thread_id: call.thread()?,
        mode: number(body.mode),
        webhook_url: body.webhook_url,
        webhook_token: body.webhook_token,
        visitor: body.chat_user.map(|Object(user)| pb::VisitorChange {
            email: user.email,
            name: user.name,
            phone_number: user.phone_number,
        }),
    });
    call.threads()
        .update_thread(request)
        .await
        .map_err(Failure::naming(NAMES))?;
    Ok(Answer::done("Updated the chatbot thread successfully", Null))
}

/// Why the visitor wants a person.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct EscalateThread {
    /// At most 2000 characters; kept with the escalation.
    escalation_prompt: Option<String>,
}

/// Escalate a thread
///
/// Sets the escalated flag: an escalated thread stays as it is.
#[utoipa::path(post, path = "/v0/chatbots/{chatbotId}/threads/{threadId}/escalate", tag = "Threads",
    request_body(content = EscalateThread, content_type = "application/json"),
    responses((status = 200, description = "`Escalated the conversation successfully`", body = Answer<Null>)))]
pub(super) async fn escalate_chatbot_thread(call: Call) -> Result<Answer<Null>, Failure> {
    let body: EscalateThread = call.object()?;
    let request = call.request(pb::EscalateRequest {
        chatbot_id: call.chatbot()?,
        thread_id: call.thread()?,
        prompt: body.escalation_prompt,
    });
    call.threads()
        .escalate(request)
        .await
        .map_err(Failure::naming(&[("prompt", "escalationPrompt")]))?;
    Ok(Answer::done("Escalated the conversation successfully", Null))
}
