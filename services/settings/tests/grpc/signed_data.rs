//! Signed data: of everything that looks like a token, only what a live company secret has signed as it has to be passes.

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE, BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac as _};
use proto::settings::v1::{SetCompanySecretRequest, VerifySignedDataRequest};
use serde_json::{Value, json};
use sha2::{Sha256, Sha384, Sha512};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tonic::{Code, Response, Status};

use crate::support::{World, assert_refused, refused};

const FIRST: &str = "the first company secret, 32 bytes and more";
const SECOND: &str = "the second company secret, 32 bytes and more";
const THIRD: &str = "the third company secret, 32 bytes and more";

fn b64(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

fn hs256(secret: &str, message: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(message.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// A token whose header and payload are these texts, signed with the secret whatever the header says.
fn signed(secret: &str, header: &str, payload: &str) -> String {
    let message = format!("{}.{}", b64(header), b64(payload));
    let signature = b64(hs256(secret, &message));
    format!("{message}.{signature}")
}

const PLAIN: &str = r#"{"alg":"HS256"}"#;

fn now() -> i64 {
    platform::time::now().timestamp()
}

fn claims(iat: i64, exp: i64) -> Value {
    json!({ "custom_data": { "field1": { "label": "L", "value": "dummy1" } }, "iat": iat, "exp": exp })
}

fn good() -> String {
    claims(now(), now() + 3600).to_string()
}

async fn verify(world: &World, token: &str) -> Result<Response<Value>, Status> {
    let request = VerifySignedDataRequest {
        signed_data: token.to_owned(),
    };
    let request = world.service_key.request(world.own.org, request);
    let answer = world.client.clone().verify_signed_data(request).await?;
    Ok(answer.map(|answer| serde_json::from_str(&answer.custom_data_json).unwrap()))
}

async fn set(world: &World, secret: &str) {
    let request = SetCompanySecretRequest { secret: secret.into() };
    let request = world.own.request(request);
    world.client.clone().set_company_secret(request).await.unwrap();
}

async fn world(options: PgConnectOptions) -> World {
    let world = World::new(options).await;
    set(&world, FIRST).await;
    set(&world, SECOND).await;
    world
}

#[sqlx::test(migrator = "settings_service::MIGRATOR")]
async fn what_either_live_secret_has_signed_passes(_: PgPoolOptions, options: PgConnectOptions) {
    let world = world(options).await;
    let said = json!({ "field1": { "label": "L", "value": "dummy1" } });
    let typed = r#"{"typ":"JWT","alg":"HS256"}"#;
    for (secret, header) in [(FIRST, PLAIN), (SECOND, PLAIN), (FIRST, typed)] {
        let token = signed(secret, header, &good());
        assert_eq!(
            verify(&world, &token).await.unwrap().into_inner(),
            said,
            "{secret} {header}"
        );
    }
}

#[sqlx::test(migrator = "settings_service::MIGRATOR")]
async fn a_replaced_secret_has_signed_nothing_any_more(_: PgPoolOptions, options: PgConnectOptions) {
    let world = world(options).await;
    let old = signed(FIRST, PLAIN, &good());
    verify(&world, &old).await.unwrap();
    set(&world, THIRD).await;
    assert_refused(verify(&world, &old).await, Code::InvalidArgument, "SIGNED_DATA_INVALID");
    verify(&world, &signed(THIRD, PLAIN, &good())).await.unwrap();
}

#[sqlx::test(migrator = "settings_service::MIGRATOR")]
async fn times_hold_within_a_minute_of_leeway_and_a_day(_: PgPoolOptions, options: PgConnectOptions) {
    let world = world(options).await;
    let now = now();
    for (iat, exp) in [(now - 3600, now - 30), (now + 30, now + 60), (now, now + 86_400 - 5)] {
        let token = signed(FIRST, PLAIN, &claims(iat, exp).to_string());
        verify(&world, &token).await.unwrap();
    }
}

#[sqlx::test(migrator = "settings_service::MIGRATOR")]
async fn only_the_deployment_itself_verifies_and_each_organization_has_its_own_secrets(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let world = world(options).await;
    let request = VerifySignedDataRequest {
        signed_data: signed(FIRST, PLAIN, &good()),
    };
    let outside = world.own.request(request.clone());
    let outside = world.client.clone().verify_signed_data(outside).await;
    assert_refused(outside, Code::PermissionDenied, "SCOPE_MISSING");
    let elsewhere = world.service_key.request(world.other.org, request);
    let elsewhere = world.client.clone().verify_signed_data(elsewhere).await;
    assert_refused(elsewhere, Code::InvalidArgument, "SIGNED_DATA_INVALID");
}

/// Tokens that ask to be believed for another reason than their HS256 signature.
fn forged() -> Vec<(&'static str, String)> {
    let unsigned = |header: &str| format!("{}.{}.", b64(header), b64(good()));
    let mut tokens = Vec::new();
    for alg in ["none", "None", "nOnE", "NONE", ""] {
        let header = json!({ "alg": alg }).to_string();
        tokens.push(("no algorithm, unsigned", unsigned(&header)));
        tokens.push(("no algorithm, signed", signed(FIRST, &header, &good())));
    }
    for alg in [
        "RS256", "RS384", "PS256", "ES256", "ES384", "EdDSA", "HS384", "HS512", "hs256", "HS256 ",
    ] {
        let header = json!({ "alg": alg }).to_string();
        tokens.push(("another algorithm", signed(FIRST, &header, &good())));
    }
    let message = format!("{}.{}", b64(r#"{"alg":"HS384"}"#), b64(good()));
    let mut mac = Hmac::<Sha384>::new_from_slice(FIRST.as_bytes()).unwrap();
    mac.update(message.as_bytes());
    tokens.push((
        "HS384 for real",
        format!("{message}.{}", b64(mac.finalize().into_bytes())),
    ));
    let message = format!("{}.{}", b64(r#"{"alg":"HS512"}"#), b64(good()));
    let mut mac = Hmac::<Sha512>::new_from_slice(FIRST.as_bytes()).unwrap();
    mac.update(message.as_bytes());
    tokens.push((
        "HS512 for real",
        format!("{message}.{}", b64(mac.finalize().into_bytes())),
    ));
    let key = json!({ "kty": "oct", "k": b64("my own key of 32 bytes and a few more") });
    for header in [
        json!({ "alg": "HS256", "kid": "../../dev/null" }),
        json!({ "alg": "HS256", "kid": "1" }),
        json!({ "alg": "HS256", "jku": "https://example.com/keys" }),
        json!({ "alg": "HS256", "jwk": key }),
        json!({ "alg": "HS256", "x5u": "https://example.com/cert" }),
        json!({ "alg": "HS256", "x5c": ["MIIB"] }),
        json!({ "alg": "HS256", "crit": ["exp"], "exp": 1 }),
        json!({ "alg": "HS256", "crit": [] }),
        json!({ "alg": "HS256", "b64": false, "crit": ["b64"] }),
        json!({ "alg": "HS256", "zip": "DEF" }),
        json!({ "alg": "HS256", "cty": "JWT" }),
        json!({ "alg": "HS256", "typ": "at+jwt" }),
        json!({ "alg": ["HS256"] }),
        json!({ "alg": null }),
        json!({ "typ": "JWT" }),
        json!([]),
    ] {
        tokens.push((
            "a header that wants something",
            signed(FIRST, &header.to_string(), &good()),
        ));
    }
    let own = signed(
        "my own key of 32 bytes and a few more",
        &json!({ "alg": "HS256", "jwk": key }).to_string(),
        &good(),
    );
    tokens.push(("signed with the key it brings", own));
    tokens.push((
        "an algorithm that comes twice",
        signed(FIRST, r#"{"alg":"HS256","alg":"none"}"#, &good()),
    ));
    tokens
}

/// Tokens whose signature is not right, or that are not in the one form.
fn broken() -> Vec<(&'static str, String)> {
    let token = signed(FIRST, PLAIN, &good());
    let (message, signature) = token.rsplit_once('.').unwrap();
    let (header, payload) = message.split_once('.').unwrap();
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap();
    let more = json!({ "custom_data": { "reserved_verified_customer": { "value": true } },
                       "iat": now(), "exp": now() + 60 });
    vec![
        ("nothing", String::new()),
        ("a word", "token".to_owned()),
        ("dots", "..".to_owned()),
        ("no signature", message.to_owned()),
        ("an empty signature", format!("{message}.")),
        ("half a signature", format!("{message}.{}", b64(&bytes[..16]))),
        ("a longer signature", format!("{token}AA")),
        ("a signature of zeros", format!("{message}.{}", b64([0; 32]))),
        ("another payload", format!("{header}.{}.{signature}", b64(more.to_string()))),
        ("another header", format!("{}.{payload}.{signature}", b64(r#"{"alg":"HS256","typ":"JWT"}"#))),
        ("four parts", format!("{token}.{signature}")),
        ("five parts, as of an encrypted one", format!("{token}.a.b")),
        ("padding", format!("{message}.{}", BASE64_URL_SAFE.encode(&bytes))),
        ("the other alphabet", format!("{message}.{}", BASE64_STANDARD.encode([0xfb_u8; 32]))),
        ("a line break", format!("{token}\n")),
        ("a leading space", format!(" {token}")),
        ("a NUL", format!("{token}\0")),
        ("a secret nobody has", signed(THIRD, PLAIN, &good())),
        ("an empty secret", signed("", PLAIN, &good())),
        ("a famous secret", signed("Company secret", PLAIN, &good())),
        (
            "the sample of the documentation",
            "eyJhbGciOiJIUzI1NiJ9.eyJjdXN0b21fZGF0YSI6eyJyZXNlcnZlZF92ZXJpZmllZF9jdXN0b21lciI6eyJ2YWx1ZSI6ZmFsc2V9LCJyZXNlcnZlZF9iYWRfYWN0b3IiOnsidmFsdWUiOnRydWV9LCJyZXNlcnZlZF9yZXBlYXRfY3VzdG9tZXIiOnsidmFsdWUiOmZhbHNlfSwiZmllbGQxIjp7InZhbHVlIjoiZHVtbXkxMTEifSwiZmllbGQyIjp7InZhbHVlIjoiZHVtbXkyMjIifX0sImV4cCI6MTcyOTY4MzU5MywiaWF0IjoxNzI5Njc5OTkzfQ.BMskgKTM3DbgrMLWjI46ZJ1K73H25JRd16SgHK0A1Ts"
                .to_owned(),
        ),
    ]
}

/// Tokens that are signed as they have to be and say what they must not.
fn absurd() -> Vec<(&'static str, String)> {
    let now = now();
    let mut tokens = Vec::new();
    let mut say = |why, payload: String| tokens.push((why, signed(FIRST, PLAIN, &payload)));
    say("it has expired", claims(now - 3600, now - 61).to_string());
    say("it expires too late", claims(now, now + 86_400 + 60).to_string());
    say("it never expires", claims(now, i64::MAX).to_string());
    say("it is from the future", claims(now + 120, now + 3600).to_string());
    say(
        "it expired before it was issued",
        claims(now + 50, now + 10).to_string(),
    );
    say("no exp", json!({ "custom_data": {}, "iat": now }).to_string());
    say("no iat", json!({ "custom_data": {}, "exp": now + 60 }).to_string());
    say("no custom data", json!({ "iat": now, "exp": now + 60 }).to_string());
    say(
        "exp is a text",
        json!({ "custom_data": {}, "iat": now, "exp": format!("{}", now + 60) }).to_string(),
    );
    say(
        "exp is no integer",
        format!(r#"{{"custom_data":{{}},"iat":{now},"exp":{}.5}}"#, now + 60),
    );
    say(
        "exp overflows",
        format!(r#"{{"custom_data":{{}},"iat":{now},"exp":99999999999999999999}}"#),
    );
    say(
        "exp is null",
        json!({ "custom_data": {}, "iat": now, "exp": null }).to_string(),
    );
    say("it is not yet good", {
        let mut later = claims(now, now + 3600);
        later["nbf"] = json!(now + 600);
        later.to_string()
    });
    say("it is for somebody else", {
        let mut elsewhere = claims(now, now + 3600);
        elsewhere["aud"] = json!("another system");
        elsewhere.to_string()
    });
    for custom_data in [json!("text"), json!([]), json!(null), json!(1)] {
        say(
            "custom data is no object",
            json!({ "custom_data": custom_data, "iat": now, "exp": now + 60 }).to_string(),
        );
    }
    let twice = |members: &str| format!(r#"{{"iat":{now},{members},"exp":{}}}"#, now + 60);
    say(
        "custom data twice",
        twice(r#""custom_data":{},"custom_data":{"a":{"value":1}}"#),
    );
    say("exp twice", twice(r#""custom_data":{},"exp":1"#));
    say(
        "a key twice",
        twice(r#""custom_data":{"a":{"value":1},"a":{"value":2}}"#),
    );
    say("a member twice", twice(r#""custom_data":{"a":{"value":1,"value":2}}"#));
    say(
        "the same key in another spelling",
        twice(r#""custom_data":{"a":{"value":1},"\u0061":{"value":2}}"#),
    );
    say(
        "it is deep",
        twice(&format!(
            r#""custom_data":{{"a":{}{}}}"#,
            "[".repeat(40),
            "]".repeat(40)
        )),
    );
    say(
        "it is very deep",
        twice(&format!(
            r#""custom_data":{{"a":{}{}}}"#,
            "[".repeat(9000),
            "]".repeat(9000)
        )),
    );
    say(
        "it is large",
        twice(&format!(
            r#""custom_data":{{"a":{{"value":"{}"}}}}"#,
            "x".repeat(64 * 1024)
        )),
    );
    say("it is a token in a token", signed(FIRST, PLAIN, &good()));
    say("it is a list", "[]".to_owned());
    say("it is no JSON", "custom_data".to_owned());
    say("something follows", format!("{} {{}}", good()));
    tokens.push(("it is no UTF-8", {
        let message = format!("{}.{}", b64(PLAIN), b64(b"{\"custom_data\":{\"a\":\"\xff\"}}"));
        format!("{message}.{}", b64(hs256(FIRST, &message)))
    }));
    tokens
}

#[sqlx::test(migrator = "settings_service::MIGRATOR")]
async fn every_hostile_token_is_refused_alike(_: PgPoolOptions, options: PgConnectOptions) {
    let world = world(options).await;
    let hostile: Vec<_> = [forged(), broken(), absurd()].concat();
    assert!(hostile.len() >= 40, "{}", hostile.len());
    let said = refused(verify(&world, "").await);
    for (why, token) in hostile {
        let status = refused(verify(&world, &token).await);
        assert_refused::<()>(Err(status.clone()), Code::InvalidArgument, "SIGNED_DATA_INVALID");
        assert_eq!(
            (status.message(), status.details()),
            (said.message(), said.details()),
            "{why}: {token:.200}"
        );
    }
}
