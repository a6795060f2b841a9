//! API keys.

use std::time::Duration;

use journeys::{CHATBOT, System, until};
use proto::settings::v1::{CreateApiKeyRequest, ListChatbotsRequest, RevokeApiKeyRequest};
use proto::thread::v1::ListThreadsRequest;
use tokio::time::Instant;
use tonic::Code;

/// A revoked key lives at most five seconds; a second more is for answers that were under way.
const REVOKED: Duration = Duration::from_secs(6);

pub(crate) async fn a_revoked_key_is_refused_everywhere_within_five_seconds(system: System) {
    let owner = system.caller();
    let request = CreateApiKeyRequest {
        owner: "temp".to_owned(),
        scopes: ["threads:read", "settings:read"].map(str::to_owned).to_vec(),
        expires_at: None,
    };
    let made = owner
        .settings()
        .create_api_key(owner.grpc(request))
        .await
        .unwrap()
        .into_inner();
    let temp = system.caller_with(made.key);

    let rest = async || temp.get(format!("/v1/chatting/{CHATBOT}/threads")).send().await;
    let threads = async || {
        let request = ListThreadsRequest {
            chatbot_id: CHATBOT.to_owned(),
            ..ListThreadsRequest::default()
        };
        temp.threads().list_threads(temp.grpc(request)).await.map(drop)
    };
    let settings = async || {
        let request = ListChatbotsRequest::default();
        temp.settings().list_chatbots(temp.grpc(request)).await.map(drop)
    };
    assert_eq!(rest().await.status, 200);
    threads().await.unwrap();
    settings().await.unwrap();
    let create = temp.post(format!("/v0/chatbots/{CHATBOT}/threads"), serde_json::json!({}));
    create.send().await.assert_failure(403, "FORBIDDEN");

    let revoke = RevokeApiKeyRequest {
        id: made.api_key.unwrap().id,
    };
    owner.settings().revoke_api_key(owner.grpc(revoke)).await.unwrap();
    let revoked = Instant::now();
    until("every face refuses the key", async || {
        let asked = revoked.elapsed();
        let answers = (rest().await, threads().await, settings().await);
        let codes = [&answers.1, &answers.2].map(|answer| answer.as_ref().err().map(tonic::Status::code));
        let refused = answers.0.status == 401 && codes == [Some(Code::Unauthenticated); 2];
        assert!(refused || asked < REVOKED, "accepted {asked:?} after it was revoked");
        refused.then_some(())
    })
    .await;
    rest().await.assert_failure(401, "API_KEY_NOT_VALID");
    let feed = temp.get("/v1/events").send().await;
    feed.assert_failure(401, "API_KEY_NOT_VALID");
    assert_eq!(owner.get("/v1/chatbots").send().await.status, 200, "other keys go on");
}
