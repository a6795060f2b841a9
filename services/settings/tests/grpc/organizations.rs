use proto::settings::v1::{
    CreateOrganizationRequest, FindOrganizationRequest, GetOrganizationRequest, SetCompanySecretRequest,
};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tonic::Code;

use crate::support::{World, assert_refused, fields, nobody, refused};

fn new(name: &str, subdomain: &str) -> CreateOrganizationRequest {
    CreateOrganizationRequest {
        name: name.into(),
        subdomain: subdomain.into(),
    }
}

#[sqlx::test(migrator = "settings_service::MIGRATOR")]
async fn an_organization_is_read_back_by_its_keys_and_by_its_subdomain(_: PgPoolOptions, options: PgConnectOptions) {
    let mut world = World::new(options).await;
    let read = world
        .client
        .get_organization(world.own.request(GetOrganizationRequest {}))
        .await
        .unwrap();
    let read = read.into_inner().organization.unwrap();
    assert_eq!((read.id, read.name.as_str()), (world.own.org.to_string(), "OWN"));

    let find = |subdomain: &str| {
        let request = FindOrganizationRequest {
            subdomain: subdomain.into(),
        };
        world.service_key.request(nobody(), request)
    };
    let found = world.client.clone().find_organization(find("other")).await.unwrap();
    assert_eq!(found.into_inner().organization.unwrap().id, world.other.org.to_string());
    let absent = world.client.clone().find_organization(find("nobody")).await;
    assert_refused(absent, Code::NotFound, "ORGANIZATION_NOT_FOUND");
    let nul = world.client.clone().find_organization(find("a\0b")).await;
    assert_eq!(fields(&refused(nul)), ["subdomain"]);
}

#[sqlx::test(migrator = "settings_service::MIGRATOR")]
async fn a_subdomain_belongs_to_one_organization(_: PgPoolOptions, options: PgConnectOptions) {
    let mut world = World::new(options).await;
    let request = world.service_key.request(nobody(), new("Second", "own"));
    let taken = world.client.create_organization(request).await;
    assert_refused(taken, Code::AlreadyExists, "SUBDOMAIN_TAKEN");
}

#[sqlx::test(migrator = "settings_service::MIGRATOR")]
async fn only_the_deployment_itself_creates_and_finds_organizations(_: PgPoolOptions, options: PgConnectOptions) {
    let mut world = World::new(options).await;
    let created = world
        .client
        .create_organization(world.own.request(new("Third", "third")))
        .await;
    assert_refused(created, Code::PermissionDenied, "SCOPE_MISSING");
    let request = FindOrganizationRequest {
        subdomain: "other".into(),
    };
    let found = world.client.find_organization(world.own.request(request)).await;
    assert_refused(found, Code::PermissionDenied, "SCOPE_MISSING");
}

#[sqlx::test(migrator = "settings_service::MIGRATOR")]
async fn a_wrong_field_of_an_organization_is_named(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let long = "x".repeat(201);
    for (name, subdomain, field) in [
        ("", "third", "name"),
        (long.as_str(), "third", "name"),
        ("a\0b", "third", "name"),
        ("Third", "", "subdomain"),
        ("Third", "Third", "subdomain"),
        ("Third", "a\0b", "subdomain"),
    ] {
        let request = world.service_key.request(nobody(), new(name, subdomain));
        let status = refused(world.client.clone().create_organization(request).await);
        assert_eq!(fields(&status), [field], "{name:?} {subdomain:?}");
    }
}

fn secret(text: impl Into<String>) -> SetCompanySecretRequest {
    SetCompanySecretRequest { secret: text.into() }
}

#[sqlx::test(migrator = "settings_service::MIGRATOR")]
async fn the_two_newest_company_secrets_are_live_and_sealed(_: PgPoolOptions, options: PgConnectOptions) {
    let mut world = World::new(options).await;
    let mut live = Vec::new();
    for letter in ["a", "b", "b", "c"] {
        let request = world.own.request(secret(letter.repeat(32)));
        live.push(
            world
                .client
                .set_company_secret(request)
                .await
                .unwrap()
                .into_inner()
                .live_secrets,
        );
    }
    // Setting the newest again changes nothing, so it does not push the one before out.
    assert_eq!(live, [1, 2, 2, 2]);
    let sealed: Vec<Vec<u8>> = sqlx::query_scalar("select sealed from settings.company_secrets where org_id = $1")
        .bind(world.own.org.0)
        .fetch_all(&world.db)
        .await
        .unwrap();
    assert_eq!(sealed.len(), 2);
    for sealed in &sealed {
        assert!(
            !sealed
                .windows(4)
                .any(|part| [b"bbbb", b"cccc"].iter().any(|plain| part == *plain))
        );
    }
    let foreign: i64 = sqlx::query_scalar("select count(*) from settings.company_secrets where org_id = $1")
        .bind(world.other.org.0)
        .fetch_one(&world.db)
        .await
        .unwrap();
    assert_eq!(foreign, 0);
}

#[sqlx::test(migrator = "settings_service::MIGRATOR")]
async fn a_company_secret_of_the_wrong_size_is_named(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    for text in ["x".repeat(31), "x".repeat(1025), "x\0".repeat(20)] {
        let status = refused(
            world
                .client
                .clone()
                .set_company_secret(world.own.request(secret(text)))
                .await,
        );
        assert_eq!(fields(&status), ["secret"]);
    }
}

#[sqlx::test(migrator = "settings_service::MIGRATOR")]
async fn a_retried_company_secret_is_set_once(_: PgPoolOptions, options: PgConnectOptions) {
    let mut world = World::new(options).await;
    for _ in 0..2 {
        let request = world.own.retriable("k", secret("a".repeat(32)));
        let answer = world.client.set_company_secret(request).await.unwrap().into_inner();
        assert_eq!(answer.live_secrets, 1);
    }
    let other = world
        .client
        .set_company_secret(world.own.retriable("k", secret("b".repeat(32))))
        .await;
    assert_refused(other, Code::FailedPrecondition, "IDEMPOTENCY_KEY_REUSED");
}
