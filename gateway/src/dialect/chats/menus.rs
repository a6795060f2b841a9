//! Where chats can be started, and who answers them.

use http::HeaderValue;
use proto::conversation::v1 as pb;
use serde::Serialize;
use utoipa::ToSchema;

use super::answer::Listed;
use super::ask::Ask;
use super::refusal::Refusal;
use super::words::AgentAvailability;
use crate::words::Word as _;

/// The last page there is.
const LAST_PAGE: i32 = 1_000;
/// What a page holds at most, and when nothing is said.
const MOST: i32 = 200;
const DEFAULT: i32 = 50;

/// A page of a list that is asked for.
struct Wanted {
    page: i32,
    per_page: i32,
}

impl Wanted {
    fn read(ask: &Ask) -> Result<Self, Refusal> {
        let query = ask.query()?;
        let or = |given, default| if given == 0 { default } else { given };
        Ok(Self {
            page: or(query.number("page", 1..=LAST_PAGE)?, 1),
            per_page: or(query.number("per_page", 1..=MOST)?, DEFAULT),
        })
    }

    /// The way to the pages around this one, as RFC 8288 has it; `None` for the only page.
    fn link(&self, ask: &Ask, has_more: bool) -> Option<HeaderValue> {
        let url = ask.url();
        let link = |page: i32, relation| format!("<{url}?page={page}&per_page={}>; rel=\"{relation}\"", self.per_page);
        let mut links = Vec::new();
        if self.page > 1 {
            links.extend([link(1, "first"), link(self.page - 1, "prev")]);
        }
        if has_more && self.page < LAST_PAGE {
            links.push(link(self.page + 1, "next"));
        }
        if links.is_empty() {
            return None;
        }
        HeaderValue::try_from(links.join(", ")).ok()
    }
}

/// Where a chat can be started.
#[derive(Serialize, ToSchema)]
pub(super) struct Menu {
    id: i64,
    name: String,
    /// ISO 639.
    #[schema(example = "en")]
    lang: String,
}

/// List the menus
///
/// By name: the queues.
#[utoipa::path(get, path = "/apps/api/v1/menus", tag = "Chats",
    params(
        ("page" = Option<i32>, Query, description = "1 to 1000, default 1", minimum = 1, maximum = 1000),
        ("per_page" = Option<i32>, Query, description = "1 to 200, default 50", minimum = 1, maximum = 200),
    ),
    responses((status = 200, description = "A page of menus", body = [Menu],
        headers(("Link" = String, description = "The pages around this one: first, prev, next")))))]
pub(super) async fn list_menus(ask: Ask) -> Result<Listed<Menu>, Refusal> {
    let wanted = Wanted::read(&ask)?;
    let request = ask.request(pb::ListMenusRequest {
        page: wanted.page,
        per_page: wanted.per_page,
    });
    let answer = ask.chats().list_menus(request).await?.into_inner();
    let menus = answer.menus.into_iter().map(|menu| Menu {
        id: menu.id,
        name: menu.name,
        lang: menu.lang,
    });
    Ok(Listed {
        items: menus.collect(),
        link: wanted.link(&ask, answer.has_more),
    })
}

/// Somebody who answers chats.
#[derive(Serialize, ToSchema)]
#[schema(as = ListedChatAgent)]
pub(super) struct ListedAgent {
    id: i64,
    name: Option<String>,
    first_name: Option<String>,
    avatar_url: Option<String>,
    status: Option<AgentAvailability>,
}

/// List the agents
///
/// Oldest first: people, no virtual agents.
#[utoipa::path(get, path = "/apps/api/v1/agents", tag = "Chats",
    params(
        ("page" = Option<i32>, Query, description = "1 to 1000, default 1", minimum = 1, maximum = 1000),
        ("per_page" = Option<i32>, Query, description = "1 to 200, default 50", minimum = 1, maximum = 200),
    ),
    responses((status = 200, description = "A page of agents", body = [ListedAgent],
        headers(("Link" = String, description = "The pages around this one: first, prev, next")))))]
pub(super) async fn list_chat_agents(ask: Ask) -> Result<Listed<ListedAgent>, Refusal> {
    let wanted = Wanted::read(&ask)?;
    let request = ask.request(pb::ListChatAgentsRequest {
        page: wanted.page,
        per_page: wanted.per_page,
    });
    let answer = ask.chats().list_chat_agents(request).await?.into_inner();
    let agents = answer.agents.into_iter().map(|agent| ListedAgent {
        status: AgentAvailability::of(agent.availability()),
        id: agent.id,
        name: agent.name,
        first_name: agent.first_name,
        avatar_url: agent.avatar_url,
    });
    Ok(Listed {
        items: agents.collect(),
        link: wanted.link(&ask, answer.has_more),
    })
}
