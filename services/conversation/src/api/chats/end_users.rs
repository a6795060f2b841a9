//! End users by the identifiers of integrators.

use platform::OrgId;
use platform::access::Call;
use platform::fault::Violation;
use prost::Message as _;
use proto::conversation::v1 as wire;
use proto::conversation::v1::get_end_user_request::By;
use sqlx::PgConnection;
use tonic::{Response, Status};
use uuid::Uuid;

use super::{lock_running, show};
use crate::api::transitions::{about, save};
use crate::api::{Api, Done};
use crate::domain::chats::chat::Numbered;
use crate::domain::conversation::{Locked, Party};
use crate::domain::people::{Kind, Person, Profile, Roles};
use crate::domain::{ConversationError, field, state};
use crate::store::Store;
use crate::store::people::{NewPerson, Wanted};

/// How many further addresses and numbers somebody has at most.
const FURTHER: usize = 50;

/// An optional e-mail address.
pub(super) fn email(text: Option<String>) -> Result<Option<String>, Violation> {
    let text = text.filter(|text| !text.is_empty());
    text.map(|text| field::email("email", text)).transpose()
}

/// An optional phone number.
pub(super) fn phone(text: Option<String>) -> Result<Option<String>, Violation> {
    let text = text.filter(|text| !text.is_empty());
    text.map(|text| field::phone("phone", text)).transpose()
}

/// What is said of an end user.
struct Said {
    identifier: String,
    name: Option<String>,
    email: Option<String>,
    phone: Option<String>,
}

impl Said {
    fn read(
        identifier: String,
        name: Option<String>,
        email: Option<String>,
        phone: Option<String>,
    ) -> Result<Self, Violation> {
        Ok(Self {
            identifier: field::required("identifier", identifier, field::FOREIGN_ID)?,
            name: field::optional("name", name, field::NAME)?,
            email: self::email(email)?,
            phone: self::phone(phone)?,
        })
    }
}

/// Keeps something as the main one, or as a further one when `is_taken`.
fn keep(main: &mut Option<String>, further: &mut Vec<String>, value: &str, is_taken: bool) {
    if !is_taken {
        further.retain(|other| other != value);
        *main = Some(value.to_owned());
    } else if !further.iter().any(|other| other == value) && further.len() < FURTHER {
        further.push(value.to_owned());
    }
}

/// Gives an end user an address and a number. What another end user has stays theirs and is kept as a further one.
async fn reach(
    org: OrgId,
    tx: &mut PgConnection,
    id: Uuid,
    profile: &mut Profile,
    email: Option<&str>,
    phone: Option<&str>,
) -> Result<(), ConversationError> {
    let asked = Profile {
        email: email.map(str::to_owned),
        phone_number: phone.map(str::to_owned),
        ..Profile::default()
    };
    let clashes = Store::clashes(org, tx, id, Kind::EndUser, &asked).await?;
    let is_taken = |error: &str| clashes.iter().any(|clash| clash.error == error);
    if let Some(email) = email {
        keep(
            &mut profile.email,
            &mut profile.additional_emails,
            email,
            is_taken("EmailExists"),
        );
    }
    if let Some(phone) = phone {
        let further = &mut profile.additional_phone_numbers;
        keep(&mut profile.phone_number, further, phone, is_taken("PhoneNumberExists"));
    }
    Ok(())
}

/// Gives an end user the address and the number they lack. People are locked when there is one.
pub(super) async fn complete(
    org: OrgId,
    tx: &mut PgConnection,
    person: &Person,
    email: Option<&str>,
    phone: Option<&str>,
) -> Result<(), ConversationError> {
    let mut profile = person.profile.clone();
    let email = email.filter(|_| profile.email.is_none());
    let phone = phone.filter(|_| profile.phone_number.is_none());
    reach(org, tx, person.id, &mut profile, email, phone).await?;
    if profile == person.profile {
        return Ok(());
    }
    Store::save_profile(org, tx, person.id, &profile).await
}

/// Makes the end user with an identifier, or updates them. People are locked.
async fn upsert(org: OrgId, tx: &mut PgConnection, said: &Said) -> Result<Person, ConversationError> {
    let wanted = Wanted::ExternalId(said.identifier.clone());
    let found = Store::find_person(org, &mut *tx, Kind::EndUser, &wanted).await?;
    let before = match found {
        Some(id) => Some(Store::end_user(org, &mut *tx, id).await?),
        None => None,
    };
    let id = before.as_ref().map_or_else(platform::id::new, |person| person.id);
    let mut profile = before.as_ref().map(|person| person.profile.clone()).unwrap_or_default();
    profile.external_id = Some(said.identifier.clone());
    if let Some(name) = &said.name {
        profile.display_name = Some(name.clone());
    }
    reach(org, tx, id, &mut profile, said.email.as_deref(), said.phone.as_deref()).await?;
    match before {
        Some(person) if person.profile == profile => Ok(person),
        Some(person) => {
            Store::save_profile(org, tx, id, &profile).await?;
            Ok(Person { profile, ..person })
        }
        None => {
            let new = NewPerson {
                id,
                roles: Roles::END_USER,
                agent_roles: Vec::new(),
                profile,
            };
            let made = Store::create_person(org, tx, new).await?;
            made.ok_or(ConversationError::PersonExists("external id"))
        }
    }
}

fn numbered(person: &Person) -> Numbered {
    Numbered {
        id: person.id,
        number: person.number,
    }
}

impl Api {
    pub(in crate::api) async fn upsert_end_user(
        &self,
        call: Call,
        message: wire::UpsertEndUserRequest,
    ) -> Result<Response<wire::UpsertEndUserResponse>, Status> {
        let wire::UpsertEndUserRequest {
            identifier,
            email,
            name,
            phone,
        } = message.clone();
        let said = Said::read(identifier, name, email, phone).map_err(ConversationError::from)?;
        self.once(&call, "UpsertEndUser", &message, async |tx| {
            let org = call.org();
            Store::lock_people(org, tx, true).await?;
            let person = upsert(org, tx, &said).await?;
            let end_user = Some(show::end_user(&numbered(&person), person.profile.external_id));
            let answer = wire::UpsertEndUserResponse { end_user };
            Ok(Done::new(format!("people/{}", person.id), answer))
        })
        .await
    }

    pub(in crate::api) async fn get_end_user(
        &self,
        call: Call,
        message: wire::GetEndUserRequest,
    ) -> Result<Response<wire::GetEndUserResponse>, Status> {
        let org = call.org();
        let mut connection = self.db.acquire().await.map_err(ConversationError::from)?;
        let found = match message.by {
            Some(By::Id(number)) => Store::person_numbered(org, &mut connection, number).await?,
            Some(By::Identifier(identifier)) => {
                let identifier = field::lookup("identifier", identifier).map_err(ConversationError::from)?;
                let wanted = Wanted::ExternalId(identifier);
                let id = Store::find_person(org, &mut *connection, Kind::EndUser, &wanted).await?;
                let ids: Vec<_> = id.into_iter().collect();
                Store::people(org, &mut *connection, &ids).await?.pop()
            }
            None => return Err(ConversationError::invalid("by", "must be an id or an identifier").into()),
        };
        let person = found
            .filter(|person| person.roles.is_end_user)
            .ok_or(ConversationError::EndUserNotFound)?;
        let end_user = Some(show::end_user(&numbered(&person), person.profile.external_id));
        Ok(Response::new(wire::GetEndUserResponse { end_user }))
    }

    pub(in crate::api) async fn update_chat_end_user(
        &self,
        call: Call,
        message: wire::UpdateChatEndUserRequest,
    ) -> Result<Response<wire::UpdateChatEndUserResponse>, Status> {
        let wire::UpdateChatEndUserRequest {
            identifier,
            name,
            email,
            phone,
            ..
        } = message.clone();
        let said = Said::read(identifier, name, email, phone).map_err(ConversationError::from)?;
        // Keyed, so that what is kept gives nobody away.
        let fingerprint = self
            .master_key
            .fingerprint(b"updates of end users", &message.encode_to_vec());
        self.once(&call, "UpdateChatEndUser", &message, async |tx| {
            let org = call.org();
            Store::lock_people(org, tx, true).await?;
            let locked = lock_running(&call, tx, message.chat_id).await?;
            if !Store::note_end_user_update(org, tx, locked.id, &fingerprint).await? {
                return Err(ConversationError::DuplicateRequest);
            }
            let person = upsert(org, tx, &said).await?;
            if person.id != locked.requester.id {
                let requester = Party {
                    id: person.id,
                    name: person.profile.display_name.clone(),
                    email: person.profile.email.clone(),
                    phone: person.profile.phone_number.clone(),
                };
                Store::replace_requester(org, tx, locked.id, &requester).await?;
                let outcome = state::chats::replace_end_user(&locked.standing, &locked.requester, &requester);
                let locked = Locked { requester, ..locked };
                save(&call, tx, &locked, outcome, person.id).await?;
            }
            let end_user = Some(show::end_user(&numbered(&person), person.profile.external_id));
            Ok(about(locked.id, wire::UpdateChatEndUserResponse { end_user }))
        })
        .await
    }
}
