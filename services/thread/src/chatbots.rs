//! What this context knows of chatbots, which belong to settings: asked for, and remembered for a while.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
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
    /// It may have changed: it is asked for again before it is used, unless settings is down.
    doubted: AtomicBool,
}

type Cache = RwLock<HashMap<OrgId, HashMap<String, Known>>>;

/// The chatbots this process has met.
#[derive(Clone)]
pub(crate) struct Chatbots {
    settings: SettingsServiceClient<Link>,
    service_key: ServiceKey,
    known: Arc<Cache>,
    /// How often this process was told of a change: an answer that was asked for before the last one is doubted.
    told: Arc<AtomicU64>,
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
            told: Arc::default(),
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
                let fresh = age < FRESH && !known.doubted.load(Ordering::Relaxed);
                let renew = fresh && age > RENEW && !known.renewing.swap(true, Ordering::Relaxed);
                (Arc::clone(&known.profile), age, fresh, renew)
            })
        });
        match known {
            Some((profile, _, true, renew)) => {
                if renew {
                    let (chatbots, id) = (self.clone(), chatbot_id.to_owned());
                    tokio::spawn(async move { chatbots.ask(org, &id).await });
                }
                Ok(profile)
            }
            Some((profile, age, ..)) if age < STALE => match timeout(MOMENT, self.ask(org, chatbot_id)).await {
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
        let told = self.told.load(Ordering::Acquire);
        let answer = self
            .settings
            .clone()
            .get_chatbot_profile(self.service_key.request(org, request))
            .await;
        match answer {
            Ok(answer) => {
                let profile = Arc::new(Profile::from(answer.into_inner()));
                self.remember(org, chatbot_id, &profile, told);
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

    /// Keeps an answer that was asked for when this process had been `told` of so many changes.
    fn remember(&self, org: OrgId, chatbot_id: &str, profile: &Arc<Profile>, told: u64) {
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
                doubted: AtomicBool::new(self.told.load(Ordering::Acquire) != told),
            },
        );
    }

    fn forget(&self, org: OrgId, chatbot_id: &str) {
        if let Some(bots) = self.known.write().get_mut(&org) {
            bots.remove(chatbot_id);
        }
    }

    /// Doubts what has changed, as soon as it is told. What is missed while Redis is down is renewed by age.
    pub(crate) async fn follow(self, redis: redis::Config, stop: CancellationToken) -> anyhow::Result<()> {
        events::listen(&redis, &stop, |notice| self.hear(&notice)).await;
        Ok(())
    }

    fn hear(&self, notice: &Notice) {
        if matches!(notice, Notice::Changed { kind, .. } if kind != "chatbot.changed") {
            return;
        }
        let known = self.known.read();
        self.told.fetch_add(1, Ordering::AcqRel);
        let doubt = |known: &Known| known.doubted.store(true, Ordering::Relaxed);
        match notice {
            Notice::Changed { org, subject, .. } => {
                let id = subject.strip_prefix("chatbots/").unwrap_or(subject);
                known.get(org).and_then(|bots| bots.get(id)).into_iter().for_each(doubt);
            }
            Notice::Missed => known.values().flat_map(HashMap::values).for_each(doubt),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chatbots() -> (Chatbots, OrgId) {
        // Nobody listens there: settings is down.
        let settings = Link::remote("http://127.0.0.1:1").unwrap();
        (
            Chatbots::new(settings, ServiceKey::random()),
            OrgId(platform::id::random()),
        )
    }

    fn profile(words: &str) -> Arc<Profile> {
        Arc::new(Profile {
            confirmation: Some(words.to_owned()),
            ..Profile::default()
        })
    }

    fn changed(org: OrgId, id: &str) -> Notice {
        Notice::Changed {
            org,
            kind: "chatbot.changed".to_owned(),
            subject: format!("chatbots/{id}"),
        }
    }

    fn doubted(chatbots: &Chatbots, org: OrgId, id: &str) -> bool {
        chatbots.known.read()[&org][id].doubted.load(Ordering::Relaxed)
    }

    #[tokio::test]
    async fn while_settings_is_down_a_chatbot_that_changed_is_used_as_it_was_known() {
        let (chatbots, org) = chatbots();
        for notice in [changed(org, "known"), Notice::Missed] {
            chatbots.remember(
                org,
                "known",
                &profile("One moment."),
                chatbots.told.load(Ordering::Acquire),
            );
            assert!(!doubted(&chatbots, org, "known"));
            chatbots.hear(&notice);
            assert!(doubted(&chatbots, org, "known"));
            let known = chatbots.profile(org, "known").await.unwrap();
            assert_eq!(known.confirmation.as_deref(), Some("One moment."));
        }
        let unknown = chatbots.profile(org, "unknown").await.unwrap_err();
        assert_eq!(unknown.code(), Code::Unavailable);
    }

    #[tokio::test]
    async fn a_change_is_doubted_for_one_chatbot_and_for_answers_under_way() {
        let (chatbots, org) = chatbots();
        let told = chatbots.told.load(Ordering::Acquire);
        chatbots.remember(org, "other", &profile("One moment."), told);
        chatbots.hear(&changed(org, "asked for"));
        chatbots.remember(org, "asked for", &profile("before the change"), told);
        assert!(doubted(&chatbots, org, "asked for"));
        assert!(!doubted(&chatbots, org, "other"));
    }
}
