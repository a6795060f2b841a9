//! Contact endpoints: the addresses and numbers of the organization.

use http::StatusCode;
use proto::conversation::v1 as pb;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::answer::Data;
use super::ask::Ask;
use super::refusal::{Refusal, Terms};
use super::words::{ContactEndpointKind, TelephonyFunction};
use crate::answer::given;
use crate::errors::Names;
use crate::words::{Word as _, number};

/// An address (`EmailEndpoint`: `address`, `senderOverride`) or a number (`TelephonyEndpoint`: `number`,
/// `functionality`).
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ContactEndpoint {
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sender_override: Option<String>,
    /// E.164.
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    functionality: Option<Vec<TelephonyFunction>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(rename = "_type")]
    kind: ContactEndpointKind,
}

impl ContactEndpoint {
    fn of(endpoint: pb::ContactEndpoint) -> Result<Self, Refusal> {
        let mut shown = Self {
            address: None,
            sender_override: None,
            number: None,
            functionality: None,
            name: endpoint.name,
            kind: ContactEndpointKind::Email,
        };
        match given(endpoint.endpoint)? {
            pb::contact_endpoint::Endpoint::Email(email) => {
                shown.address = Some(email.address);
                shown.sender_override = email.sender_override;
            }
            pb::contact_endpoint::Endpoint::Telephony(telephony) => {
                shown.functionality = Some(telephony.functionality().filter_map(TelephonyFunction::of).collect());
                shown.number = Some(telephony.number);
                shown.kind = ContactEndpointKind::Telephony;
            }
        }
        Ok(shown)
    }

    fn message(self) -> Result<pb::ContactEndpoint, Refusal> {
        use pb::contact_endpoint::Endpoint;
        let endpoint = match self.kind {
            ContactEndpointKind::Email => Endpoint::Email(pb::EmailEndpoint {
                address: self.address.ok_or_else(|| Refusal::required("address"))?,
                sender_override: self.sender_override,
            }),
            ContactEndpointKind::Telephony => Endpoint::Telephony(pb::TelephonyEndpoint {
                number: self.number.ok_or_else(|| Refusal::required("number"))?,
                functionality: self
                    .functionality
                    .into_iter()
                    .flatten()
                    .map(|function| number(Some(function)))
                    .collect(),
            }),
        };
        Ok(pb::ContactEndpoint {
            name: self.name,
            endpoint: Some(endpoint),
        })
    }

    fn answer(endpoint: Option<pb::ContactEndpoint>) -> Result<Data<Self>, Refusal> {
        let data = Self::of(given(endpoint)?)?;
        Ok(Data { data })
    }
}

/// Create a contact endpoint
///
/// An addition to the source.
#[utoipa::path(post, path = "/v1/contact-endpoints", tag = "Contact endpoints",
    request_body(content = ContactEndpoint, content_type = "application/json",
        example = json!({"address": "support@shop.example", "name": "Support", "_type": "EmailEndpoint"})),
    responses((status = 201, description = "The contact endpoint", body = Data<ContactEndpoint>)))]
pub(super) async fn create_contact_endpoint(ask: Ask) -> Result<(StatusCode, Data<ContactEndpoint>), Refusal> {
    const NAMES: Names = &[("contact_endpoint", ""), ("email", ""), ("telephony", "")];
    let body: ContactEndpoint = ask.object()?;
    let request = ask.request(pb::CreateContactEndpointRequest {
        contact_endpoint: Some(body.message()?),
    });
    let answer = ask.directory().create_contact_endpoint(request).await;
    let answer = answer.map_err(Terms::BODY.names(NAMES).refuse())?.into_inner();
    Ok((StatusCode::CREATED, ContactEndpoint::answer(answer.contact_endpoint)?))
}

/// List the contact endpoints
#[utoipa::path(get, path = "/v1/contact-endpoints", tag = "Contact endpoints",
    params(("_type" = inline(Option<ContactEndpointKind>), Query, description = "Of this kind only")),
    responses((status = 200, description = "The contact endpoints", body = Data<Vec<ContactEndpoint>>)))]
pub(super) async fn list_contact_endpoints(ask: Ask) -> Result<Data<Vec<ContactEndpoint>>, Refusal> {
    let kind = ask.query()?.word::<ContactEndpointKind>("_type")?;
    let request = ask.request(pb::ListContactEndpointsRequest { kind: number(kind) });
    let answer = ask.directory().list_contact_endpoints(request).await?.into_inner();
    let endpoints = answer.contact_endpoints.into_iter().map(ContactEndpoint::of);
    let data = endpoints.collect::<Result<_, _>>()?;
    Ok(Data { data })
}

/// Whether `text` is an e-mail address or a number in E.164 form, as far as the two can be told from nonsense.
fn is_endpoint(text: &str) -> bool {
    let digits = text.strip_prefix('+');
    text.contains('@')
        || digits.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Get a contact endpoint
///
/// By its address or number.
#[utoipa::path(get, path = "/v1/contact-endpoints/{contactEndpointId}", tag = "Contact endpoints",
    responses((status = 200, description = "The contact endpoint", body = Data<ContactEndpoint>)))]
pub(super) async fn get_contact_endpoint(ask: Ask) -> Result<Data<ContactEndpoint>, Refusal> {
    const NEITHER: &str = "The id is neither a valid email nor a valid E.164 phone number";
    let id = ask.text("contactEndpointId");
    if !is_endpoint(&id) {
        return Err(Refusal::bad_request(NEITHER));
    }
    let request = ask.request(pb::GetContactEndpointRequest { id });
    let answer = ask.directory().get_contact_endpoint(request).await;
    let terms = Terms::BODY.known(&[("REQUEST_VALIDATION_FAILED", StatusCode::BAD_REQUEST, NEITHER)]);
    ContactEndpoint::answer(answer.map_err(terms.refuse())?.into_inner().contact_endpoint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::{Object, parse};

    #[test]
    fn each_kind_reads_as_it_is_written_and_ends_with_its_type() {
        for text in [
            r#"{"address":"support@shop.example","name":"Support","_type":"EmailEndpoint"}"#,
            r#"{"number":"+4511223344","functionality":["Sms","VoiceInbound"],"_type":"TelephonyEndpoint"}"#,
        ] {
            let Object(endpoint) = parse::<Object<ContactEndpoint>>(text.as_bytes()).unwrap();
            let shown = ContactEndpoint::of(endpoint.message().unwrap()).unwrap();
            assert_eq!(serde_json::to_string(&shown).unwrap(), text);
        }
    }

    #[test]
    fn a_kind_without_its_own_member_is_refused() {
        for (text, missing) in [
            (r#"{"number":"+45","_type":"EmailEndpoint"}"#, "address"),
            (r#"{"address":"a@b","_type":"TelephonyEndpoint"}"#, "number"),
        ] {
            let Object(endpoint) = parse::<Object<ContactEndpoint>>(text.as_bytes()).unwrap();
            assert_eq!(
                endpoint.message().unwrap_err().message(),
                format!("Invalid value for: body ({missing} is required)")
            );
        }
    }
}
