use proto::settings::v1 as wire;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tonic::Code;

use crate::support::{World, assert_refused, with_key};

/// Calls each method with a key and asserts that it is refused.
macro_rules! assert_denied {
    ($world:ident, $key:ident, $($method:ident: $request:ident,)*) => {{
        $(
            let answer = $world.client.$method(with_key(&$key, wire::$request::default())).await;
            assert_refused(answer, Code::PermissionDenied, "SCOPE_MISSING");
        )*
        [$(stringify!($method)),*].len()
    }};
}

#[sqlx::test(migrator = "settings_service::MIGRATOR")]
async fn a_key_without_the_scope_is_refused_by_every_method(_: PgPoolOptions, options: PgConnectOptions) {
    let mut world = World::new(options).await;
    let key = world.key(&["threads:read"]).await;
    let asked = assert_denied!(world, key,
        create_organization: CreateOrganizationRequest,
        find_organization: FindOrganizationRequest,
        get_organization: GetOrganizationRequest,
        set_company_secret: SetCompanySecretRequest,
        create_api_key: CreateApiKeyRequest,
        list_api_keys: ListApiKeysRequest,
        revoke_api_key: RevokeApiKeyRequest,
        create_chatbot: CreateChatbotRequest,
        list_chatbots: ListChatbotsRequest,
        get_chatbot: GetChatbotRequest,
        update_chatbot: UpdateChatbotRequest,
        delete_chatbot: DeleteChatbotRequest,
        get_chatbot_profile: GetChatbotProfileRequest,
        get_general_settings: GetGeneralSettingsRequest,
        update_general_settings: UpdateGeneralSettingsRequest,
        create_quick_prompt: CreateQuickPromptRequest,
        list_quick_prompts: ListQuickPromptsRequest,
        get_quick_prompt: GetQuickPromptRequest,
        create_follow_up_prompt: CreateFollowUpPromptRequest,
        list_follow_up_prompts: ListFollowUpPromptsRequest,
        create_human_support_settings: CreateHumanSupportSettingsRequest,
        get_human_support_settings: GetHumanSupportSettingsRequest,
        update_human_support_settings: UpdateHumanSupportSettingsRequest,
        delete_human_support_settings: DeleteHumanSupportSettingsRequest,
        list_lead_mails: ListLeadMailsRequest,
        verify_signed_data: VerifySignedDataRequest,
    );
    let public = 1;
    let methods = proto::ACCESS
        .iter()
        .filter(|(method, _)| method.starts_with("/handoff.settings.v1."));
    assert_eq!(asked + public, methods.count(), "every method is asked");
}

#[sqlx::test(migrator = "settings_service::MIGRATOR")]
async fn a_key_that_only_reads_does_not_write(_: PgPoolOptions, options: PgConnectOptions) {
    let mut world = World::new(options).await;
    let key = world.key(&["settings:read"]).await;
    let read = world
        .client
        .list_chatbots(with_key(&key, wire::ListChatbotsRequest::default()))
        .await;
    assert!(read.is_ok());
    let written = world
        .client
        .create_chatbot(with_key(&key, wire::CreateChatbotRequest::default()))
        .await;
    assert_refused(written, Code::PermissionDenied, "SCOPE_MISSING");
}
