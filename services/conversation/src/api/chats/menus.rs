//! Where chats can be started, and who answers them.

use platform::access::Call;
use platform::fault::Violation;
use proto::conversation::v1 as wire;
use tonic::{Response, Status};

use crate::api::{Api, Done, conversation_wire, page_size};
use crate::domain::chats::chat::LANGUAGE;
use crate::domain::chats::hours::{DAY, INTERVALS, Interval, OpeningHours};
use crate::domain::{ConversationError, field};
use crate::store::Store;
use crate::store::chats::Offer;

/// The last page there is.
const PAGES: i32 = 1000;
/// The largest size of a queue.
const SIZE: i32 = 1_000_000;

/// Where a page begins, and one more than it holds.
fn page(number: i32, size: i32) -> Result<(i64, i64), Status> {
    let size = page_size(size).map_err(|_| ConversationError::invalid("per_page", "must not be negative"))?;
    if !(0..=PAGES).contains(&number) {
        return Err(ConversationError::invalid("page", "must be 1 to 1000").into());
    }
    Ok((i64::from(number.max(1) - 1) * size, size + 1))
}

impl Api {
    pub(in crate::api) async fn list_menus(
        &self,
        call: Call,
        message: wire::ListMenusRequest,
    ) -> Result<Response<wire::ListMenusResponse>, Status> {
        let (offset, limit) = page(message.page, message.per_page)?;
        let menus = Store::menus(call.org(), &self.db, offset, limit).await?;
        let (menus, next) = super::super::cut(menus, limit - 1, |_| ());
        Ok(Response::new(wire::ListMenusResponse {
            menus: menus.into_iter().map(Into::into).collect(),
            has_more: next.is_some(),
        }))
    }

    pub(in crate::api) async fn list_chat_agents(
        &self,
        call: Call,
        message: wire::ListChatAgentsRequest,
    ) -> Result<Response<wire::ListChatAgentsResponse>, Status> {
        use wire::AgentAvailability as Availability;
        let (offset, limit) = page(message.page, message.per_page)?;
        let agents = Store::listed_agents(call.org(), &self.db, offset, limit).await?;
        let (agents, next) = super::super::cut(agents, limit - 1, |_| ());
        let agents = agents.into_iter().map(|agent| wire::ListedAgent {
            id: agent.number,
            name: agent.name,
            first_name: agent.first_name,
            avatar_url: agent.avatar_url,
            availability: match (agent.is_working, agent.is_online) {
                (true, _) => Availability::Available,
                (false, true) => Availability::Away,
                (false, false) => Availability::Offline,
            }
            .into(),
        });
        Ok(Response::new(wire::ListChatAgentsResponse {
            agents: agents.collect(),
            has_more: next.is_some(),
        }))
    }

    pub(in crate::api) async fn configure_queue(
        &self,
        call: Call,
        message: wire::ConfigureQueueRequest,
    ) -> Result<Response<wire::ConfigureQueueResponse>, Status> {
        let id = field::uuid("id", &message.id).map_err(ConversationError::from)?;
        let offer = offer(message.clone()).map_err(ConversationError::from)?;
        self.once(&call, "ConfigureQueue", &message, async |tx| {
            if let Some(hours) = &offer.opening_hours
                && !Store::knows_time_zone(&mut *tx, &hours.time_zone).await?
            {
                let what = "must be an IANA time zone";
                return Err(ConversationError::invalid("opening_hours.time_zone", what));
            }
            let number = Store::configure_queue(call.org(), tx, id, &offer).await?;
            let answer = wire::ConfigureQueueResponse {
                number,
                lang: offer.language.clone().unwrap_or_else(|| LANGUAGE.to_owned()),
                max_queue_size: offer.max_size,
                opening_hours: message.opening_hours.clone(),
            };
            Ok(Done::new(format!("queues/{id}"), answer))
        })
        .await
    }
}

fn offer(message: wire::ConfigureQueueRequest) -> Result<Offer, Violation> {
    if message.max_queue_size.is_some_and(|size| !(0..=SIZE).contains(&size)) {
        return Err(Violation::new("max_queue_size", "must be 0 to 1000000"));
    }
    Ok(Offer {
        language: conversation_wire::language("lang", message.lang)?,
        max_size: message.max_queue_size,
        opening_hours: message.opening_hours.map(hours).transpose()?,
    })
}

fn hours(hours: wire::OpeningHours) -> Result<OpeningHours, Violation> {
    let name = "opening_hours";
    field::count(&format!("{name}.intervals"), hours.intervals.len(), 1, INTERVALS)?;
    let intervals = hours.intervals.into_iter().enumerate().map(|(index, interval)| {
        let refused = |part: &str, what: &str| Violation::new(format!("{name}.intervals[{index}].{part}"), what);
        let wire::OpenInterval { day, opens, closes } = interval;
        if !(1..=7).contains(&day) {
            return Err(refused("day", "must be 1 to 7"));
        }
        if !(0..DAY).contains(&opens) {
            return Err(refused("opens", "must be 0 to 1439"));
        }
        if !(opens + 1..=DAY).contains(&closes) {
            return Err(refused("closes", "must be after it opens, at most 1440"));
        }
        Ok(Interval { day, opens, closes })
    });
    Ok(OpeningHours {
        time_zone: field::required(&format!("{name}.time_zone"), hours.time_zone, field::NAME)?,
        intervals: intervals.collect::<Result<_, _>>()?,
    })
}
