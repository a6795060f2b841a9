//! What this context knows of chatbots, which belong to settings: asked for, and remembered for a while.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::RwLock;
use platform::access::{OrgId, ServiceKey};
use platform::events::{self, Notice, redis};
use platform::fault;
use platform::link::Link;
use proto::settings::v1::settings_service_client::SettingsServiceClient;
use proto::settings::v1::{ChatStart, GetChatbotProfileRequest, GetChatbotProfileResponse};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};

use crate::domain::{Error, Mode, lookup};

/// From this age on a profile is renewed in the background.
const RENEW: Duration = Duration::from_secs(10);
/// Older than this it is asked for again before it is used, unless settings is down.
const FRESH: Duration = Duration::from_mins(1);
/// While settings is down a profile is used up to this age.
const STALE: Duration = Duration::from_hours(24);
/// Settings is down when it takes longer than this over a known chatbot: most of the deadline is for the call itself.
const MOMENT: Duration = Duration::from_secs(1);
/// Profiles kept; a full cache forgets the old ones, or all.
const CACHED: usize = 50_000;

/// What threads need to know of their chatbot.
#[derive(Clone, Debug, Default)]
pub(crate) struct Profile {
    pub(crate) start: Option<Mode>,
    pub(crate) confirmation: Option<String>,
    pub(crate) bot_icon: Option<String>,
    pub(crate) user_icon: Option<String>,
    pub(crate) agent_icon: Option<String>,
    pub(crate) bubble_icon: Option<String>,
    pub(crate) llm_model: Option<proto::thread::v1::LlmModel>,
}

impl From<GetChatbotProfileResponse> for Profile {
    fn from(answer: GetChatbotProfileResponse) -> Self {
        let start = match answer.chat_start() {
            ChatStart::Agent => Some(Mode::Agent),
            ChatStart::Ai => Some(Mode::Ai),
            ChatStart::Unspecified => None,
        };
        let chatbot = answer.chatbot.unwrap_or_default();
        let icons = chatbot.icons.unwrap_or_default();
        Self {
            start,
            confirmation: answer.human_support_confirmation_message,
            bot_icon: icons.bot,
            user_icon: icons.user,
            agent_icon: icons.agent,
            bubble_icon: icons.bubble,
            llm_model: chatbot.llm_model.map(|model| proto::thread::v1::LlmModel {
                id: model.id,
                provider: model.provider,
                title: model.title,
            }),
        }
    }
}

struct Known {
    profile: Arc<Profile>,
    at: Instant,
    renewing: AtomicBool,
}

type Cache = RwLock<HashMap<OrgId, HashMap<String, Known>>>;

/// The chatbots this process has met.
#[derive(Clone)]
pub(crate) struct Chatbots {
    settings: SettingsServiceClient<Link>,
    service_key: ServiceKey,
    known: Arc<Cache>,
}

impl std::fmt::Debug for Chatbots {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Chatbots")
    }
}

impl Chatbots {
    pub(crate) fn new(settings: Link, service_key: ServiceKey) -> Self {
        Self {
            settings: SettingsServiceClient::new(settings),
            service_key,
            known: Arc::default(),
        }
    }

    /// A chatbot's profile.
    ///
    /// # Errors
    /// [`Error::ChatbotNotFound`]; [`Error::Invalid`] naming `chatbot_id`; `UNAVAILABLE` when settings can't be reached and
    /// the chatbot is not known.
    pub(crate) async fn profile(&self, org: OrgId, chatbot_id: &str) -> Result<Arc<Profile>, Status> {
        lookup("chatbot_id", chatbot_id)?;
        let known = self.known.read().get(&org).and_then(|bots| {
            bots.get(chatbot_id).map(|known| {
                let age = known.at.elapsed();
                let renew = age > RENEW && !known.renewing.swap(true, Ordering::Relaxed);
                (Arc::clone(&known.profile), age, renew)
            })
        });
        match known {
            Some((profile, age, renew)) if age < FRESH => {
                if renew {
                    let (chatbots, id) = (self.clone(), chatbot_id.to_owned());
                    tokio::spawn(async move { chatbots.ask(org, &id).await });
                }
                Ok(profile)
            }
            Some((profile, age, _)) if age < STALE => match timeout(MOMENT, self.ask(org, chatbot_id)).await {
                Ok(Ok(profile)) => Ok(profile),
                Ok(Err(status)) if status.code() != Code::Unavailable => Err(status),
                Ok(Err(_)) | Err(_) => Ok(profile),
            },
            _ => self.ask(org, chatbot_id).await,
        }
    }

    async fn ask(&self, org: OrgId, chatbot_id: &str) -> Result<Arc<Profile>, Status> {
        let request = GetChatbotProfileRequest {
            chatbot_id: chatbot_id.to_owned(),
        };
        let answer = self
            .settings
            .clone()
            .get_chatbot_profile(self.service_key.request(org, request))
            .await;
        match answer {
            Ok(answer) => {
                let profile = Arc::new(Profile::from(answer.into_inner()));
                self.remember(org, chatbot_id, &profile);
                Ok(profile)
            }
            Err(status) if matches!(status.code(), Code::NotFound | Code::InvalidArgument) => {
                self.forget(org, chatbot_id);
                Err(Error::ChatbotNotFound.into())
            }
            Err(status) => {
                if let Some(known) = self.known.read().get(&org).and_then(|bots| bots.get(chatbot_id)) {
                    known.renewing.store(false, Ordering::Relaxed);
                }
                Err(fault::pass_on(status))
            }
        }
    }

    fn remember(&self, org: OrgId, chatbot_id: &str, profile: &Arc<Profile>) {
        let mut known = self.known.write();
        if known.values().map(HashMap::len).sum::<usize>() >= CACHED {
            known.clear();
        }
        known.entry(org).or_default().insert(
            chatbot_id.to_owned(),
            Known {
                profile: Arc::clone(profile),
                at: Instant::now(),
                renewing: AtomicBool::new(false),
            },
        );
    }

    fn forget(&self, org: OrgId, chatbot_id: &str) {
        if let Some(bots) = self.known.write().get_mut(&org) {
            bots.remove(chatbot_id);
        }
    }

    /// Forgets what has changed, as soon as it is told. What is missed while Redis is down is renewed by age.
    pub(crate) async fn follow(self, redis: redis::Config, stop: CancellationToken) -> anyhow::Result<()> {
        events::listen(&redis, &stop, |notice| match notice {
            Notice::Changed { org, kind, subject } if kind == "chatbot.changed" => {
                self.forget(org, subject.strip_prefix("chatbots/").unwrap_or(&subject));
            }
            Notice::Changed { .. } => {}
            Notice::Missed => self.known.write().clear(),
        })
        .await;
        Ok(())
    }
}
