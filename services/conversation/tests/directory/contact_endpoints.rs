use proto::conversation::v1 as wire;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tonic::Code;
use wire::contact_endpoint::Endpoint;
use wire::{ContactEndpointKind, TelephonyFunction};

use crate::support::{World, assert_refused, fields, ok, refused};

fn email(address: &str) -> wire::ContactEndpoint {
    wire::ContactEndpoint {
        name: Some("Help".into()),
        endpoint: Some(Endpoint::Email(wire::EmailEndpoint {
            address: address.into(),
            sender_override: Some("noreply@example.com".into()),
        })),
    }
}

fn telephony(number: &str, functionality: &[i32]) -> wire::ContactEndpoint {
    wire::ContactEndpoint {
        name: None,
        endpoint: Some(Endpoint::Telephony(wire::TelephonyEndpoint {
            number: number.into(),
            functionality: functionality.to_vec(),
        })),
    }
}

fn new(endpoint: wire::ContactEndpoint) -> wire::CreateContactEndpointRequest {
    wire::CreateContactEndpointRequest {
        contact_endpoint: Some(endpoint),
    }
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn an_endpoint_is_found_by_its_address_or_number(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let functions = [
        i32::from(TelephonyFunction::Sms),
        i32::from(TelephonyFunction::VoiceInbound),
    ];
    let (mail, phone) = (email("Help@Example.com"), telephony("+4512345678", &functions));
    for endpoint in [&mail, &phone] {
        let made = ok!(world.create_contact_endpoint(new(endpoint.clone())));
        assert_eq!(made.contact_endpoint.as_ref(), Some(endpoint));
    }
    let get = |id: &str| wire::GetContactEndpointRequest { id: id.into() };
    for (id, endpoint) in [("help@example.COM", &mail), ("+4512345678", &phone)] {
        assert_eq!(
            ok!(world.get_contact_endpoint(get(id))).contact_endpoint.as_ref(),
            Some(endpoint)
        );
    }
    let list = |kind: ContactEndpointKind| wire::ListContactEndpointsRequest { kind: kind.into() };
    for (kind, expected) in [
        (ContactEndpointKind::Unspecified, vec![phone.clone(), mail.clone()]),
        (ContactEndpointKind::Email, vec![mail]),
        (ContactEndpointKind::Telephony, vec![phone]),
    ] {
        assert_eq!(
            ok!(world.list_contact_endpoints(list(kind))).contact_endpoints,
            expected
        );
    }
    for id in ["nobody@example.com", "+4599999999"] {
        let status = refused!(world.get_contact_endpoint(get(id)));
        assert_refused(&status, Code::NotFound, "CONTACT_ENDPOINT_NOT_FOUND");
    }
    let foreign = refused!(world, other, get_contact_endpoint, get("+4512345678"));
    assert_refused(&foreign, Code::NotFound, "CONTACT_ENDPOINT_NOT_FOUND");
    let status = refused!(world.get_contact_endpoint(get("12345678")));
    assert_eq!(fields(&status), ["id"]);
    assert_eq!(
        status.message(),
        "id is neither a valid email nor a valid E.164 phone number"
    );
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn an_address_is_taken_whatever_its_case(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    ok!(world.create_contact_endpoint(new(email("help@example.com"))));
    let status = refused!(world.create_contact_endpoint(new(email("HELP@example.com"))));
    assert_refused(&status, Code::AlreadyExists, "CONTACT_ENDPOINT_EXISTS");
    let elsewhere = world.other.request(new(email("help@example.com")));
    world.client.clone().create_contact_endpoint(elsewhere).await.unwrap();
}

#[sqlx::test(migrator = "conversation_service::MIGRATOR")]
async fn a_wrong_field_of_an_endpoint_is_named(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let mut unnamed = email("help@example.com");
    unnamed.name = Some("\0".into());
    let cases = [
        (wire::CreateContactEndpointRequest::default(), "contact_endpoint"),
        (new(wire::ContactEndpoint::default()), "contact_endpoint.endpoint"),
        (new(email("help")), "contact_endpoint.email.address"),
        (new(email("help\0@example.com")), "contact_endpoint.email.address"),
        (new(telephony("112", &[])), "contact_endpoint.telephony.number"),
        (
            new(telephony("+4512345678", &[1, 4])),
            "contact_endpoint.telephony.functionality[1]",
        ),
        (new(unnamed), "contact_endpoint.name"),
    ];
    for (request, field) in cases {
        assert_eq!(fields(&refused!(world.create_contact_endpoint(request))), [field]);
    }
    let wrong = wire::ListContactEndpointsRequest { kind: 9 };
    assert_eq!(fields(&refused!(world.list_contact_endpoints(wrong))), ["kind"]);
}
