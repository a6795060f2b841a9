//! People.

use platform::OrgId;
use platform::access::Call;
use platform::fault::Violation;
use platform::time;
use proto::conversation::v1::{
    self as wire, CreatePeopleRequest, GetPersonRequest, GetPersonResponse, ListPeopleRequest, ListPeopleResponse,
    PatchEndUserAttributesRequest, PatchEndUserAttributesResponse, RemoveAgentRequest, RemoveAgentResponse,
    UpdatePeopleRequest,
};
use sqlx::PgConnection;
use tonic::{Response, Status};
use uuid::Uuid;

use super::{Api, Done, attributes, cut, page_size, transitions};
use crate::domain::attributes::{Entity, Shown, check_changes};
use crate::domain::people::{AGENT_ROLE, Clash, Kind, Person, Profile, Roles};
use crate::domain::{ConversationError, field, state};
use crate::store::Store;
use crate::store::people::{NewPerson, Wanted};

/// How many people a request creates or changes at most.
const BULK: usize = 100;
/// How many further addresses, numbers and names somebody has at most.
const FURTHER: usize = 50;

/// What became of one person of a request: the person, or why not.
type Outcome = Result<wire::Person, wire::Failure>;

impl Api {
    pub(super) async fn create_people(
        &self,
        call: Call,
        message: CreatePeopleRequest,
    ) -> Result<Response<wire::CreatePeopleResponse>, Status> {
        let roles = parse_role(message.role).map_err(ConversationError::from)?;
        field::count("people", message.people.len(), 1, BULK).map_err(ConversationError::from)?;
        let people = message.people.clone();
        self.once(&call, "CreatePeople", &message, async |tx| {
            let org = call.org();
            Store::lock_people(org, tx, people.len() > 1).await?;
            let mut outcomes = Vec::with_capacity(people.len());
            for input in people {
                outcomes.push(create(org, tx, roles, input).await?);
            }
            let subject = subject(&outcomes);
            Ok(Done::new(
                subject,
                wire::CreatePeopleResponse {
                    outcomes: answer(outcomes),
                },
            ))
        })
        .await
    }

    pub(super) async fn update_people(
        &self,
        call: Call,
        message: UpdatePeopleRequest,
    ) -> Result<Response<wire::UpdatePeopleResponse>, Status> {
        let roles = parse_role(message.role).map_err(ConversationError::from)?;
        field::count("changes", message.changes.len(), 1, BULK).map_err(ConversationError::from)?;
        let changes = message.changes.clone();
        self.once(&call, "UpdatePeople", &message, async |tx| {
            let org = call.org();
            Store::lock_people(org, tx, true).await?;
            let mut outcomes = Vec::with_capacity(changes.len());
            for change in changes {
                outcomes.push(update(org, tx, roles, change).await?);
            }
            let subject = subject(&outcomes);
            Ok(Done::new(
                subject,
                wire::UpdatePeopleResponse {
                    outcomes: answer(outcomes),
                },
            ))
        })
        .await
    }

    pub(super) async fn get_person(
        &self,
        call: Call,
        message: GetPersonRequest,
    ) -> Result<Response<GetPersonResponse>, Status> {
        let roles = parse_role(message.role).map_err(ConversationError::from)?;
        let id = field::uuid("id", &message.id).map_err(ConversationError::from)?;
        let person = find(call.org(), &self.db, roles, id).await?;
        let attributes = Store::person_attributes(call.org(), &self.db, id).await?;
        Ok(Response::new(GetPersonResponse {
            person: Some(to_wire(person, attributes)),
        }))
    }

    pub(super) async fn list_people(
        &self,
        call: Call,
        message: ListPeopleRequest,
    ) -> Result<Response<ListPeopleResponse>, Status> {
        let kind = parse_role(message.role).map_err(ConversationError::from)?.kind();
        let size = page_size(message.page_size)?;
        let org = call.org();
        let wanted =
            parse_wanted(message.email, message.phone_number, message.external_id).map_err(ConversationError::from)?;
        let list = ["people", &org.to_string(), kind.as_str()];
        let after = self.tokens.read::<i64>(&list, &message.page_token)?.unwrap_or_default();
        let ids = match wanted {
            // An address, a number and an external id lead to one person at most.
            Some(wanted) => {
                let found = Store::find_person(org, &self.db, kind, &wanted).await?;
                found.into_iter().collect()
            }
            None => Store::people_page(org, &self.db, kind, after, size + 1).await?,
        };
        let people = Store::people(org, &self.db, &ids).await?;
        let (people, next) = cut(people, size, |person| person.number);
        Ok(Response::new(ListPeopleResponse {
            people: people.into_iter().map(|person| to_wire(person, Vec::new())).collect(),
            next_page_token: next.map(|next| self.tokens.make(&list, &next)).unwrap_or_default(),
        }))
    }

    pub(super) async fn remove_agent(
        &self,
        call: Call,
        message: RemoveAgentRequest,
    ) -> Result<Response<RemoveAgentResponse>, Status> {
        let id = field::uuid("id", &message.id).map_err(ConversationError::from)?;
        self.once(&call, "RemoveAgent", &message, async |tx| {
            let org = call.org();
            Store::lock_people(org, tx, true).await?;
            Store::agent(org, &mut *tx, id).await?;
            Store::downgrade(org, tx, id).await?;
            for conversation in Store::assigned_to(org, tx, id).await? {
                let locked = Store::lock_conversation(org, tx, conversation).await?;
                transitions::save(
                    &call,
                    tx,
                    &locked,
                    state::unassign(&locked.standing),
                    transitions::owner(&call),
                )
                .await?;
            }
            Ok(Done::new(format!("people/{id}"), RemoveAgentResponse {}))
        })
        .await
    }

    pub(super) async fn patch_end_user_attributes(
        &self,
        call: Call,
        message: PatchEndUserAttributesRequest,
    ) -> Result<Response<PatchEndUserAttributesResponse>, Status> {
        let id = field::uuid("id", &message.id).map_err(ConversationError::from)?;
        let changes = attributes::parse_changes(message.changes.clone()).map_err(ConversationError::from)?;
        self.once(&call, "PatchEndUserAttributes", &message, async |tx| {
            let org = call.org();
            if Store::is_end_user_anonymized(org, tx, id).await? {
                return Err(ConversationError::AlreadyAnonymized);
            }
            let definitions = Store::definitions_for(org, tx, Entity::Contact, &changes).await?;
            check_changes(&definitions, &changes)?;
            Store::save_person_attributes(org, tx, id, &changes).await?;
            let values = Store::person_attributes(org, &mut *tx, id).await?;
            let answer = PatchEndUserAttributesResponse {
                custom_attributes: values.into_iter().map(Into::into).collect(),
            };
            Ok(Done::new(format!("people/{id}"), answer))
        })
        .await
    }
}

async fn create(
    org: OrgId,
    tx: &mut PgConnection,
    roles: Roles,
    input: wire::PersonInput,
) -> Result<Outcome, ConversationError> {
    let kind = roles.kind();
    let parsed = parse(input).and_then(|profile| profile.check(kind).map(|()| profile));
    let profile = match parsed {
        Ok(profile) => profile,
        Err(violation) => return Ok(Err(invalid(String::new(), &violation))),
    };
    let id = platform::id::new();
    let new = NewPerson {
        id,
        roles,
        agent_roles: if roles.is_agent {
            vec![AGENT_ROLE.to_owned()]
        } else {
            Vec::new()
        },
        profile: profile.clone(),
    };
    if let Some(person) = Store::create_person(org, tx, new).await? {
        return Ok(Ok(to_wire(person, Vec::new())));
    }
    let clashes = Store::clashes(org, tx, id, kind, &profile).await?;
    let what = format!("Creating {} in [org={org}]", kind.as_str());
    Ok(Err(integrity(None, &what, &clashes)))
}

async fn update(
    org: OrgId,
    tx: &mut PgConnection,
    roles: Roles,
    change: wire::PersonChange,
) -> Result<Outcome, ConversationError> {
    let wire::PersonChange {
        id: text,
        person,
        fields,
    } = change;
    let refused = |violation: &Violation| Ok(Err(invalid(text.clone(), violation)));
    let id = match field::uuid("id", &text) {
        Ok(id) => id,
        Err(violation) => return refused(&violation),
    };
    let Some(input) = person else {
        let message = format!("there is nothing to change of [id={id}]");
        return Ok(Err(failure(wire::FailureKind::EmptyPatch, text, message)));
    };
    let mut person = match find(org, &mut *tx, roles, id).await {
        Ok(person) => person,
        Err(error @ (ConversationError::AgentNotFound | ConversationError::EndUserNotFound)) => {
            return Ok(Err(failure(wire::FailureKind::NotFound, text, error.to_string())));
        }
        Err(error) => return Err(error),
    };
    let kind = person.roles.kind();
    let email = person.profile.email.clone();
    let taken = parse(input)
        .and_then(|profile| person.profile.take(profile, &fields))
        .and_then(|()| {
            if kind == Kind::Agent && fields.is_empty() && person.profile.email.is_none() {
                // An agent signs in with it, so replacing the rest leaves it alone.
                person.profile.email = email;
            }
            person.profile.check(kind)
        });
    if let Err(violation) = taken {
        return refused(&violation);
    }
    if person.anonymized_at.is_some() {
        return refused(&Violation::new("id", "stands for somebody who is anonymized"));
    }
    let clashes = Store::clashes(org, &mut *tx, id, kind, &person.profile).await?;
    if !clashes.is_empty() {
        let what = format!("Updating {} [id={id}] in [org={org}]", kind.as_str());
        return Ok(Err(integrity(Some(id), &what, &clashes)));
    }
    Store::save_profile(org, tx, id, &person.profile).await?;
    let attributes = Store::person_attributes(org, tx, id).await?;
    Ok(Ok(to_wire(person, attributes)))
}

/// Somebody who has these roles.
async fn find(org: OrgId, on: impl sqlx::PgExecutor<'_>, roles: Roles, id: Uuid) -> Result<Person, ConversationError> {
    let absent = match roles.kind() {
        Kind::Agent => ConversationError::AgentNotFound,
        Kind::EndUser => ConversationError::EndUserNotFound,
    };
    let found = Store::people(org, on, &[id]).await?.pop();
    found.filter(|person| person.roles.include(roles)).ok_or(absent)
}

fn parse_role(role: i32) -> Result<Roles, Violation> {
    match wire::Role::try_from(role) {
        Ok(wire::Role::Agent) => Ok(Roles::AGENT),
        Ok(wire::Role::EndUser) => Ok(Roles::END_USER),
        Ok(wire::Role::VirtualAgent) => Ok(Roles::VIRTUAL_AGENT),
        Ok(wire::Role::Unspecified) | Err(_) => Err(Violation::new("role", "must be a role")),
    }
}

fn parse(input: wire::PersonInput) -> Result<Profile, Violation> {
    let checked = |field: &str, text: Option<String>, check: fn(&str, String) -> Result<String, Violation>| {
        text.filter(|text| !text.is_empty())
            .map(|text| check(field, text))
            .transpose()
    };
    Ok(Profile {
        display_name: field::optional("display_name", input.display_name, field::NAME)?,
        email: checked("email", input.email, field::email)?,
        phone_number: checked("phone_number", input.phone_number, field::phone)?,
        additional_emails: field::texts("additional_emails", input.additional_emails, FURTHER, field::email)?,
        additional_phone_numbers: field::texts(
            "additional_phone_numbers",
            input.additional_phone_numbers,
            FURTHER,
            field::phone,
        )?,
        first_name: field::optional("first_name", input.first_name, field::NAME)?,
        last_name: field::optional("last_name", input.last_name, field::NAME)?,
        middle_names: field::texts("middle_names", input.middle_names, FURTHER, |field, name| {
            field::required(field, name, field::NAME)
        })?,
        avatar_url: checked("avatar_url", input.avatar_url, field::url)?,
        external_id: field::optional("external_id", input.external_id, field::FOREIGN_ID)?,
    })
}

fn parse_wanted(
    email: Option<String>,
    phone_number: Option<String>,
    external_id: Option<String>,
) -> Result<Option<Wanted>, Violation> {
    match (email, phone_number, external_id) {
        (None, None, None) => Ok(None),
        (Some(email), None, None) => Ok(Some(Wanted::Email(field::lookup("email", email)?))),
        (None, Some(number), None) => Ok(Some(Wanted::Phone(field::lookup("phone_number", number)?))),
        (None, None, Some(id)) => Ok(Some(Wanted::ExternalId(field::lookup("external_id", id)?))),
        _ => Err(Violation::new(
            "email",
            "must not be given together with phone_number or external_id, nor these two together",
        )),
    }
}

/// What a kept answer is about: its one person. Of several nobody in particular, so erasing one erases it, too.
fn subject(outcomes: &[Outcome]) -> String {
    match outcomes {
        [Ok(person)] => format!("people/{}", person.id),
        _ => "people".to_owned(),
    }
}

fn failure(kind: wire::FailureKind, id: String, message: String) -> wire::Failure {
    wire::Failure {
        kind: kind.into(),
        id,
        message,
    }
}

fn invalid(id: String, violation: &Violation) -> wire::Failure {
    let message = format!("{} {}", violation.field, violation.description);
    failure(wire::FailureKind::Validation, id, message)
}

/// A clash, in the words of the documented surface. Somebody who was not created has no id, so it is the holder's.
fn integrity(id: Option<Uuid>, what: &str, clashes: &[Clash]) -> wire::Failure {
    let id = id.or_else(|| clashes.first().map(|clash| clash.holder));
    let errors: Vec<_> = clashes.iter().map(|clash| clash.error).collect();
    failure(
        wire::FailureKind::Integrity,
        id.map(|id| id.to_string()).unwrap_or_default(),
        format!("{what} failed with [errors={}]", errors.join(", ")),
    )
}

fn answer(outcomes: Vec<Outcome>) -> Vec<wire::PersonOutcome> {
    let outcomes = outcomes.into_iter().map(|outcome| wire::PersonOutcome {
        outcome: Some(match outcome {
            Ok(person) => wire::person_outcome::Outcome::Person(person),
            Err(failure) => wire::person_outcome::Outcome::Failure(failure),
        }),
    });
    outcomes.collect()
}

/// The wire form of a person with the values of custom attributes.
pub(super) fn to_wire(person: Person, attributes: Vec<Shown>) -> wire::Person {
    let Profile {
        display_name,
        email,
        phone_number,
        additional_emails,
        additional_phone_numbers,
        first_name,
        last_name,
        middle_names,
        avatar_url,
        external_id,
    } = person.profile;
    let roles = [
        (person.roles.is_agent, wire::Role::Agent),
        (person.roles.is_end_user, wire::Role::EndUser),
        (person.roles.is_virtual, wire::Role::VirtualAgent),
    ];
    wire::Person {
        id: person.id.to_string(),
        number: person.number,
        roles: roles
            .into_iter()
            .filter(|(has, _)| *has)
            .map(|(_, role)| role.into())
            .collect(),
        display_name,
        email,
        phone_number,
        additional_emails,
        additional_phone_numbers,
        first_name,
        last_name,
        middle_names,
        avatar_url,
        external_id,
        agent_roles: person.agent_roles.iter().map(|role| agent_role(role).into()).collect(),
        custom_attributes: attributes.into_iter().map(Into::into).collect(),
        created_at: Some(time::to_proto(person.created_at)),
        anonymized_at: person.anonymized_at.map(time::to_proto),
    }
}

fn agent_role(stored: &str) -> wire::AgentRole {
    match stored {
        "SystemAdmin" => wire::AgentRole::SystemAdmin,
        "TeamLead" => wire::AgentRole::TeamLead,
        "Admin" => wire::AgentRole::Admin,
        _ => wire::AgentRole::Agent,
    }
}
