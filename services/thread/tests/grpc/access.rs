//! Who may call what.

use tonic::{Code, Request};

use crate::support::{World, assert_refused, call, refusal};

const SERVICE: &str = "/handoff.thread.v1.ThreadService/";

fn methods() -> Vec<(&'static str, &'static str)> {
    let all = proto::ACCESS.iter();
    all.filter_map(|(path, access)| Some((path.strip_prefix(SERVICE)?, *access)))
        .collect()
}

#[tokio::test]
async fn each_method_opens_with_its_own_scope_and_with_no_other() {
    let world = World::new().await;
    assert_eq!(methods().len(), 13);
    for (method, scope) in methods() {
        let others: Vec<_> = proto::scopes().into_iter().filter(|other| *other != scope).collect();
        let without = world.with_key(&world.org, "without", &others).await;
        assert_refused(without.call(method, ()).await, Code::PermissionDenied, "SCOPE_MISSING");
        let with = world.with_key(&world.org, "with", &[scope]).await;
        if let Err(status) = with.call(method, ()).await {
            assert_ne!(status.code(), Code::PermissionDenied, "{method}");
        }
    }
}

#[tokio::test]
async fn nobody_gets_in_without_a_valid_key() {
    let world = World::new().await;
    for (method, _) in methods() {
        let anonymous = call(world.org.link.clone(), method, Request::new(())).await;
        assert_refused(anonymous, Code::Unauthenticated, "CREDENTIALS_MISSING");
        let mut request = Request::new(());
        let made_up = platform::access::ApiKey::mint(world.org.id).to_text();
        request
            .metadata_mut()
            .insert("authorization", format!("Bearer {made_up}").parse().unwrap());
        let status = call(world.org.link.clone(), method, request).await.unwrap_err();
        assert_eq!(
            refusal(&status),
            (Code::Unauthenticated, "API_KEY_NOT_VALID".to_owned()),
            "{method}"
        );
    }
}
