//! The gRPC surface: a request becomes domain types or a violation, one transaction makes it true.

mod chatbots;
mod general;
mod human_support;
mod json;
mod keys;
mod lead_mails;
mod organizations;
mod prompts;

use platform::Db;
use platform::access::Call;
use platform::events::{Event, Outbox, Stream};
use platform::idempotency::{Claim, Idempotency};
use platform::page::Tokens;
use platform::seal::MasterKey;
use prost::Message;
use proto::settings::v1 as wire;
use proto::settings::v1::settings_service_server::SettingsService;
use sqlx::PgConnection;
use tonic::{Request, Response, Status};

use crate::SCHEMA;
use crate::domain::{SettingsError, field};

/// The settings service.
#[derive(Debug)]
pub struct Api {
    db: Db,
    idempotency: Idempotency,
    outbox: Outbox,
    tokens: Tokens,
    master_key: MasterKey,
}

/// What changed about a chatbot, as `chatbot.changed` tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Changed {
    Created,
    Updated,
    Deleted,
    GeneralSettings,
    HumanSupportSettings,
    Prompts,
}

impl Changed {
    fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Deleted => "deleted",
            Self::GeneralSettings => "general-settings",
            Self::HumanSupportSettings => "human-support-settings",
            Self::Prompts => "prompts",
        }
    }
}

/// What a mutation made true: what it is about, and the answer.
struct Done<A> {
    subject: String,
    answer: A,
}

impl<A> Done<A> {
    fn new(subject: impl Into<String>, answer: A) -> Self {
        Self {
            subject: subject.into(),
            answer,
        }
    }

    fn chatbot(id: &str, answer: A) -> Self {
        Self::new(format!("chatbots/{id}"), answer)
    }
}

impl Api {
    /// The service on its tables.
    pub fn new(db: Db, outbox: Outbox, master_key: MasterKey) -> Self {
        Self {
            db,
            idempotency: Idempotency::new(SCHEMA),
            outbox,
            tokens: Tokens::new(&master_key),
            master_key,
        }
    }

    /// Makes `effect` true in one transaction, once per idempotency key; a retry gets the first answer.
    async fn once<M, A, F>(&self, call: &Call, rpc: &'static str, message: &M, effect: F) -> Result<Response<A>, Status>
    where
        M: Message,
        A: Message + Default,
        F: AsyncFnOnce(&mut PgConnection) -> Result<Done<A>, SettingsError>,
    {
        let mut tx = self.db.begin().await.map_err(SettingsError::from)?;
        let ticket = match self.idempotency.claim(&mut tx, call, rpc, message).await? {
            Claim::Fresh(ticket) => ticket,
            Claim::Replay(answer) => {
                tx.rollback().await.map_err(SettingsError::from)?;
                return Ok(Response::new(answer));
            }
        };
        let Done { subject, answer } = match effect(&mut tx).await {
            Ok(done) => done,
            Err(error) => {
                // A failed rollback has no say in the answer: the server rolls back by itself.
                let _ = tx.rollback().await;
                return Err(error.into());
            }
        };
        ticket
            .keep(&mut tx, &subject, &answer)
            .await
            .map_err(SettingsError::from)?;
        tx.commit().await.map_err(SettingsError::from)?;
        self.outbox.wake();
        Ok(Response::new(answer))
    }

    /// Records `chatbot.changed`, with the sequence that was taken under the chatbot's lock.
    async fn tell(
        &self,
        call: &Call,
        tx: &mut PgConnection,
        chatbot_id: &str,
        sequence: i64,
        change: Changed,
    ) -> Result<(), SettingsError> {
        let event = Event {
            org: call.org(),
            stream: Stream::Events,
            kind: "chatbot.changed",
            subject: format!("chatbots/{chatbot_id}"),
            sequence,
            cause: None,
            data: serde_json::json!({
                "chatbotId": chatbot_id,
                "deleted": change == Changed::Deleted,
                "change": change.as_str(),
            }),
        };
        Ok(self.outbox.record(tx, call.traceparent.as_deref(), event).await?)
    }
}

/// The chatbot a request is about. Whatever text it is, it either is the id of one or not.
fn chatbot_id(text: String) -> Result<String, SettingsError> {
    Ok(field::lookup("chatbot_id", text)?)
}

/// Cuts the row that was read to see whether there is a next page; says where that one starts.
fn cut<T, P>(mut rows: Vec<T>, size: i64, position: impl Fn(&T) -> P) -> (Vec<T>, Option<P>) {
    let size = usize::try_from(size).unwrap_or_default();
    let more = rows.len() > size;
    rows.truncate(size);
    let next = rows.last().filter(|_| more).map(position);
    (rows, next)
}

#[tonic::async_trait]
impl SettingsService for Api {
    async fn create_organization(
        &self,
        request: Request<wire::CreateOrganizationRequest>,
    ) -> Result<Response<wire::CreateOrganizationResponse>, Status> {
        organizations::create(self, request).await
    }

    async fn find_organization(
        &self,
        request: Request<wire::FindOrganizationRequest>,
    ) -> Result<Response<wire::FindOrganizationResponse>, Status> {
        organizations::find(self, request).await
    }

    async fn get_organization(
        &self,
        request: Request<wire::GetOrganizationRequest>,
    ) -> Result<Response<wire::GetOrganizationResponse>, Status> {
        organizations::get(self, request).await
    }

    async fn set_company_secret(
        &self,
        request: Request<wire::SetCompanySecretRequest>,
    ) -> Result<Response<wire::SetCompanySecretResponse>, Status> {
        organizations::set_secret(self, request).await
    }

    async fn verify_signed_data(
        &self,
        request: Request<wire::VerifySignedDataRequest>,
    ) -> Result<Response<wire::VerifySignedDataResponse>, Status> {
        organizations::verify_signed_data(self, request).await
    }

    async fn create_api_key(
        &self,
        request: Request<wire::CreateApiKeyRequest>,
    ) -> Result<Response<wire::CreateApiKeyResponse>, Status> {
        keys::create(self, request).await
    }

    async fn list_api_keys(
        &self,
        request: Request<wire::ListApiKeysRequest>,
    ) -> Result<Response<wire::ListApiKeysResponse>, Status> {
        keys::list(self, request).await
    }

    async fn revoke_api_key(
        &self,
        request: Request<wire::RevokeApiKeyRequest>,
    ) -> Result<Response<wire::RevokeApiKeyResponse>, Status> {
        keys::revoke(self, request).await
    }

    async fn resolve_api_key(
        &self,
        request: Request<wire::ResolveApiKeyRequest>,
    ) -> Result<Response<wire::ResolveApiKeyResponse>, Status> {
        keys::resolve(self, request).await
    }

    async fn create_chatbot(
        &self,
        request: Request<wire::CreateChatbotRequest>,
    ) -> Result<Response<wire::CreateChatbotResponse>, Status> {
        chatbots::create(self, request).await
    }

    async fn list_chatbots(
        &self,
        request: Request<wire::ListChatbotsRequest>,
    ) -> Result<Response<wire::ListChatbotsResponse>, Status> {
        chatbots::list(self, request).await
    }

    async fn get_chatbot(
        &self,
        request: Request<wire::GetChatbotRequest>,
    ) -> Result<Response<wire::GetChatbotResponse>, Status> {
        chatbots::get(self, request).await
    }

    async fn update_chatbot(
        &self,
        request: Request<wire::UpdateChatbotRequest>,
    ) -> Result<Response<wire::UpdateChatbotResponse>, Status> {
        chatbots::update(self, request).await
    }

    async fn delete_chatbot(
        &self,
        request: Request<wire::DeleteChatbotRequest>,
    ) -> Result<Response<wire::DeleteChatbotResponse>, Status> {
        chatbots::delete(self, request).await
    }

    async fn get_chatbot_profile(
        &self,
        request: Request<wire::GetChatbotProfileRequest>,
    ) -> Result<Response<wire::GetChatbotProfileResponse>, Status> {
        chatbots::get_profile(self, request).await
    }

    async fn get_general_settings(
        &self,
        request: Request<wire::GetGeneralSettingsRequest>,
    ) -> Result<Response<wire::GetGeneralSettingsResponse>, Status> {
        general::get(self, request).await
    }

    async fn update_general_settings(
        &self,
        request: Request<wire::UpdateGeneralSettingsRequest>,
    ) -> Result<Response<wire::UpdateGeneralSettingsResponse>, Status> {
        general::update(self, request).await
    }

    async fn create_quick_prompt(
        &self,
        request: Request<wire::CreateQuickPromptRequest>,
    ) -> Result<Response<wire::CreateQuickPromptResponse>, Status> {
        prompts::create_quick(self, request).await
    }

    async fn list_quick_prompts(
        &self,
        request: Request<wire::ListQuickPromptsRequest>,
    ) -> Result<Response<wire::ListQuickPromptsResponse>, Status> {
        prompts::list_quick(self, request).await
    }

    async fn get_quick_prompt(
        &self,
        request: Request<wire::GetQuickPromptRequest>,
    ) -> Result<Response<wire::GetQuickPromptResponse>, Status> {
        prompts::get_quick(self, request).await
    }

    async fn create_follow_up_prompt(
        &self,
        request: Request<wire::CreateFollowUpPromptRequest>,
    ) -> Result<Response<wire::CreateFollowUpPromptResponse>, Status> {
        prompts::create_follow_up(self, request).await
    }

    async fn list_follow_up_prompts(
        &self,
        request: Request<wire::ListFollowUpPromptsRequest>,
    ) -> Result<Response<wire::ListFollowUpPromptsResponse>, Status> {
        prompts::list_follow_up(self, request).await
    }

    async fn create_human_support_settings(
        &self,
        request: Request<wire::CreateHumanSupportSettingsRequest>,
    ) -> Result<Response<wire::CreateHumanSupportSettingsResponse>, Status> {
        human_support::create(self, request).await
    }

    async fn get_human_support_settings(
        &self,
        request: Request<wire::GetHumanSupportSettingsRequest>,
    ) -> Result<Response<wire::GetHumanSupportSettingsResponse>, Status> {
        human_support::get(self, request).await
    }

    async fn update_human_support_settings(
        &self,
        request: Request<wire::UpdateHumanSupportSettingsRequest>,
    ) -> Result<Response<wire::UpdateHumanSupportSettingsResponse>, Status> {
        human_support::update(self, request).await
    }

    async fn delete_human_support_settings(
        &self,
        request: Request<wire::DeleteHumanSupportSettingsRequest>,
    ) -> Result<Response<wire::DeleteHumanSupportSettingsResponse>, Status> {
        human_support::delete(self, request).await
    }

    async fn list_lead_mails(
        &self,
        request: Request<wire::ListLeadMailsRequest>,
    ) -> Result<Response<wire::ListLeadMailsResponse>, Status> {
        lead_mails::list(self, request).await
    }
}
