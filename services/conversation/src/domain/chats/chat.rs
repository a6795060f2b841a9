//! A chat as it is read and told.

use platform::time::{Time, to_rfc3339};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Ended, Holder, Participation, Session, Status};
use crate::domain::draft::Author;
use crate::domain::state::State;

/// What is meant when nobody names a language.
pub(crate) const LANGUAGE: &str = "en";

/// A person, for surfaces whose ids are integers.
#[derive(Clone, Debug)]
pub(crate) struct Numbered {
    pub(crate) id: Uuid,
    pub(crate) number: i64,
}

/// Who a chat is with.
#[derive(Clone, Debug)]
pub(crate) struct EndUser {
    pub(crate) person: Numbered,
    pub(crate) identifier: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) phone: Option<String>,
}

/// Who has a chat.
#[derive(Clone, Debug)]
pub(crate) struct Agent {
    pub(crate) person: Numbered,
    pub(crate) name: Option<String>,
    pub(crate) is_virtual: bool,
}

/// Where a chat can be started.
#[derive(Clone, Debug)]
pub(crate) struct Menu {
    pub(crate) number: i64,
    pub(crate) name: String,
    pub(crate) language: Option<String>,
}

/// Somebody who took part.
#[derive(Clone, Debug)]
pub(crate) struct Participant {
    pub(crate) person: Numbered,
    pub(crate) name: Option<String>,
    pub(crate) first_name: Option<String>,
    pub(crate) avatar_url: Option<String>,
    pub(crate) is_virtual: bool,
    pub(crate) participation: Participation,
}

/// A chat.
#[derive(Clone, Debug)]
pub(crate) struct Chat {
    pub(crate) id: i64,
    pub(crate) state: State,
    pub(crate) created_at: Time,
    pub(crate) closed_at: Option<Time>,
    pub(crate) language: Option<String>,
    pub(crate) end_user: EndUser,
    pub(crate) agent: Option<Agent>,
    pub(crate) menu: Option<Menu>,
    pub(crate) context: Option<Value>,
    /// None: nothing but the conversation.
    pub(crate) session: Option<Session>,
    pub(crate) idle_since: Option<Time>,
    pub(crate) dismissed_since: Option<Time>,
    pub(crate) event_sequence: i64,
}

impl Chat {
    pub(crate) fn holder(&self) -> Holder {
        match &self.agent {
            None => Holder::Nobody,
            Some(agent) if agent.is_virtual => Holder::VirtualAgent,
            Some(_) => Holder::Person,
        }
    }

    /// Who in it has this number: its end user, or who has it.
    pub(crate) fn author(&self, number: i64) -> Option<Author> {
        let author = |person: &Numbered, is_agent| {
            (person.number == number).then_some(Author {
                id: person.id,
                is_agent,
            })
        };
        let agent = self.agent.as_ref();
        author(&self.end_user.person, false).or_else(|| author(&agent?.person, true))
    }

    pub(crate) fn status(&self) -> Status {
        let ended = self.session.and_then(|session| session.ended);
        Status::of(self.state, self.holder(), ended)
    }

    /// What an event says of it.
    pub(crate) fn snapshot(&self) -> Value {
        self.snapshot_ended(self.session.and_then(|session| session.ended))
    }

    /// The same once it has ended in this way, or not.
    pub(crate) fn snapshot_ended(&self, ended: Option<Ended>) -> Value {
        let agent = |is_virtual: bool| {
            let agent = self.agent.as_ref().filter(|agent| agent.is_virtual == is_virtual);
            agent.map(|agent| json!({ "id": agent.person.number, "name": agent.name }))
        };
        json!({
            "id": self.id,
            "status": Status::of(self.state, self.holder(), ended).as_str(),
            "lang": self.language.as_deref().unwrap_or(LANGUAGE),
            "created_at": to_rfc3339(self.created_at),
            "ends_at": self.closed_at.map(to_rfc3339),
            "menu": self.menu.as_ref().map(|menu| json!({ "id": menu.number, "name": menu.name })),
            "end_user": {
                "id": self.end_user.person.number,
                "identifier": self.end_user.identifier,
                "person_id": self.end_user.person.id,
            },
            "agent": agent(false),
            "virtual_agent": agent(true),
            "context": self.context.as_ref().map(|value| json!({ "value": value })),
        })
    }
}
