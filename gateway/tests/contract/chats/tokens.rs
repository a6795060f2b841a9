//! Tokens of signed custom data: good ones, and those that only look so.

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE, BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

/// The one header that there is.
const PLAIN: &str = r#"{"alg":"HS256"}"#;

/// The sample of the source, which a secret nobody here has signed, and which has expired.
pub(super) const SAMPLE: &str = "eyJhbGciOiJIUzI1NiJ9.eyJjdXN0b21fZGF0YSI6eyJyZXNlcnZlZF92ZXJpZmllZF9jdXN0b21lciI6eyJ2YWx1ZSI6ZmFsc2V9LCJyZXNlcnZlZF9iYWRfYWN0b3IiOnsidmFsdWUiOnRydWV9LCJyZXNlcnZlZF9yZXBlYXRfY3VzdG9tZXIiOnsidmFsdWUiOmZhbHNlfSwiZmllbGQxIjp7InZhbHVlIjoiZHVtbXkxMTEifSwiZmllbGQyIjp7InZhbHVlIjoiZHVtbXkyMjIifX0sImV4cCI6MTcyOTY4MzU5MywiaWF0IjoxNzI5Njc5OTkzfQ.BMskgKTM3DbgrMLWjI46ZJ1K73H25JRd16SgHK0A1Ts";

fn b64(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// A token whose header and payload are these texts, signed with HS256 whatever the header says.
fn signed(secret: &str, header: &str, payload: &str) -> String {
    let message = format!("{}.{}", b64(header), b64(payload));
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(message.as_bytes());
    format!("{message}.{}", b64(mac.finalize().into_bytes()))
}

fn now() -> i64 {
    platform::time::now().timestamp()
}

/// A token as the source makes one.
pub(super) fn good(secret: &str, custom_data: &Value) -> String {
    let payload = json!({"custom_data": custom_data, "exp": now() + 3600, "iat": now()});
    signed(secret, PLAIN, &payload.to_string())
}

/// Tokens that must not be believed, by what is wrong with them. The secret is a live one.
pub(super) fn hostile(secret: &str) -> Vec<(&'static str, String)> {
    let now = now();
    let flags = json!({"reserved_verified_customer": {"value": true}});
    let payload = json!({"custom_data": flags, "exp": now + 3600, "iat": now}).to_string();
    let mut tokens = Vec::new();
    for alg in ["none", "None", "nOnE", "NONE", ""] {
        let header = json!({"alg": alg}).to_string();
        tokens.push(("no algorithm", format!("{}.{}.", b64(&header), b64(&payload))));
        tokens.push(("no algorithm, signed", signed(secret, &header, &payload)));
    }
    for alg in ["RS256", "PS256", "ES256", "EdDSA", "HS384", "HS512", "hs256"] {
        let header = json!({"alg": alg}).to_string();
        tokens.push(("another algorithm", signed(secret, &header, &payload)));
    }
    let own = "my own key of 32 bytes and a few more";
    let jwk = json!({"kty": "oct", "k": b64(own)});
    for header in [
        json!({"alg": "HS256", "kid": "../../dev/null"}),
        json!({"alg": "HS256", "jku": "https://example.com/keys"}),
        json!({"alg": "HS256", "jwk": jwk}),
        json!({"alg": "HS256", "crit": ["exp"], "exp": 1}),
        json!({"alg": "HS256", "b64": false, "crit": ["b64"]}),
        json!({"typ": "JWT"}),
        json!([]),
    ] {
        tokens.push((
            "a header that wants something",
            signed(secret, &header.to_string(), &payload),
        ));
    }
    let bring = json!({"alg": "HS256", "jwk": jwk}).to_string();
    tokens.push(("signed with the key it brings", signed(own, &bring, &payload)));
    let twice = r#"{"alg":"HS256","alg":"none"}"#;
    tokens.push(("an algorithm that comes twice", signed(secret, twice, &payload)));

    let fine = signed(secret, PLAIN, &payload);
    let (message, signature) = fine.rsplit_once('.').unwrap();
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap();
    let header = message.split_once('.').unwrap().0;
    let more = json!({"custom_data": {"reserved_bad_actor": {"value": false}}, "exp": now + 60, "iat": now});
    tokens.extend([
        ("nothing", String::new()),
        ("a word", "token".to_owned()),
        ("dots", "..".to_owned()),
        ("no signature", message.to_owned()),
        ("an empty signature", format!("{message}.")),
        ("half a signature", format!("{message}.{}", b64(&bytes[..16]))),
        ("a signature of zeros", format!("{message}.{}", b64([0; 32]))),
        (
            "another payload",
            format!("{header}.{}.{signature}", b64(more.to_string())),
        ),
        ("four parts", format!("{fine}.{signature}")),
        ("padding", format!("{message}.{}", BASE64_URL_SAFE.encode(&bytes))),
        (
            "the other alphabet",
            format!("{message}.{}", BASE64_STANDARD.encode([0xfb_u8; 32])),
        ),
        ("a line break", format!("{fine}\n")),
        ("a NUL", format!("{fine}\0")),
        ("a secret that nobody has", signed(own, PLAIN, &payload)),
        ("an empty secret", signed("", PLAIN, &payload)),
        ("a famous secret", signed("Company secret", PLAIN, &payload)),
        ("the sample of the source", SAMPLE.to_owned()),
    ]);

    let claims = |exp: Value, iat: Value| json!({"custom_data": flags, "exp": exp, "iat": iat}).to_string();
    let twice = |members: &str| format!(r#"{{"iat":{now},{members},"exp":{}}}"#, now + 60);
    let deep = format!(r#""custom_data":{{"a":{}{}}}"#, "[".repeat(9000), "]".repeat(9000));
    let large = format!(r#""custom_data":{{"a":{{"value":"{}"}}}}"#, "x".repeat(64 * 1024));
    for (why, payload) in [
        ("it has expired", claims((now - 61).into(), (now - 3600).into())),
        ("it expires too late", claims((now + 86_400 + 120).into(), now.into())),
        ("it never expires", claims(i64::MAX.into(), now.into())),
        ("it is from the future", claims((now + 3600).into(), (now + 120).into())),
        ("no exp", json!({"custom_data": flags, "iat": now}).to_string()),
        ("no iat", json!({"custom_data": flags, "exp": now + 60}).to_string()),
        ("exp is a text", claims((now + 60).to_string().into(), now.into())),
        ("no custom data", json!({"exp": now + 60, "iat": now}).to_string()),
        ("custom data is a list", twice(r#""custom_data":[]"#)),
        (
            "custom data twice",
            twice(r#""custom_data":{},"custom_data":{"a":{"value":1}}"#),
        ),
        ("exp twice", twice(r#""custom_data":{},"exp":1"#)),
        (
            "a key twice",
            twice(r#""custom_data":{"a":{"value":1},"\u0061":{"value":2}}"#),
        ),
        ("an item is no object", twice(r#""custom_data":{"a":"b"}"#)),
        (
            "a flag is no boolean",
            twice(r#""custom_data":{"reserved_bad_actor":{"value":"yes"}}"#),
        ),
        (
            "a value is not of its type",
            twice(r#""custom_data":{"a":{"value":1,"type":"url"}}"#),
        ),
        ("a value has a NUL", twice(r#""custom_data":{"a":{"value":"\u0000"}}"#)),
        ("it is deep", twice(&deep)),
        ("it is large", twice(&large)),
        ("it is a token in a token", fine.clone()),
        ("something follows", format!("{payload} {{}}")),
    ] {
        tokens.push((why, signed(secret, PLAIN, &payload)));
    }
    tokens
}
