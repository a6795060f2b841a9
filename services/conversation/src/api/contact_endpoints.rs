//! Contact endpoints.

use platform::access::Call;
use platform::fault::Violation;
use proto::conversation::v1::{
    self as wire, CreateContactEndpointRequest, CreateContactEndpointResponse, GetContactEndpointRequest,
    GetContactEndpointResponse, ListContactEndpointsRequest, ListContactEndpointsResponse,
};
use tonic::{Response, Status};

use super::{Api, Done};
use crate::domain::contact_endpoints::{self, ContactEndpoint, Endpoint, Function};
use crate::domain::{ConversationError, field};
use crate::store::Store;

impl Api {
    pub(super) async fn create_contact_endpoint(
        &self,
        call: Call,
        message: CreateContactEndpointRequest,
    ) -> Result<Response<CreateContactEndpointResponse>, Status> {
        let endpoint = parse(message.clone()).map_err(ConversationError::from)?;
        self.once(&call, "CreateContactEndpoint", &message, async |tx| {
            Store::create_contact_endpoint(call.org(), tx, &endpoint).await?;
            let subject = format!("contact-endpoints/{}", endpoint.id());
            let answer = CreateContactEndpointResponse {
                contact_endpoint: Some(endpoint.into()),
            };
            Ok(Done::new(subject, answer))
        })
        .await
    }

    pub(super) async fn list_contact_endpoints(
        &self,
        call: Call,
        message: ListContactEndpointsRequest,
    ) -> Result<Response<ListContactEndpointsResponse>, Status> {
        let is_email = match wire::ContactEndpointKind::try_from(message.kind) {
            Ok(wire::ContactEndpointKind::Unspecified) => None,
            Ok(wire::ContactEndpointKind::Email) => Some(true),
            Ok(wire::ContactEndpointKind::Telephony) => Some(false),
            Err(_) => return Err(ConversationError::invalid("kind", "must be a kind of contact endpoint").into()),
        };
        let endpoints = Store::contact_endpoints(call.org(), &self.db, is_email).await?;
        Ok(Response::new(ListContactEndpointsResponse {
            contact_endpoints: endpoints.into_iter().map(Into::into).collect(),
        }))
    }

    pub(super) async fn get_contact_endpoint(
        &self,
        call: Call,
        message: GetContactEndpointRequest,
    ) -> Result<Response<GetContactEndpointResponse>, Status> {
        let id = contact_endpoints::id("id", &message.id).map_err(ConversationError::from)?;
        let endpoint = Store::contact_endpoint(call.org(), &self.db, &id).await?;
        Ok(Response::new(GetContactEndpointResponse {
            contact_endpoint: Some(endpoint.into()),
        }))
    }
}

fn parse(message: CreateContactEndpointRequest) -> Result<ContactEndpoint, Violation> {
    use wire::contact_endpoint::Endpoint as WireEndpoint;
    let wire::ContactEndpoint { name, endpoint } = message
        .contact_endpoint
        .ok_or_else(|| Violation::new("contact_endpoint", "must be given"))?;
    let endpoint = match endpoint {
        Some(WireEndpoint::Email(email)) => Endpoint::Email {
            address: field::email("contact_endpoint.email.address", email.address)?,
            sender_override: field::optional(
                "contact_endpoint.email.sender_override",
                email.sender_override,
                field::NAME,
            )?,
        },
        Some(WireEndpoint::Telephony(telephony)) => Endpoint::Telephony {
            number: field::phone("contact_endpoint.telephony.number", telephony.number)?,
            functionality: parse_functions(&telephony.functionality)?,
        },
        None => return Err(Violation::new("contact_endpoint.endpoint", "must be given")),
    };
    Ok(ContactEndpoint {
        name: field::optional("contact_endpoint.name", name, field::NAME)?,
        endpoint,
    })
}

fn parse_functions(numbers: &[i32]) -> Result<Vec<Function>, Violation> {
    let mut functions = Vec::new();
    for (index, &number) in numbers.iter().enumerate() {
        let function = Function::parse(&format!("contact_endpoint.telephony.functionality[{index}]"), number)?;
        if !functions.contains(&function) {
            functions.push(function);
        }
    }
    Ok(functions)
}

impl From<ContactEndpoint> for wire::ContactEndpoint {
    fn from(endpoint: ContactEndpoint) -> Self {
        use wire::contact_endpoint::Endpoint as WireEndpoint;
        Self {
            name: endpoint.name,
            endpoint: Some(match endpoint.endpoint {
                Endpoint::Email {
                    address,
                    sender_override,
                } => WireEndpoint::Email(wire::EmailEndpoint {
                    address,
                    sender_override,
                }),
                Endpoint::Telephony { number, functionality } => WireEndpoint::Telephony(wire::TelephonyEndpoint {
                    number,
                    functionality: functionality.into_iter().map(|function| function as i32).collect(),
                }),
            }),
        }
    }
}
