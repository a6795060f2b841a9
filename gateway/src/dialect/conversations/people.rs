//! What agents and end users have in common: how they are given, and what becomes of many at once.

use std::fmt;
use std::marker::PhantomData;

use proto::conversation::v1 as pb;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use super::ask::{Ask, is_uuid};
use super::parts::{BulkError, BulkOutcome};
use super::refusal::{Part, Refusal, Terms};
use crate::answer::given;
use crate::errors::{Failure, Names};
use crate::extract::Object;

/// A person to be created, or changed: with PUT what is absent is cleared, with PATCH it stays.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PersonInput)]
pub(super) struct Input {
    /// Only read in bulk changes, and required there.
    id: Option<String>,
    /// Required of agents, and with PUT.
    display_name: Option<String>,
    /// Required of a new agent; can't be changed of an agent.
    email: Option<String>,
    /// E.164.
    phone_number: Option<String>,
    additional_emails: Option<Vec<String>>,
    additional_phone_numbers: Option<Vec<String>>,
    first_name: Option<String>,
    last_name: Option<String>,
    middle_names: Option<Vec<String>>,
    avatar_url: Option<String>,
    /// Of an end user: the caller's own id, unique in the organization.
    external_id: Option<String>,
    /// Of a new agent: it is a program. An addition to the source; the same for all of a bulk request.
    #[serde(default)]
    is_virtual: bool,
}

/// Whom an operation is about.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Who {
    Agents,
    EndUsers,
}

/// Whether what is absent is cleared or stays.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Change {
    Put,
    Patch,
}

impl Who {
    fn role(self) -> pb::Role {
        match self {
            Self::Agents => pb::Role::Agent,
            Self::EndUsers => pb::Role::EndUser,
        }
    }

    /// What an agent signs in with is not for others to change, and only end users have ids of somebody else's.
    fn may_set(self, field: &str) -> bool {
        self == Self::EndUsers || !matches!(field, "email" | "external_id")
    }
}

impl Input {
    /// The message, and the names of the fields that are given.
    fn person(self) -> (pb::PersonInput, Vec<&'static str>) {
        let fields = [
            ("display_name", self.display_name.is_some()),
            ("email", self.email.is_some()),
            ("phone_number", self.phone_number.is_some()),
            ("additional_emails", self.additional_emails.is_some()),
            ("additional_phone_numbers", self.additional_phone_numbers.is_some()),
            ("first_name", self.first_name.is_some()),
            ("last_name", self.last_name.is_some()),
            ("middle_names", self.middle_names.is_some()),
            ("avatar_url", self.avatar_url.is_some()),
            ("external_id", self.external_id.is_some()),
        ];
        let person = pb::PersonInput {
            display_name: self.display_name,
            email: self.email,
            phone_number: self.phone_number,
            additional_emails: self.additional_emails.unwrap_or_default(),
            additional_phone_numbers: self.additional_phone_numbers.unwrap_or_default(),
            first_name: self.first_name,
            last_name: self.last_name,
            middle_names: self.middle_names.unwrap_or_default(),
            avatar_url: self.avatar_url,
            external_id: self.external_id,
        };
        let given = fields.into_iter().filter(|(_, given)| *given);
        (person, given.map(|(name, _)| name).collect())
    }
}

const FIELDS: [&str; 10] = [
    "display_name",
    "email",
    "phone_number",
    "additional_emails",
    "additional_phone_numbers",
    "first_name",
    "last_name",
    "middle_names",
    "avatar_url",
    "external_id",
];

/// Fields of a list as callers know them.
const LIST: Terms = Terms::BODY.names(&[("people", "data"), ("changes", "data"), ("person", "")]);

fn outcomes<T: From<pb::Person>>(outcomes: Vec<pb::PersonOutcome>) -> Result<Vec<Result<T, BulkError>>, Refusal> {
    let outcomes = outcomes.into_iter().map(|outcome| {
        Ok(match given(outcome.outcome)? {
            pb::person_outcome::Outcome::Person(person) => Ok(person.into()),
            pb::person_outcome::Outcome::Failure(failure) => Err(failure.into()),
        })
    });
    outcomes.collect::<Result<_, Failure>>().map_err(Refusal::from)
}

fn bulk<T>(outcomes: Vec<Result<T, BulkError>>) -> Vec<BulkOutcome<T, BulkError>> {
    outcomes.into_iter().map(BulkOutcome::of).collect()
}

fn only<T>(outcomes: Vec<Result<T, BulkError>>) -> Result<T, Refusal> {
    given(outcomes.into_iter().next())?.map_err(BulkError::refuse)
}

async fn create<T: From<pb::Person>>(
    ask: &Ask,
    who: Who,
    people: Vec<Input>,
) -> Result<Vec<Result<T, BulkError>>, Refusal> {
    let is_virtual = people.iter().any(|person| person.is_virtual);
    if is_virtual && people.iter().any(|person| !person.is_virtual) {
        return Err(Refusal::invalid(Part::Body, "isVirtual", "must be the same for all"));
    }
    let role = if is_virtual && who == Who::Agents {
        pb::Role::VirtualAgent
    } else {
        who.role()
    };
    let request = ask.request(pb::CreatePeopleRequest {
        role: role.into(),
        people: people.into_iter().map(|person| person.person().0).collect(),
    });
    let answer = ask.directory().create_people(request).await;
    outcomes(answer.map_err(LIST.refuse())?.into_inner().outcomes)
}

/// Creates one person.
pub(super) async fn create_one<T: From<pb::Person>>(ask: &Ask, who: Who) -> Result<T, Refusal> {
    let body: Input = ask.object()?;
    if who == Who::Agents {
        for (name, text) in [("displayName", &body.display_name), ("email", &body.email)] {
            if text.is_none() {
                return Err(Refusal::required(name));
            }
        }
    }
    only(create(ask, who, vec![body]).await?)
}

/// Creates people.
pub(super) async fn create_all<T: From<pb::Person>>(
    ask: &Ask,
    who: Who,
) -> Result<Vec<BulkOutcome<T, BulkError>>, Refusal> {
    let Listed { data } = ask.object()?;
    let people = data.into_iter().map(|Object(person)| person).collect();
    create(ask, who, people).await.map(bulk)
}

async fn update<T: From<pb::Person>>(
    ask: &Ask,
    who: Who,
    change: Change,
    people: Vec<(String, Input)>,
) -> Result<Vec<Result<T, BulkError>>, Refusal> {
    // A change of nothing fails without asking anybody: to the context no names of fields mean all of them.
    let mut changes = Vec::with_capacity(people.len());
    let mut empty = Vec::new();
    for (index, (id, person)) in people.into_iter().enumerate() {
        let (person, mut fields) = person.person();
        if change == Change::Put {
            fields = FIELDS.to_vec();
        }
        fields.retain(|field| who.may_set(field));
        if fields.is_empty() {
            empty.push((index, BulkError::empty_patch(id)));
            continue;
        }
        changes.push(pb::PersonChange {
            id,
            person: Some(person),
            fields: fields.into_iter().map(str::to_owned).collect(),
        });
    }
    let mut results = if changes.is_empty() && !empty.is_empty() {
        Vec::new()
    } else {
        let request = ask.request(pb::UpdatePeopleRequest {
            role: who.role().into(),
            changes,
        });
        let answer = ask.directory().update_people(request).await;
        outcomes(answer.map_err(LIST.refuse())?.into_inner().outcomes)?
    };
    for (index, error) in empty {
        results.insert(index.min(results.len()), Err(error));
    }
    Ok(results)
}

/// Changes one person.
pub(super) async fn update_one<T: From<pb::Person>>(
    ask: &Ask,
    who: Who,
    change: Change,
    id: String,
) -> Result<T, Refusal> {
    let body: Input = ask.object()?;
    if change == Change::Put && body.display_name.is_none() {
        return Err(Refusal::required("displayName"));
    }
    only(update(ask, who, change, vec![(id, body)]).await?)
}

/// Changes people.
pub(super) async fn update_all<T: From<pb::Person>>(
    ask: &Ask,
    who: Who,
    change: Change,
) -> Result<Vec<BulkOutcome<T, BulkError>>, Refusal> {
    let Either(data) = ask.json()?;
    let people = data.into_iter().enumerate().map(|(index, Object(mut person))| {
        let field = |name| format!("data[{index}].{name}");
        let id = person.id.take().ok_or_else(|| Refusal::required(&field("id")))?;
        if !is_uuid(&id) {
            return Err(Refusal::invalid(Part::Body, field("id"), "must be a UUID"));
        }
        if change == Change::Put && person.display_name.is_none() {
            return Err(Refusal::required(&field("displayName")));
        }
        Ok((id, person))
    });
    let people = people.collect::<Result<_, _>>()?;
    update(ask, who, change, people).await.map(bulk)
}

/// Entries of a bulk request.
#[derive(Deserialize, ToSchema)]
#[schema(as = PeopleInput)]
pub(super) struct Listed {
    /// 1 to 100.
    #[schema(value_type = Vec<Input>)]
    data: Vec<Object<Input>>,
}

/// Entries of a bulk request, in an envelope or without: the source has one, a known client the other.
struct Either<T>(Vec<T>);

impl<'de> Deserialize<'de> for Either<Object<Input>> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Forms(PhantomData<Input>);

        impl<'de> Visitor<'de> for Forms {
            type Value = Vec<Object<Input>>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array or an object")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, entries: A) -> Result<Self::Value, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(entries))
            }

            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Self::Value, A::Error> {
                Listed::deserialize(MapAccessDeserializer::new(members)).map(|listed| listed.data)
            }
        }

        deserializer.deserialize_any(Forms(PhantomData)).map(Self)
    }
}

/// The query of a list of people: at most one of these is given.
pub(super) fn list_request(ask: &Ask, who: Who) -> Result<(super::ask::Params<'_>, pb::ListPeopleRequest), Refusal> {
    let params = ask.paged(&["email", "phone", "externalId"])?;
    let (email, phone_number) = (params.owned("email")?, params.owned("phone")?);
    let external_id = match who {
        Who::Agents => None,
        Who::EndUsers => params.owned("externalId")?,
    };
    let count = [&email, &phone_number, &external_id].into_iter().flatten().count();
    if count > 1 {
        return Err(Refusal::bad_request(match who {
            Who::Agents => "Cannot provide both phone number and email address",
            Who::EndUsers => "Cannot provide more than one of phone number, email address and external id",
        }));
    }
    let request = pb::ListPeopleRequest {
        role: who.role().into(),
        email,
        phone_number,
        external_id,
        page_size: params.limit(200)?,
        page_token: params.token(),
    };
    Ok((params, request))
}

/// Fields of a list request as callers know them.
pub(super) const LIST_NAMES: Names = &[
    ("page_size", "pageLimit"),
    ("page_token", "pageKey"),
    ("phone_number", "phone"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::parse;

    #[test]
    fn a_bulk_body_is_an_array_or_an_object_that_has_one() {
        for body in [r#"[{"id":"7"}]"#, r#"{"data":[{"id":"7"}]}"#] {
            let Either(data) = parse::<Either<Object<Input>>>(body.as_bytes()).unwrap();
            assert_eq!(data[0].0.id.as_deref(), Some("7"), "{body}");
        }
        for body in ["7", "{}", r#"{"data":7}"#] {
            assert!(parse::<Either<Object<Input>>>(body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn what_is_given_of_a_person_is_known_by_its_field() {
        let Object(input) = parse::<Object<Input>>(br#"{"displayName":"Dale","middleNames":[],"email":null}"#).unwrap();
        let (person, fields) = input.person();
        assert_eq!(fields, ["display_name", "middle_names"]);
        assert_eq!(person.display_name.as_deref(), Some("Dale"));
    }
}
