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
