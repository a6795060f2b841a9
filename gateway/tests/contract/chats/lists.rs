//! Menus and agents, in pages.

use http::StatusCode;
use serde_json::json;

use super::{Desk, ROOT, refused};
use crate::conversations::created;
use crate::support::Answer;

/// The URL of a relation in a `Link` header.
fn link(answer: &Answer, relation: &str) -> Option<String> {
    let links = answer.headers.get("link")?.to_str().unwrap();
    let end = format!("; rel=\"{relation}\"");
    let url = links.split(", ").find_map(|link| link.strip_suffix(&end))?;
    Some(url.strip_prefix('<').unwrap().strip_suffix('>').unwrap().to_owned())
}

async fn follow(desk: &Desk, url: &str) -> Answer {
    Answer::of(desk.world.http.get(url).bearer_auth(&desk.world.key)).await
}

#[tokio::test]
async fn menus_and_agents_are_bare_arrays_in_the_documented_form() {
    let desk = Desk::open().await;
    let menus = desk.get("/menus").await;
    let expected = format!(
        r#"[{{"id":{},"name":"Bots","lang":"en"}},{{"id":{},"name":"People","lang":"en"}}]"#,
        desk.bots.1, desk.people.1
    );
    assert_eq!((menus.status, menus.text), (StatusCode::OK, expected));
    assert!(!menus.headers.contains_key("link"));
    created(
        &desk.world,
        "agents",
        json!({"displayName": "Harry", "email": "harry@shop.example"}),
    )
    .await;
    let agents = desk.get("/agents").await;
    let [dale, harry] = &agents.json.as_array().unwrap()[..] else {
        panic!("two people: {}", agents.text)
    };
    assert_eq!(
        dale,
        &json!({"id": desk.agent.1, "name": "Dale Cooper", "first_name": "Dale",
            "avatar_url": "https://cdn.example.com/dale.png", "status": "offline"})
    );
    assert_eq!(
        harry,
        &json!({"id": harry["id"], "name": "Harry", "first_name": null, "avatar_url": null, "status": "offline"})
    );
}

#[tokio::test]
async fn link_leads_through_all_pages_and_back() {
    let desk = Desk::open().await;
    for number in 0..3 {
        let queue =
            json!({"request": {"name": format!("Queue {number}"), "isDefault": false, "isDoNotOfferEnabled": false}});
        created(&desk.world, "queues", queue).await;
    }
    for prefix in ["", "/api"] {
        let start = format!("{}{prefix}{ROOT}/menus", desk.world.url);
        let mut url = format!("{start}?per_page=2");
        let mut names = Vec::new();
        let last = loop {
            let page = follow(&desk, &url).await;
            assert_eq!(page.status, StatusCode::OK, "{}", page.text);
            let menus = page.json.as_array().unwrap().clone();
            names.extend(menus.iter().map(|menu| menu["name"].as_str().unwrap().to_owned()));
            match link(&page, "next") {
                None => break page,
                Some(next) => url = next,
            }
        };
        assert_eq!(names, ["Bots", "People", "Queue 0", "Queue 1", "Queue 2"]);
        assert_eq!(url, format!("{start}?page=3&per_page=2"));
        assert_eq!(link(&last, "prev"), Some(format!("{start}?page=2&per_page=2")));
        assert_eq!(link(&last, "first"), Some(format!("{start}?page=1&per_page=2")));
    }
    let beyond = desk.get("/menus?page=9").await;
    assert_eq!((beyond.status, &*beyond.text), (StatusCode::OK, "[]"));
    assert_eq!(link(&beyond, "next"), None);
}

#[tokio::test]
async fn a_page_out_of_range_is_named() {
    let desk = Desk::open().await;
    for list in ["menus", "agents"] {
        for wrong in ["0", "-1", "1.5", "x", "1001", "99999999999999999999"] {
            let answer = desk.get(&format!("/{list}?page={wrong}")).await;
            refused(&answer, 400, "page must be an integer from 1 to 1000");
        }
        for wrong in ["0", "201", "x"] {
            let answer = desk.get(&format!("/{list}?per_page={wrong}")).await;
            refused(&answer, 400, "per_page must be an integer from 1 to 200");
        }
        assert_eq!(desk.get(&format!("/{list}?page=&other=1")).await.status, StatusCode::OK);
    }
}
