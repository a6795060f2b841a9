//! The description of the surface, and its browsable form.

use http::StatusCode;
use serde_json::Value;

use crate::support::World;

#[test]
fn the_committed_description_is_fresh() {
    let committed = include_str!("../../openapi.json");
    assert!(
        committed == gateway::document(),
        "the handlers have changed; refresh the description with\n\
         cargo run -p gateway --example openapi > gateway/openapi.json"
    );
}

#[test]
fn the_description_is_complete() {
    let description: Value = serde_json::from_str(&gateway::document()).unwrap();
    assert_eq!(description["openapi"], "3.1.0");
    let mut references = Vec::new();
    collect(&description, &mut references);
    for reference in references {
        let pointer = reference.trim_start_matches('#');
        assert!(description.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    let mut ids = Vec::new();
    for (path, item) in description["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            ids.push(operation["operationId"].as_str().unwrap());
            for key in ["summary", "tags", "responses"] {
                assert!(operation.get(key).is_some(), "{method} {path} has no {key}");
            }
            for status in ["400", "401", "403", "429", "500", "503"] {
                assert!(
                    operation["responses"].get(status).is_some(),
                    "{method} {path} has no {status}"
                );
            }
        }
    }
    let thread = &description["components"]["schemas"]["ChattingThread"];
    let members = thread["properties"].as_object().unwrap().len();
    assert_eq!(
        thread["required"].as_array().unwrap().len(),
        members,
        "null is not absent"
    );
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "an operation id comes twice");
}

fn collect<'v>(value: &'v Value, references: &mut Vec<&'v str>) {
    match value {
        Value::Object(members) => {
            references.extend(members.get("$ref").and_then(Value::as_str));
            members.values().for_each(|member| collect(member, references));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, references)),
        _ => {}
    }
}

#[tokio::test]
async fn the_description_and_its_pages_are_served_to_everybody_and_need_nothing_from_elsewhere() {
    let world = World::new().await;
    let get = async |path: &str| world.http.get(format!("{}{path}", world.url)).send().await.unwrap();
    for prefix in ["", "/api"] {
        let description = get(&format!("{prefix}/openapi.json")).await;
        assert_eq!(description.headers()["content-type"], "application/json");
        let description: Value = description.json().await.unwrap();
        assert_eq!(
            description,
            serde_json::from_str::<Value>(&gateway::document()).unwrap()
        );

        // The client follows the redirection to the folder.
        let page = get(&format!("{prefix}/docs")).await;
        assert_eq!(page.url().path(), format!("{prefix}/docs/"));
        let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
        assert!(policy.starts_with("default-src 'self'"), "{policy}");
        let page = page.text().await.unwrap();
        let assets: Vec<_> = page
            .split(['"', '\''])
            .filter(|text| [Some("js"), Some("css")].contains(&text.rsplit_once('.').map(|(_, kind)| kind)))
            .map(|text| text.trim_start_matches("./"))
            .collect();
        assert!(assets.len() >= 3, "{page}");
        for asset in assets {
            assert!(!asset.contains("//"), "{asset} is elsewhere");
            assert_eq!(
                get(&format!("{prefix}/docs/{asset}")).await.status(),
                StatusCode::OK,
                "{asset}"
            );
        }
        let initializer = get(&format!("{prefix}/docs/swagger-initializer.js"))
            .await
            .text()
            .await
            .unwrap();
        assert!(initializer.contains("../openapi.json"), "{initializer}");
    }
    assert_eq!(get("/docs/nothing.js").await.status(), StatusCode::NOT_FOUND);
    assert_eq!(get("/healthz").await.status(), StatusCode::OK);
}
