//! A request to this dialect, taken apart in its terms.

use axum::extract::{FromRequest, Request};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use proto::conversation::v1::chat_service_client::ChatServiceClient;
use proto::conversation::v1::conversation_service_client::ConversationServiceClient;
use proto::conversation::v1::directory_service_client::DirectoryServiceClient;
use serde::de::DeserializeOwned;

use super::answer::{Links, Moment};
use super::refusal::{Part, Refusal};
use crate::extract::{Call, Query};
use crate::words::Word;
use crate::{Gateway, Link};

/// A call: all that a handler needs of the request.
pub(super) struct Ask(Call);

impl FromRequest<Gateway> for Ask {
    type Rejection = Refusal;

    async fn from_request(request: Request, gateway: &Gateway) -> Result<Self, Refusal> {
        let call = Call::read(request, gateway).await;
        call.map(Self).map_err(Refusal::reading(Part::Path))
    }
}

/// The form of a UUID that every other part of Handoff writes.
pub(super) fn is_uuid(text: &str) -> bool {
    text.len() == 36 && uuid::Uuid::try_parse(text).is_ok()
}

impl Ask {
    pub(super) fn directory(&self) -> DirectoryServiceClient<Link> {
        self.0.directory()
    }

    pub(super) fn conversations(&self) -> ConversationServiceClient<Link> {
        self.0.conversations()
    }

    pub(super) fn chats(&self) -> ChatServiceClient<Link> {
        self.0.chats()
    }

    /// A message to a context, in the caller's name.
    pub(super) fn request<T>(&self, message: T) -> tonic::Request<T> {
        self.0.request(message)
    }

    /// The caller's organization.
    pub(super) fn organization(&self) -> String {
        self.0.caller.org.0.to_string()
    }

    /// A path parameter as it is.
    pub(super) fn text(&self, name: &str) -> String {
        self.0.param(name).unwrap_or_default().to_owned()
    }

    /// `{conversationId}`.
    pub(super) fn conversation(&self) -> Result<i64, Refusal> {
        self.integer("conversationId")
    }

    /// A path parameter that is an `int64`.
    pub(super) fn integer(&self, name: &str) -> Result<i64, Refusal> {
        let text = self.0.param(name).unwrap_or_default();
        text.parse()
            .map_err(|_| Refusal::invalid(Part::Path, name, "must be an integer"))
    }

    /// A path parameter that is a UUID.
    pub(super) fn uuid(&self, name: &str) -> Result<String, Refusal> {
        let text = self.0.param(name).unwrap_or_default();
        if is_uuid(text) {
            Ok(text.to_owned())
        } else {
            Err(Refusal::invalid(Part::Path, name, "must be a UUID"))
        }
    }

    /// The body, which is a JSON object; no body is the same as `{}`.
    pub(super) fn object<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        self.0.object().map_err(Refusal::from)
    }

    /// The body, which is JSON of any type.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        self.0.json().map_err(Refusal::from)
    }

    /// The query.
    pub(super) fn query(&self) -> Result<Params<'_>, Refusal> {
        let text = self.0.uri.query().unwrap_or_default();
        let query = Query::read(text).map_err(Refusal::reading(Part::Query))?;
        Ok(Params { query, key: None })
    }

    /// The query of a list in pages, whose parameters besides `pageLimit` and `pageKey` are `names`.
    ///
    /// A page key holds the parameters of the first page, so that the next one needs nothing else. Those that are given
    /// beside it have to be the same, except for the limit.
    pub(super) fn paged(&self, names: &[&str]) -> Result<Params<'_>, Refusal> {
        let mut params = self.query()?;
        let Some(text) = params.text(KEY)? else {
            return Ok(params);
        };
        let foreign = || Refusal::invalid(Part::Query, KEY, "was not issued for this list");
        let decoded = URL_SAFE_NO_PAD
            .decode(text.trim_end_matches('='))
            .map_err(|_| foreign())?;
        let decoded = String::from_utf8(decoded).map_err(|_| foreign())?;
        let mut key = Vec::new();
        for pair in decoded.split('&') {
            let (name, value) = pair.split_once('=').ok_or_else(foreign)?;
            let value = percent_encoding::percent_decode_str(value);
            let value = value.decode_utf8().map_err(|_| foreign())?.into_owned();
            key.push((name.to_owned(), value));
        }
        let kept = |name: &str| key.iter().find(|(known, _)| known == name).map(|(_, value)| &**value);
        for name in names {
            if params.text(name)?.is_some_and(|given| kept(name) != Some(given)) {
                return Err(foreign());
            }
        }
        if kept(TOKEN).is_none_or(str::is_empty) {
            return Err(foreign());
        }
        params.key = Some(key);
        Ok(params)
    }

    /// The links of a page.
    pub(super) fn links(&self, params: &Params<'_>, names: &[&str], token: &str) -> Result<Links, Refusal> {
        if token.is_empty() {
            return Ok(Links::default());
        }
        let mut key = format!("{TOKEN}={token}");
        for name in names.iter().copied().chain([LIMIT]) {
            if let Some(value) = params.text(name)? {
                key.push('&');
                key.push_str(name);
                key.push('=');
                key.extend(utf8_percent_encode(value, RESERVED));
            }
        }
        let key = URL_SAFE_NO_PAD.encode(key);
        Ok(Links {
            next: Some(format!("{}?{KEY}={key}", self.0.url())),
        })
    }
}

const KEY: &str = "pageKey";
const LIMIT: &str = "pageLimit";
/// The name of a context's page token within a page key.
const TOKEN: &str = "page";
/// What would end a value within a page key.
const RESERVED: &AsciiSet = &CONTROLS.add(b'&').add(b'=').add(b'%').add(b'+');

/// The parameters of a query, or of the page key in it.
pub(super) struct Params<'a> {
    query: Query<'a>,
    key: Option<Vec<(String, String)>>,
}

impl Params<'_> {
    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, Refusal> {
        let given = self.query.text(name).map_err(Refusal::reading(Part::Query))?;
        Ok(given.or_else(|| {
            let key = self.key.iter().flatten();
            let mut kept = key.filter(|(known, _)| known == name);
            kept.next().map(|(_, value)| value.as_str())
        }))
    }

    pub(super) fn owned(&self, name: &str) -> Result<Option<String>, Refusal> {
        Ok(self.text(name)?.map(str::to_owned))
    }

    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, Refusal> {
        match self.text(name)? {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(_) => Err(Refusal::invalid(Part::Query, name, "must be true or false")),
        }
    }

    pub(super) fn word<W: Word>(&self, name: &str) -> Result<Option<W>, Refusal> {
        self.text(name)?
            .map(|text| W::read(text).map_err(|rule| Refusal::invalid(Part::Query, name, &rule)))
            .transpose()
    }

    pub(super) fn moment(&self, name: &str) -> Result<Option<prost_types::Timestamp>, Refusal> {
        self.text(name)?
            .map(|text| {
                let moment = Moment::read(text);
                moment
                    .map(|moment| moment.0)
                    .ok_or_else(|| Refusal::invalid(Part::Query, name, Moment::RULE))
            })
            .transpose()
    }

    /// `pageLimit`, from 1 to `most`; 0 when absent.
    pub(super) fn limit(&self, most: i32) -> Result<i32, Refusal> {
        let Some(text) = self.text(LIMIT)? else {
            return Ok(0);
        };
        let limit = text.parse().ok().filter(|limit| (1..=most).contains(limit));
        limit.ok_or_else(|| {
            let rule = format!("must be an integer from 1 to {most}");
            Refusal::invalid(Part::Query, LIMIT, &rule)
        })
    }

    /// The context's token of the page asked for; empty for the first.
    pub(super) fn token(&self) -> String {
        let key = self.key.iter().flatten();
        let mut tokens = key.filter(|(name, _)| name == TOKEN);
        tokens.next().map(|(_, token)| token.clone()).unwrap_or_default()
    }
}
