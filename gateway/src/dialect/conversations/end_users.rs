//! End users.

use http::StatusCode;
use proto::conversation::v1 as pb;
use serde::Serialize;
use utoipa::ToSchema;

use super::answer::{Data, Page};
use super::ask::Ask;
use super::parts::{BulkError, BulkOutcome, CustomAttribute};
use super::people::{self, Change, Input, LIST_NAMES, Listed, Who};
use super::refusal::{Refusal, Terms};
use crate::answer::{Stamp, given};

/// An end user.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct EndUser {
    id: String,
    created_at: Stamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    display_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    phone_number: Option<String>,
    additional_emails: Vec<String>,
    additional_phone_numbers: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_name: Option<String>,
    middle_names: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    avatar_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    external_id: Option<String>,
    /// Absent in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    custom_attributes: Option<Vec<CustomAttribute>>,
}

impl From<pb::Person> for EndUser {
    fn from(person: pb::Person) -> Self {
        let attributes = person.custom_attributes.into_iter();
        Self {
            id: person.id,
            created_at: Stamp::of(person.created_at),
            display_name: person.display_name,
            email: person.email,
            phone_number: person.phone_number,
            additional_emails: person.additional_emails,
            additional_phone_numbers: person.additional_phone_numbers,
            first_name: person.first_name,
            last_name: person.last_name,
            middle_names: person.middle_names,
            avatar_url: person.avatar_url,
            external_id: person.external_id,
            custom_attributes: Some(attributes.map(CustomAttribute::from).collect()),
        }
    }
}

/// List the end users
///
/// Oldest first, without their custom attributes.
#[utoipa::path(get, path = "/v1/endusers", tag = "End users",
    params(
        ("email" = Option<String>, Query, description = "The one with this address"),
        ("phone" = Option<String>, Query, description = "The one with this number"),
        ("externalId" = Option<String>, Query, description = "The one with this id. At most one of these three is given"),
        ("pageLimit" = Option<i32>, Query, description = "1 to 200, default 50", minimum = 1, maximum = 200),
        ("pageKey" = Option<String>, Query, description = "From `meta.next` of the page before"),
    ),
    responses((status = 200, description = "A page of end users", body = Page<EndUser>)))]
pub(super) async fn list_end_users(ask: Ask) -> Result<Page<EndUser>, Refusal> {
    let (params, request) = people::list_request(&ask, Who::EndUsers)?;
    let answer = ask.directory().list_people(ask.request(request)).await;
    let answer = answer.map_err(Terms::PAGE.names(LIST_NAMES).refuse())?.into_inner();
    let meta = ask.links(&params, &["email", "phone", "externalId"], &answer.next_page_token)?;
    let people = answer.people.into_iter().map(|person| EndUser {
        custom_attributes: None,
        ..person.into()
    });
    Ok(Page {
        data: people.collect(),
        meta,
    })
}

/// Create an end user
#[utoipa::path(post, path = "/v1/endusers", tag = "End users",
    request_body(content = Input, content_type = "application/json",
        example = json!({"displayName": "Laura Palmer", "email": "laura@home.example"})),
    responses((status = 201, description = "The end user", body = Data<EndUser>)))]
pub(super) async fn create_end_user(ask: Ask) -> Result<(StatusCode, Data<EndUser>), Refusal> {
    let data = people::create_one(&ask, Who::EndUsers).await?;
    Ok((StatusCode::CREATED, Data { data }))
}

type Outcomes = Data<Vec<BulkOutcome<EndUser, BulkError>>>;

/// Create end users
///
/// Each succeeds or fails by itself; outcomes come in the order of the request.
#[utoipa::path(post, path = "/v1/endusers/bulk", tag = "End users",
    request_body(content = Listed, content_type = "application/json"),
    responses((status = 201, description = "What became of each", body = Data<Vec<BulkOutcome<EndUser, BulkError>>>)))]
pub(super) async fn create_end_users(ask: Ask) -> Result<(StatusCode, Outcomes), Refusal> {
    let data = people::create_all(&ask, Who::EndUsers).await?;
    Ok((StatusCode::CREATED, Data { data }))
}

/// Replace end users
///
/// Each succeeds or fails by itself; outcomes come in the order of the request.
#[utoipa::path(put, path = "/v1/endusers", tag = "End users",
    request_body(content = Listed, content_type = "application/json"),
    responses((status = 200, description = "What became of each", body = Data<Vec<BulkOutcome<EndUser, BulkError>>>)))]
pub(super) async fn replace_end_users(ask: Ask) -> Result<Outcomes, Refusal> {
    let data = people::update_all(&ask, Who::EndUsers, Change::Put).await?;
    Ok(Data { data })
}

/// Patch end users
///
/// Each succeeds or fails by itself; outcomes come in the order of the request.
#[utoipa::path(patch, path = "/v1/endusers", tag = "End users",
    request_body(content = Listed, content_type = "application/json"),
    responses((status = 200, description = "What became of each", body = Data<Vec<BulkOutcome<EndUser, BulkError>>>)))]
pub(super) async fn patch_end_users(ask: Ask) -> Result<Outcomes, Refusal> {
    let data = people::update_all(&ask, Who::EndUsers, Change::Patch).await?;
    Ok(Data { data })
}

/// Get an end user
#[utoipa::path(get, path = "/v1/endusers/{userId}", tag = "End users",
    responses((status = 200, description = "The end user", body = Data<EndUser>)))]
pub(super) async fn get_end_user(ask: Ask) -> Result<Data<EndUser>, Refusal> {
    let request = ask.request(pb::GetPersonRequest {
        id: ask.uuid("userId")?,
        role: pb::Role::EndUser.into(),
    });
    let answer = ask.directory().get_person(request).await?.into_inner();
    let data = given(answer.person)?.into();
    Ok(Data { data })
}

/// Replace an end user
#[utoipa::path(put, path = "/v1/endusers/{userId}", tag = "End users",
    request_body(content = Input, content_type = "application/json"),
    responses((status = 200, description = "The end user", body = Data<EndUser>)))]
pub(super) async fn replace_end_user(ask: Ask) -> Result<Data<EndUser>, Refusal> {
    let data = people::update_one(&ask, Who::EndUsers, Change::Put, ask.uuid("userId")?).await?;
    Ok(Data { data })
}

/// Patch an end user
#[utoipa::path(patch, path = "/v1/endusers/{userId}", tag = "End users",
    request_body(content = Input, content_type = "application/json"),
    responses((status = 200, description = "The end user", body = Data<EndUser>)))]
pub(super) async fn patch_end_user(ask: Ask) -> Result<Data<EndUser>, Refusal> {
    let data = people::update_one(&ask, Who::EndUsers, Change::Patch, ask.uuid("userId")?).await?;
    Ok(Data { data })
}
