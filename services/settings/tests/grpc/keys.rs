use platform::access::ApiKey;
use platform::time;
use proto::settings::v1::{
    CreateApiKeyRequest, ListApiKeysRequest, ResolveApiKeyRequest, ResolveApiKeyResponse, RevokeApiKeyRequest,
};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tonic::{Code, Response, Status};

use crate::support::{World, assert_refused, fields, refused, with_key};

fn new(owner: &str, scopes: &[&str]) -> CreateApiKeyRequest {
    CreateApiKeyRequest {
        owner: owner.into(),
        scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
        expires_at: None,
    }
}

async fn resolve(world: &World, key: &str) -> Result<Response<ResolveApiKeyResponse>, Status> {
    let request = ResolveApiKeyRequest { key: key.to_owned() };
    world.client.clone().resolve_api_key(request).await
}

#[sqlx::test(migrator = "settings_service::MIGRATOR")]
async fn a_minted_key_resolves_to_what_it_stands_for(_: PgPoolOptions, options: PgConnectOptions) {
    let mut world = World::new(options).await;
    let request = world.own.request(new("widget", &["settings:write", "settings:read"]));
    let minted = world.client.create_api_key(request).await.unwrap().into_inner();
    let resolved = resolve(&world, &minted.key).await.unwrap().into_inner();
    assert_eq!(resolved.organization_id, world.own.org.to_string());
    assert_eq!(
        (resolved.subdomain.as_str(), resolved.owner.as_str()),
        ("own", "widget")
    );
    assert_eq!(resolved.key_id, minted.api_key.unwrap().id);
    assert_eq!(resolved.scopes, ["settings:read", "settings:write"]);
    let stored: String = sqlx::query_scalar("select string_agg(k::text, ' ') from settings.api_keys k")
        .fetch_one(&world.db)
        .await
        .unwrap();
    assert!(!stored.contains(&minted.key));
}

#[sqlx::test(migrator = "settings_service::MIGRATOR")]
async fn a_retry_gets_the_key_without_its_text(_: PgPoolOptions, options: PgConnectOptions) {
    let mut world = World::new(options).await;
    let mut answers = Vec::new();
    for _ in 0..2 {
        let request = world.own.retriable("k", new("widget", &["threads:read"]));
        answers.push(world.client.create_api_key(request).await.unwrap().into_inner());
    }
    assert_eq!(answers[0].api_key, answers[1].api_key);
    assert!(answers[0].key.starts_with("hk_"));
    assert_eq!(answers[1].key, "");
    let keys: i64 = sqlx::query_scalar("select count(*) from settings.api_keys where owner = 'widget'")
        .fetch_one(&world.db)
        .await
        .unwrap();
    assert_eq!(keys, 1);
}

#[sqlx::test(migrator = "settings_service::MIGRATOR")]
async fn a_key_that_is_unknown_expired_or_revoked_is_refused_alike(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let (expired, revoked) = (world.key(&["threads:read"]).await, world.key(&["threads:read"]).await);
    for (key, statement) in [
        (
            &expired,
            "update settings.api_keys set expires_at = now() where id = $1",
        ),
        (
            &revoked,
            "update settings.api_keys set revoked_at = now() where id = $1",
        ),
    ] {
        sqlx::query(statement)
            .bind(ApiKey::parse(key).unwrap().id)
            .execute(&world.db)
            .await
            .unwrap();
    }
    let unknown = ApiKey::mint(world.own.org).to_text();
    let statuses = [&*expired, &*revoked, &*unknown, "", "hk_x", "a\0b"].map(|key| resolve(&world, key));
    for status in statuses {
        let status = refused(status.await);
        assert_eq!(status.code(), Code::Unauthenticated);
        assert_eq!(crate::support::reason(&status), "API_KEY_NOT_VALID");
        assert_eq!(status.message(), "the API key is not valid");
    }
}

#[sqlx::test(migrator = "settings_service::MIGRATOR")]
async fn a_key_with_anothers_id_and_a_wrong_secret_is_refused(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    // The last character holds bits of the secret only.
    let mut forged = world.own.key.clone();
    let at = forged.len() - 10;
    let other = if &forged[at..=at] == "A" { "B" } else { "A" };
    forged.replace_range(at..=at, other);
    assert_eq!(
        ApiKey::parse(&forged).unwrap().id,
        ApiKey::parse(&world.own.key).unwrap().id
    );
    assert_refused(
        resolve(&world, &forged).await,
        Code::Unauthenticated,
        "API_KEY_NOT_VALID",
    );
}

#[sqlx::test(migrator = "settings_service::MIGRATOR")]
async fn a_key_is_revoked_once_and_by_its_own_organization_only(_: PgPoolOptions, options: PgConnectOptions) {
    let mut world = World::new(options).await;
    let key = world.key(&["threads:read"]).await;
    let id = ApiKey::parse(&key).unwrap().id.to_string();
    let request = RevokeApiKeyRequest { id: id.clone() };
    let foreign = world.client.revoke_api_key(world.other.request(request.clone())).await;
    assert_refused(foreign, Code::NotFound, "API_KEY_NOT_FOUND");
    assert!(resolve(&world, &key).await.is_ok());

    let first = world
        .client
        .revoke_api_key(world.own.request(request.clone()))
        .await
        .unwrap();
    let again = world.client.revoke_api_key(world.own.request(request)).await.unwrap();
    assert!(first.get_ref().api_key.as_ref().unwrap().revoked_at.is_some());
    assert_eq!(first.into_inner(), again.into_inner());
    assert_refused(resolve(&world, &key).await, Code::Unauthenticated, "API_KEY_NOT_VALID");

    for (id, code) in [
        ("no-uuid", Code::NotFound),
        ("", Code::NotFound),
        ("a\0b", Code::InvalidArgument),
    ] {
        let request = world.own.request(RevokeApiKeyRequest { id: id.into() });
        assert_eq!(
            refused(world.client.revoke_api_key(request).await).code(),
            code,
            "{id:?}"
        );
    }
}

#[sqlx::test(migrator = "settings_service::MIGRATOR")]
async fn keys_are_listed_newest_first_page_by_page(_: PgPoolOptions, options: PgConnectOptions) {
    let mut world = World::new(options).await;
    let mut minted = vec![world.own.key.clone()];
    for _ in 0..4 {
        minted.push(world.key(&["threads:read"]).await);
    }
    minted.reverse();
    let minted: Vec<_> = minted
        .iter()
        .map(|key| ApiKey::parse(key).unwrap().id.to_string())
        .collect();

    let mut listed = Vec::new();
    let mut page_token = String::new();
    let mut sizes = Vec::new();
    loop {
        let request = ListApiKeysRequest {
            page_size: 2,
            page_token: page_token.clone(),
        };
        let page = world
            .client
            .list_api_keys(world.own.request(request))
            .await
            .unwrap()
            .into_inner();
        sizes.push(page.api_keys.len());
        listed.extend(page.api_keys.into_iter().map(|key| key.id));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
        // A token is good for the list it was made for.
        let request = ListApiKeysRequest {
            page_size: 2,
            page_token: page_token.clone(),
        };
        let foreign = world.client.list_api_keys(world.other.request(request)).await;
        assert_eq!(fields(&refused(foreign)), ["page_token"]);
    }
    assert_eq!(listed, minted);
    assert_eq!(sizes, [2, 2, 1]);
    let negative = ListApiKeysRequest {
        page_size: -1,
        ..ListApiKeysRequest::default()
    };
    let status = refused(world.client.list_api_keys(world.own.request(negative)).await);
    assert_eq!(fields(&status), ["page_size"]);
}

#[sqlx::test(migrator = "settings_service::MIGRATOR")]
async fn a_key_hands_on_only_what_it_holds(_: PgPoolOptions, options: PgConnectOptions) {
    let mut world = World::new(options).await;
    let minter = world.key(&["keys:write", "threads:read"]).await;
    let more = world
        .client
        .create_api_key(with_key(&minter, new("w", &["settings:write"])))
        .await;
    assert_refused(more, Code::PermissionDenied, "SCOPE_NOT_HELD");
    let same = world
        .client
        .create_api_key(with_key(&minter, new("w", &["threads:read"])))
        .await;
    assert!(same.is_ok());
}

#[sqlx::test(migrator = "settings_service::MIGRATOR")]
async fn a_wrong_field_of_a_key_is_named(_: PgPoolOptions, options: PgConnectOptions) {
    let world = World::new(options).await;
    let now = time::to_proto(time::now());
    let expiring = |seconds| CreateApiKeyRequest {
        expires_at: Some(prost_types::Timestamp { seconds, nanos: 0 }),
        ..new("w", &["threads:read"])
    };
    for (request, field) in [
        (new("", &["threads:read"]), "owner"),
        (new("a\0b", &["threads:read"]), "owner"),
        (new("w", &[]), "scopes"),
        (new("w", &["threads:read", "all"]), "scopes[1]"),
        (new("w", &["internal"]), "scopes[0]"),
        (new("w", &["public"]), "scopes[0]"),
        (expiring(now.seconds - 1), "expires_at"),
        (expiring(i64::MAX), "expires_at"),
    ] {
        let status = refused(
            world
                .client
                .clone()
                .create_api_key(world.own.request(request.clone()))
                .await,
        );
        assert_eq!(fields(&status), [field], "{request:?}");
    }
}

#[sqlx::test(migrator = "settings_service::MIGRATOR")]
async fn a_key_of_an_organization_that_does_not_exist_is_not_minted(_: PgPoolOptions, options: PgConnectOptions) {
    let mut world = World::new(options).await;
    let nowhere = platform::OrgId(platform::id::new());
    let request = world.service_key.request(nowhere, new("w", &["threads:read"]));
    let status = world.client.create_api_key(request).await;
    assert_refused(status, Code::NotFound, "ORGANIZATION_NOT_FOUND");
}
