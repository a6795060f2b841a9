//! Threads: made, listed, changed, ended.

use std::collections::HashSet;

use platform::access::Call;
use platform::page;
use proto::thread::v1 as pb;
use serde_json::json;
use tonic::{Response, Status};

use super::{Api, Done, wire};
use crate::domain::{
    Error, EscalationStep, Thread, ThreadChange, VisitorChange, Want, email, lookup, optional_bytes, optional_text,
    tags, text, thread_id, webhook_url,
};
use crate::store::NewThread;
use crate::store::lists::Filter;
use crate::store::reads::Read;

/// Messages that come with a thread at most.
const MAX_MESSAGES: i32 = 1000;
/// Changes in one bulk at most.
const MAX_CHANGES: usize = 100;
const MAX_NOTES: usize = 32 * 1024;
const MAX_TOKEN: usize = 1024;

impl Api {
    pub(super) async fn create_thread(
        &self,
        call: Call,
        message: pb::CreateThreadRequest,
    ) -> Result<Response<pb::CreateThreadResponse>, Status> {
        let request = message.clone();
        let id = platform::id::new();
        let asked_mode = wire::read_mode("mode", message.mode)?;
        let thread_id = match message.thread_id {
            Some(id) => thread_id("thread_id", id)?,
            None => platform::id::random().to_string(),
        };
        let address = message
            .visitor_email
            .map(|address| email("visitor_email", address))
            .transpose()?;
        let platform_source = match message.platform_source {
            Some(source) => text("platform_source", source, 64)?,
            None => "api".to_owned(),
        };
        let profile = self.chatbots.profile(call.org(), &message.chatbot_id).await?;

        self.once(&call, "CreateThread", &request, async |tx| {
            let visitor = match address {
                Some(address) => Some(self.store.visitor_by_email(tx, call.org(), &address).await?),
                None => None,
            };
            let new = NewThread {
                id,
                chatbot_id: message.chatbot_id,
                thread_id,
                mode: asked_mode.or(profile.start).unwrap_or(crate::domain::Mode::Ai),
                platform_source,
                visitor,
            };
            let mut thread = self.store.insert_thread(tx, call.org(), new).await?;
            let data = snapshot_of(&thread);
            self.store.tell(tx, &call, &mut thread, "thread.created", data).await?;
            self.store.save_thread(tx, call.org(), &mut thread, None).await?;
            let answer = pb::CreateThreadResponse {
                thread: Some(wire::thread(thread, &profile)),
            };
            Ok(Done::new(format!("threads/{id}"), answer))
        })
        .await
    }

    pub(super) async fn list_threads(
        &self,
        call: Call,
        message: pb::ListThreadsRequest,
    ) -> Result<Response<pb::ListThreadsResponse>, Status> {
        let size = page::size(message.page_size)?;
        let number = page::number(message.page)?;
        let filter = Filter {
            mode: wire::read_mode("mode", message.mode)?,
            resolved: message.resolved,
            archived: message.archived,
            escalated: message.escalated,
            important: message.important,
            anonymous: message.anonymous,
            llm_model_id: message
                .llm_model_id
                .map(|id| text("llm_model_id", id, 200))
                .transpose()?,
        };
        let profile = self.chatbots.profile(call.org(), &message.chatbot_id).await?;
        let (threads, total) = self
            .store
            .threads(call.org(), &message.chatbot_id, &filter, size, (number - 1) * size)
            .await?;
        let mut last = if message.with_last_message {
            let ids: Vec<_> = threads.iter().map(|thread| thread.id).collect();
            self.store.last_messages(call.org(), &ids).await?
        } else {
            std::collections::HashMap::new()
        };
        let entries = threads
            .into_iter()
            .map(|thread| {
                let (last_message, last_question) = match last.remove(&thread.id) {
                    Some((message, question)) => (Some(message), question),
                    None => (None, None),
                };
                let wire = |message| wire::message(message, &thread.chatbot_id, &thread.thread_id);
                pb::list_threads_response::Entry {
                    last_message: last_message.map(wire),
                    last_question: last_question.map(wire),
                    thread: Some(wire::thread(thread, &profile)),
                }
            })
            .collect();
        Ok(Response::new(pb::ListThreadsResponse {
            entries,
            total: i32::try_from(total).unwrap_or(i32::MAX),
            page: i32::try_from(number).unwrap_or(i32::MAX),
            page_size: i32::try_from(size).unwrap_or(i32::MAX),
        }))
    }

    pub(super) async fn get_thread(
        &self,
        call: Call,
        message: pb::GetThreadRequest,
    ) -> Result<Response<pb::GetThreadResponse>, Status> {
        if !(0..=MAX_MESSAGES).contains(&message.message_limit) {
            return Err(Error::invalid("message_limit", "must be 0 to 1000").into());
        }
        lookup("thread_id", &message.thread_id)?;
        let profile = self.chatbots.profile(call.org(), &message.chatbot_id).await?;
        let read = Read {
            org: call.org(),
            chatbot_id: message.chatbot_id,
            thread_id: message.thread_id,
            before: None,
            limit: message.message_limit,
        };
        let page = self.store.page(read).await?;
        let thread = page.thread;
        let messages = page
            .messages
            .into_iter()
            .rev()
            .map(|message| wire::message(message, &thread.chatbot_id, &thread.thread_id))
            .collect();
        Ok(Response::new(pb::GetThreadResponse {
            thread: Some(wire::thread(thread, &profile)),
            messages,
        }))
    }

    pub(super) async fn update_thread(
        &self,
        call: Call,
        message: pb::UpdateThreadRequest,
    ) -> Result<Response<pb::UpdateThreadResponse>, Status> {
        let mut request = message.clone();
        // A retry is recognized by a hash of the request that is stored: it must not give a guessable token away.
        request.webhook_token = request
            .webhook_token
            .map(|token| self.master_key.fingerprint(b"webhook token retries", token.as_bytes()));
        lookup("thread_id", &message.thread_id)?;
        let mut change = ThreadChange {
            mode: wire::read_mode("mode", message.mode)?,
            webhook_url: message
                .webhook_url
                .map(|url| webhook_url("webhook_url", url))
                .transpose()?,
            ..ThreadChange::default()
        };
        let token = message
            .webhook_token
            .map(|token| optional_bytes("webhook_token", token, MAX_TOKEN))
            .transpose()?;
        let visitor = message.visitor.map(visitor_change).transpose()?;
        let profile = self.chatbots.profile(call.org(), &message.chatbot_id).await?;

        self.once(&call, "UpdateThread", &request, async |tx| {
            let mut thread = self
                .store
                .lock_thread(tx, call.org(), &message.chatbot_id, &message.thread_id)
                .await?;
            change.webhook_token = token.map(|token| {
                let place = format!("thread.threads.webhook_token/{}/{}", call.org(), thread.id);
                token.map(|token| self.master_key.seal(place.as_bytes(), token.as_bytes()))
            });
            let mut changed = change.apply(&mut thread);
            if let Some(visitor) = visitor {
                let current = thread.visitor.take();
                thread.visitor = Some(self.store.change_visitor(tx, call.org(), current, &visitor).await?);
                changed = true;
            }
            if changed {
                let data = snapshot_of(&thread);
                self.store.tell(tx, &call, &mut thread, "thread.updated", data).await?;
                self.store
                    .save_thread(tx, call.org(), &mut thread, change.webhook_token.as_ref())
                    .await?;
            }
            let subject = format!("threads/{}", thread.id);
            let answer = pb::UpdateThreadResponse {
                thread: Some(wire::thread(thread, &profile)),
            };
            Ok(Done::new(subject, answer))
        })
        .await
    }

    pub(super) async fn bulk_update_threads(
        &self,
        call: Call,
        message: pb::BulkUpdateThreadsRequest,
    ) -> Result<Response<pb::BulkUpdateThreadsResponse>, Status> {
        let request = message.clone();
        if message.changes.is_empty() || message.changes.len() > MAX_CHANGES {
            return Err(Error::invalid("changes", "must be 1 to 100 changes").into());
        }
        let mut ids = Vec::with_capacity(message.changes.len());
        let mut changes = Vec::with_capacity(message.changes.len());
        let mut seen = HashSet::new();
        for (index, change) in message.changes.into_iter().enumerate() {
            let at = |field: &str| format!("changes[{index}].{field}");
            let id = thread_id(at("thread_id"), change.thread_id.clone())?;
            if !seen.insert(id.clone()) {
                return Err(Error::invalid(at("thread_id"), "must not come twice").into());
            }
            ids.push(id);
            changes.push(bulk_change(change, at)?);
        }
        let profile = self.chatbots.profile(call.org(), &message.chatbot_id).await?;

        self.once(&call, "BulkUpdateThreads", &request, async |tx| {
            let mut threads = self
                .store
                .lock_threads(tx, call.org(), &message.chatbot_id, &ids)
                .await?;
            let mut answered = Vec::with_capacity(ids.len());
            for (id, (change, escalated)) in ids.into_iter().zip(changes) {
                let found = threads.iter().position(|thread| thread.thread_id == id);
                let mut thread = threads.swap_remove(found.ok_or(Error::ThreadNotFound(id))?);
                if change.apply(&mut thread) {
                    let data = snapshot_of(&thread);
                    self.store.tell(tx, &call, &mut thread, "thread.updated", data).await?;
                    self.store.save_thread(tx, call.org(), &mut thread, None).await?;
                }
                let step = escalated.and_then(|target| {
                    EscalationStep::decide(thread.escalated, Want::Set(target), profile.confirmation.as_deref())
                });
                if let Some(step) = step {
                    self.store.escalate(tx, &call, &mut thread, &step, None).await?;
                }
                answered.push(wire::thread(thread, &profile));
            }
            let answer = pb::BulkUpdateThreadsResponse { threads: answered };
            Ok(Done::new(format!("chatbots/{}", message.chatbot_id), answer))
        })
        .await
    }

    pub(super) async fn end_thread(
        &self,
        call: Call,
        message: pb::EndThreadRequest,
    ) -> Result<Response<pb::EndThreadResponse>, Status> {
        lookup("thread_id", &message.thread_id)?;
        let profile = self.chatbots.profile(call.org(), &message.chatbot_id).await?;
        self.once(&call, "EndThread", &message, async |tx| {
            let mut thread = self
                .store
                .lock_thread(tx, call.org(), &message.chatbot_id, &message.thread_id)
                .await?;
            if thread.ended_at.is_none() {
                thread.ended_at = Some(thread.updated_at);
                if thread.escalated {
                    thread.escalated = false;
                    thread.mode = crate::domain::Mode::Ai;
                    self.store.resolve(tx, &call, &thread).await?;
                }
                let data = snapshot_of(&thread);
                self.store.tell(tx, &call, &mut thread, "thread.ended", data).await?;
                self.store.save_thread(tx, call.org(), &mut thread, None).await?;
            }
            let subject = format!("threads/{}", thread.id);
            let answer = pb::EndThreadResponse {
                thread: Some(wire::thread(thread, &profile)),
            };
            Ok(Done::new(subject, answer))
        })
        .await
    }
}

/// What is told of a thread.
fn snapshot_of(thread: &Thread) -> serde_json::Value {
    json!({
        "chatbotId": thread.chatbot_id,
        "threadId": thread.thread_id,
        "mode": match thread.mode { crate::domain::Mode::Ai => "AI", crate::domain::Mode::Agent => "AGENT" },
        "title": thread.title,
        "escalated": thread.escalated,
        "important": thread.important,
        "resolved": thread.resolved,
        "archived": thread.archived,
        "tags": thread.tags,
        "visitor": thread.visitor.as_ref().map(|visitor| json!({
            "id": visitor.id,
            "email": visitor.email,
            "name": visitor.name,
            "phoneNumber": visitor.phone_number,
        })),
    })
}

fn visitor_change(change: pb::VisitorChange) -> Result<VisitorChange, Error> {
    Ok(VisitorChange {
        email: change
            .email
            .map(|address| email("visitor.email", address))
            .transpose()?,
        name: change.name.map(|name| text("visitor.name", name, 200)).transpose()?,
        phone_number: change
            .phone_number
            .map(|number| text("visitor.phone_number", number, 50))
            .transpose()?,
    })
}

/// One change of a bulk, and what it wants of the escalation.
fn bulk_change(change: pb::ThreadChange, at: impl Fn(&str) -> String) -> Result<(ThreadChange, Option<bool>), Error> {
    let within = |error: Error| match error {
        Error::Invalid { field, rule } => Error::Invalid {
            field: at(&field),
            rule,
        },
        other => other,
    };
    let parsed = ThreadChange {
        important: change.important,
        resolved: change.resolved,
        archived: change.archived,
        tags: change
            .tags
            .map(|list| tags("tags", list.values))
            .transpose()
            .map_err(within)?,
        title: change
            .title
            .map(|title| optional_text("title", title, 500))
            .transpose()
            .map_err(within)?,
        internal_notes: change
            .internal_notes
            .map(|notes| optional_bytes("internal_notes", notes, MAX_NOTES))
            .transpose()
            .map_err(within)?,
        ..ThreadChange::default()
    };
    Ok((parsed, change.escalated))
}
