//! Lists in pages.

use serde_json::{Value, json};

use super::{Office, created};
use crate::support::Answer;

async fn follow(office: &Office, url: &str) -> Answer {
    let request = office.world.http.get(url).bearer_auth(&office.world.key);
    Answer::of(request).await
}

#[tokio::test]
async fn the_next_page_is_an_absolute_url_that_leads_through_the_whole_list() {
    let office = Office::open().await;
    for number in 0..4 {
        let body = json!({"displayName": format!("Agent {number}"), "email": format!("a{number}@shop.example")});
        created(&office.world, "agents", body).await;
    }
    for prefix in ["", "/api"] {
        let start = format!("{}{prefix}/v1/agents", office.world.url);
        let mut url = format!("{start}?pageLimit=2");
        let (mut seen, mut pages) = (Vec::new(), 0);
        loop {
            let page = follow(&office, &url).await;
            assert_eq!(page.status, 200, "{}", page.text);
            seen.extend(page.json["data"].as_array().unwrap().clone());
            pages += 1;
            let Some(next) = page.json["meta"]["next"].as_str() else {
                assert_eq!(page.json["meta"], json!({}));
                break;
            };
            // The page key alone suffices, whatever the query was.
            assert!(next.starts_with(&format!("{start}?pageKey=")), "{next}");
            next.clone_into(&mut url);
        }
        assert_eq!((seen.len(), pages), (6, 3));
        let ids: std::collections::HashSet<_> = seen.iter().map(|agent| agent["id"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), 6);
    }
}

#[tokio::test]
async fn a_page_key_goes_with_the_parameters_it_was_made_for() {
    let office = Office::open().await;
    let id = office.conversation().await;
    office.put(id, "close", Value::Null).await;
    let path = "/v1/conversations/activitylog";
    let from = "fromDatetime=2020-01-01T00:00:00Z";
    let first = office.world.get(&format!("{path}?{from}&pageLimit=1")).await;
    let next = first.json["meta"]["next"].as_str().unwrap();
    let key = next.split_once("pageKey=").unwrap().1;
    for fine in ["", "&pageLimit=5", &format!("&{from}"), &format!("&{from}&pageLimit=2")] {
        let page = office.world.get(&format!("{path}?pageKey={key}{fine}")).await;
        assert_eq!(page.status, 200, "{fine}: {}", page.text);
        assert_ne!(page.json["data"][0]["id"], first.json["data"][0]["id"]);
    }
    for foreign in [
        format!("{path}?pageKey={key}&fromDatetime=2021-01-01T00:00:00Z"),
        format!("{path}?pageKey=nonsense"),
        format!("{path}?pageKey=cGFnZT14"),
        format!("/v1/agents?pageKey={key}"),
    ] {
        let answer = office.world.get(&foreign).await;
        assert_eq!(answer.status, 400, "{foreign}: {}", answer.text);
        let message = answer.json["message"].as_str().unwrap();
        assert!(
            message.starts_with("Invalid value for: query parameter pageKey"),
            "{message}"
        );
    }
    for wrong in [
        "pageLimit=0",
        "pageLimit=x",
        "pageLimit=10001",
        "fromDatetime=now",
        "toDatetime=2021",
    ] {
        let answer = office.world.get(&format!("{path}?{wrong}")).await;
        let name = wrong.split('=').next().unwrap();
        let message = answer.json["message"].as_str().unwrap();
        assert_eq!(answer.status, 400, "{wrong}");
        assert!(
            message.starts_with(&format!("Invalid value for: query parameter {name} (")),
            "{message}"
        );
    }
}

#[tokio::test]
async fn a_page_key_of_another_list_is_refused_by_every_list() {
    let mut office = Office::open().await;
    for number in 0..2 {
        let body = json!({"displayName": format!("User {number}")});
        let user = created(&office.world, "endusers", body).await;
        for _ in 0..2 {
            let mut body = office.email(&json!({}));
            body["requesterId"] = user.clone().into();
            body["subject"] = "A zeppelin".into();
            let made = office.world.post("/v1/conversations", body).await;
            assert_eq!(made.status, 201, "{}", made.text);
        }
        office.user = user;
    }
    let team = created(&office.world, "teams", json!({"name": "Both"})).await;
    let members = json!({"agentIds": [office.agent, office.other]});
    let path = format!("/v1/teams/{team}/agents");
    assert_eq!(office.world.patch(&path, members).await.status, 200);

    let lists = [
        "/v1/agents?pageLimit=1".to_owned(),
        "/v1/endusers?pageLimit=1".to_owned(),
        format!("/v1/endusers/{}/conversations?pageLimit=1", office.user),
        format!("/v1/teams/{team}/presence?pageLimit=1"),
        "/v1/conversations/activitylog?pageLimit=1".to_owned(),
        "/v1/search/conversations?query=zeppelin&pageLimit=1".to_owned(),
    ];
    let mut keys = Vec::new();
    for list in &lists {
        let page = office.world.get(list).await;
        let next = page.json["meta"]["next"].as_str();
        let next = next.unwrap_or_else(|| panic!("{list} has a second page: {}", page.text));
        assert_eq!(follow(&office, next).await.status, 200, "{next}");
        keys.push(next.split_once("pageKey=").unwrap().1.to_owned());
    }
    let refused = async |path: &str| {
        let answer = office.world.get(path).await;
        let message = answer.json["message"].as_str().unwrap_or_default();
        assert_eq!(answer.status, 400, "{path}: {}", answer.text);
        assert!(
            message.starts_with("Invalid value for: query parameter pageKey"),
            "{path}: {message}"
        );
    };
    for (own, list) in lists.iter().enumerate() {
        let list = list.split('?').next().unwrap();
        for (of, key) in keys.iter().enumerate() {
            if of != own {
                refused(&format!("{list}?pageKey={key}&query=zeppelin")).await;
            }
        }
        refused(&format!("{list}?pageKey=%00&query=zeppelin")).await;
    }
    // The same list of something else.
    refused(&format!("/v1/search/conversations?query=balloon&pageKey={}", keys[5])).await;
    refused(&format!(
        "/v1/search/conversations?query=zeppelin&exactMatch=true&pageKey={}",
        keys[5]
    ))
    .await;
    let body = json!({"query": {"value": "balloon"}});
    let path = format!("/v1/search/conversations?pageKey={}", keys[5]);
    let answer = office.world.post(&path, body).await;
    assert_eq!(answer.status, 400, "{}", answer.text);
    assert!(answer.text.contains("query parameter pageKey"), "{}", answer.text);
}
