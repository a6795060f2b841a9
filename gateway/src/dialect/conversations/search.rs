//! Search for conversations.

use std::collections::BTreeMap;

use proto::conversation::v1 as pb;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::answer::{Moment, Page};
use super::ask::{Ask, Params};
use super::refusal::{Part, Refusal, SCOPE_IS_401, Terms};
use crate::errors::Names;
use crate::extract::Object;
use crate::words::{number, words};

/// A conversation that was found.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ConversationSearchHit)]
pub(super) struct Hit {
    id: i64,
    /// What matched, by field (`subject`, `text`): HTML, matches in `<em class="highlight">`.
    highlights: BTreeMap<String, Vec<String>>,
    inner_hits: Vec<InnerHit>,
    #[serde(rename = "_type")]
    kind: HitWord,
}

#[derive(Serialize, ToSchema)]
enum HitWord {
    ConversationSearchHit,
}

/// A message that was found.
#[derive(Serialize, ToSchema)]
#[schema(as = ConversationSearchInnerHit)]
struct InnerHit {
    id: String,
    highlight: BTreeMap<&'static str, String>,
}

/// A conversation that was found by conditions.
#[derive(Serialize, ToSchema)]
#[schema(as = ConversationSearchWithFiltersHit)]
pub(super) struct FilteredHit {
    id: i64,
    /// What matched, by field (`subject`, `text`): HTML, matches in `<em class="highlight">`.
    highlights: BTreeMap<String, Vec<String>>,
}

fn highlights(hit: &mut pb::SearchHit) -> BTreeMap<String, Vec<String>> {
    let highlights = hit.highlights.drain();
    highlights.map(|(field, found)| (field, found.fragments)).collect()
}

impl From<pb::SearchHit> for Hit {
    fn from(mut hit: pb::SearchHit) -> Self {
        Self {
            id: hit.id,
            highlights: highlights(&mut hit),
            inner_hits: hit
                .inner_hits
                .into_iter()
                .map(|inner| InnerHit {
                    id: inner.id,
                    highlight: BTreeMap::from([("text", inner.text)]),
                })
                .collect(),
            kind: HitWord::ConversationSearchHit,
        }
    }
}

impl From<pb::SearchHit> for FilteredHit {
    fn from(mut hit: pb::SearchHit) -> Self {
        Self {
            highlights: highlights(&mut hit),
            id: hit.id,
        }
    }
}

/// The largest page.
const MOST: i32 = 50;

async fn search(
    ask: &Ask,
    params: &Params<'_>,
    terms: Terms,
    search: pb::SearchConversationsRequest,
) -> Result<pb::SearchConversationsResponse, Refusal> {
    let request = ask.request(pb::SearchConversationsRequest {
        page_size: params.limit(MOST)?,
        page_token: params.token(),
        ..search
    });
    let answer = ask.conversations().search_conversations(request).await;
    Ok(answer.map_err(terms.known(&[SCOPE_IS_401]).refuse())?.into_inner())
}

/// Search conversations
///
/// By the words of their subjects and messages.
#[utoipa::path(get, path = "/v1/search/conversations", tag = "Search",
    params(
        ("query" = String, Query, description = "1 to 1000 characters", min_length = 1, example = "cancel my order"),
        ("exactMatch" = Option<bool>, Query, description = "The words as they stand, one after another. Default false"),
        ("pageLimit" = Option<i32>, Query, description = "1 to 50, default 50", minimum = 1, maximum = 50),
        ("pageKey" = Option<String>, Query, description = "From `meta.next` of the page before"),
    ),
    responses((status = 200, description = "A page of conversations", body = Page<Hit>)))]
pub(super) async fn search_conversations(ask: Ask) -> Result<Page<Hit>, Refusal> {
    const PARAMS: &[&str] = &["query", "exactMatch"];
    let params = ask.paged(PARAMS)?;
    let query = params.owned("query")?;
    let query = query.ok_or_else(|| Refusal::invalid(Part::Query, "query", "is required"))?;
    let given = pb::SearchConversationsRequest {
        query,
        exact_match: params.flag("exactMatch")?.unwrap_or_default(),
        with_inner_hits: true,
        ..pb::SearchConversationsRequest::default()
    };
    let answer = search(&ask, &params, Terms::PAGE, given).await?;
    Ok(Page {
        meta: ask.links(&params, PARAMS, &answer.next_page_token)?,
        data: answer.hits.into_iter().map(Hit::from).collect(),
    })
}

words! {
    /// What a condition is about.
    FilterField = pb::FilterField {
        "AgentId" = AgentId is AgentId,
        "AssignedDate" = AssignedDate is AssignedDate,
        "Channel" = Channel is Channel,
        "ClosedDate" = ClosedDate is ClosedDate,
        "ContactId" = ContactId is ContactId,
        "ConversationId" = ConversationId is ConversationId,
        "CreationDate" = CreationDate is CreationDate,
        "CustomAttribute" = CustomAttribute is CustomAttribute,
        "Direction" = Direction is Direction,
        "Duration" = Duration is Duration,
        "LastActivity" = LastActivity is LastActivity,
        "LastMessage" = LastMessage is LastMessage,
        "QueueId" = QueueId is QueueId,
        "Status" = Status is Status,
        "TagId" = TagId is TagId,
    }
}

words! {
    /// How a condition compares.
    FilterOperator = pb::FilterOperator {
        "IsEmpty" = IsEmpty is IsEmpty,
        "IsNotEmpty" = IsNotEmpty is IsNotEmpty,
        "IsOneOf" = IsOneOf is IsOneOf,
        "IsNotOneOf" = IsNotOneOf is IsNotOneOf,
        "Between" = Between is Between,
        "Since" = Since is Since,
        "Until" = Until is Until,
        "LongerThanOrEqualTo" = LongerThanOrEqualTo is LongerThanOrEqualTo,
        "ShorterThanOrEqualTo" = ShorterThanOrEqualTo is ShorterThanOrEqualTo,
        "ExcludesAll" = ExcludesAll is ExcludesAll,
        "ExcludesOne" = ExcludesOne is ExcludesOne,
        "IncludesAll" = IncludesAll is IncludesAll,
        "IncludesOne" = IncludesOne is IncludesOne,
    }
}

/// What to search for.
#[derive(Deserialize, ToSchema)]
pub(super) struct SearchParameters {
    #[schema(value_type = Option<SearchQuery>)]
    query: Option<Object<SearchQuery>>,
    #[schema(value_type = Option<SearchFilters>)]
    filters: Option<Object<SearchFilters>>,
}

/// Words to search for.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SearchQuery {
    value: String,
    exact_match: Option<bool>,
}

/// Conditions.
#[derive(Deserialize, ToSchema)]
struct SearchFilters {
    strategy: Strategy,
    /// At most 20.
    #[schema(value_type = Option<Vec<Condition>>)]
    conditions: Option<Vec<Object<Condition>>>,
}

/// Whether all conditions are needed, or any suffices.
#[derive(Clone, Copy, PartialEq, Deserialize, ToSchema)]
enum Strategy {
    All,
    Any,
}

/// One condition.
#[derive(Deserialize, ToSchema)]
#[schema(as = SearchCondition)]
struct Condition {
    #[schema(value_type = Field)]
    field: Object<Field>,
}

/// A field and how it compares.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SearchField)]
struct Field {
    #[schema(value_type = Operator)]
    operator: Object<Operator>,
    /// `CustomAttribute` only, and required there.
    attribute_id: Option<String>,
    #[serde(rename = "_type")]
    kind: FilterField,
}

/// A comparison. Which members it needs depends on `_type`.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SearchOperator)]
struct Operator {
    /// Texts; of a custom attribute, paths.
    #[schema(value_type = Option<Vec<Object>>)]
    values: Option<Vec<FilterValue>>,
    timestamp_from: Option<Moment>,
    timestamp_to: Option<Moment>,
    timestamp: Option<Moment>,
    /// Seconds, as the next two.
    min: Option<i64>,
    max: Option<i64>,
    duration: Option<i64>,
    #[serde(rename = "_type")]
    kind: FilterOperator,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a string or an array of strings")]
enum FilterValue {
    Text(String),
    Path(Vec<String>),
}

impl Field {
    fn condition(self, path: &str) -> Result<pb::FilterCondition, Refusal> {
        use FilterOperator::{Between, LongerThanOrEqualTo, ShorterThanOrEqualTo, Since, Until};
        let Object(operator) = self.operator;
        let needs = |name: &str| Refusal::required(&format!("{path}.operator.{name}"));
        let mut condition = pb::FilterCondition {
            field: number(Some(self.kind)),
            operator: number(Some(operator.kind)),
            ..pb::FilterCondition::default()
        };
        if self.kind == FilterField::CustomAttribute {
            let id = self.attribute_id;
            condition.attribute_id = id.ok_or_else(|| Refusal::required(&format!("{path}.attributeId")))?;
        }
        for value in operator.values.into_iter().flatten() {
            match value {
                FilterValue::Text(text) => condition.values.push(text),
                FilterValue::Path(values) => condition.paths.push(pb::AttributePath { values }),
            }
        }
        let time = |moment: Option<Moment>, name| moment.map(|moment| moment.0).ok_or_else(|| needs(name));
        let seconds = |seconds: Option<i64>, name| seconds.ok_or_else(|| needs(name));
        match operator.kind {
            Between if self.kind == FilterField::Duration => {
                condition.min = Some(seconds(operator.min, "min")?);
                condition.max = Some(seconds(operator.max, "max")?);
            }
            Between => {
                condition.from = Some(time(operator.timestamp_from, "timestampFrom")?);
                condition.to = Some(time(operator.timestamp_to, "timestampTo")?);
            }
            Since => condition.from = Some(time(operator.timestamp, "timestamp")?),
            Until => condition.to = Some(time(operator.timestamp, "timestamp")?),
            LongerThanOrEqualTo => condition.min = Some(seconds(operator.duration, "duration")?),
            ShorterThanOrEqualTo => condition.max = Some(seconds(operator.duration, "duration")?),
            _ => {}
        }
        Ok(condition)
    }
}

impl SearchParameters {
    fn request(self) -> Result<pb::SearchConversationsRequest, Refusal> {
        let mut request = pb::SearchConversationsRequest::default();
        if let Some(Object(query)) = self.query {
            request.query = query.value;
            request.exact_match = query.exact_match.unwrap_or_default();
        }
        if let Some(Object(filters)) = self.filters {
            request.any = filters.strategy == Strategy::Any;
            let conditions = filters.conditions.into_iter().flatten().enumerate();
            let conditions = conditions.map(|(index, Object(condition))| {
                let path = format!("filters.conditions[{index}].field");
                condition.field.0.condition(&path)
            });
            request.conditions = conditions.collect::<Result<_, _>>()?;
        }
        Ok(request)
    }
}

/// Search conversations by words and conditions
///
/// At least one of the two.
#[utoipa::path(post, path = "/v1/search/conversations", tag = "Search",
    request_body(content = SearchParameters, content_type = "application/json",
        example = json!({"query": {"value": "order 12345", "exactMatch": true}, "filters": {"strategy": "All", "conditions":
            [{"field": {"operator": {"values": ["b794a74a-625b-4303-8237-9b11668a9605"], "_type": "IncludesAll"}, "_type": "TagId"}}]}})),
    params(
        ("pageLimit" = Option<i32>, Query, description = "1 to 50, default 50", minimum = 1, maximum = 50),
        ("pageKey" = Option<String>, Query, description = "From `meta.next` of the page before, with the same body"),
    ),
    responses((status = 200, description = "A page of conversations", body = Page<FilteredHit>)))]
pub(super) async fn search_conversations_by_filters(ask: Ask) -> Result<Page<FilteredHit>, Refusal> {
    const NAMES: Names = &[
        ("page_size", "pageLimit"),
        ("page_token", "pageKey"),
        ("query", "query.value"),
        ("conditions", "filters.conditions"),
        ("values", "field.operator.values"),
        ("paths", "field.operator.values"),
        ("attribute_id", "field.attributeId"),
    ];
    let params = ask.paged(&[])?;
    let given = ask.object::<SearchParameters>()?.request()?;
    let answer = search(&ask, &params, Terms::BODY.names(NAMES), given).await?;
    Ok(Page {
        meta: ask.links(&params, &[], &answer.next_page_token)?,
        data: answer.hits.into_iter().map(FilteredHit::from).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::parse;

    #[test]
    fn a_hit_ends_with_its_type() {
        let found = pb::Highlights {
            fragments: vec!["<em class=\"highlight\">Cancel</em>".to_owned()],
        };
        let hit = pb::SearchHit {
            id: 1234,
            highlights: [("subject".to_owned(), found)].into(),
            inner_hits: vec![pb::InnerHit {
                id: "m".to_owned(),
                text: "cancel".to_owned(),
            }],
        };
        assert_eq!(
            serde_json::to_string(&Hit::from(hit)).unwrap(),
            r#"{"id":1234,"highlights":{"subject":["<em class=\"highlight\">Cancel</em>"]},"innerHits":[{"id":"m","highlight":{"text":"cancel"}}],"_type":"ConversationSearchHit"}"#
        );
    }

    fn read(field: &str) -> Result<pb::FilterCondition, String> {
        let body = format!(r#"{{"filters":{{"strategy":"Any","conditions":[{{"field":{field}}}]}}}}"#);
        let parameters: Object<SearchParameters> =
            parse(body.as_bytes()).map_err(|failure| Refusal::from(failure).message().to_owned())?;
        let request = parameters.0.request().map_err(|refusal| refusal.message().to_owned())?;
        assert!(request.any);
        Ok(request.conditions.into_iter().next().unwrap())
    }

    #[test]
    fn each_form_of_a_condition_is_read() {
        let at = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
        let tag = read(r#"{"operator":{"values":["t"],"_type":"IncludesAll"},"_type":"TagId"}"#).unwrap();
        assert_eq!(
            (tag.field(), tag.operator()),
            (pb::FilterField::TagId, pb::FilterOperator::IncludesAll)
        );
        assert_eq!(tag.values, ["t"]);
        let date = read(r#"{"operator":{"timestampFrom":"1970-01-01T00:00:01Z","timestampTo":"1970-01-01T00:00:02Z[GMT]","_type":"Between"},"_type":"CreationDate"}"#).unwrap();
        assert_eq!((date.from, date.to), (at(1), at(2)));
        let since = read(r#"{"operator":{"timestamp":"1970-01-01T00:00:01Z","_type":"Since"},"_type":"LastMessage"}"#);
        assert_eq!(since.unwrap().from, at(1));
        let length = read(r#"{"operator":{"min":1,"max":2,"_type":"Between"},"_type":"Duration"}"#).unwrap();
        assert_eq!((length.min, length.max), (Some(1), Some(2)));
        let long = read(r#"{"operator":{"duration":5,"_type":"LongerThanOrEqualTo"},"_type":"Duration"}"#).unwrap();
        assert_eq!((long.min, long.max), (Some(5), None));
        let path = read(
            r#"{"operator":{"values":[["a","b"]],"_type":"IsOneOf"},"attributeId":"i","_type":"CustomAttribute"}"#,
        )
        .unwrap();
        assert_eq!((path.paths[0].values.len(), &*path.attribute_id), (2, "i"));
    }

    #[test]
    fn a_condition_that_lacks_something_is_refused_by_its_path() {
        for (field, expected) in [
            (
                r#"{"operator":{"_type":"IsEmpty"}}"#,
                "filters.conditions[0].field._type is required",
            ),
            (
                r#"{"operator":{"values":[]},"_type":"TagId"}"#,
                "filters.conditions[0].field.operator._type is required",
            ),
            (
                r#"{"operator":{"_type":"Since"},"_type":"CreationDate"}"#,
                "filters.conditions[0].field.operator.timestamp is required",
            ),
            (
                r#"{"operator":{"_type":"IsEmpty"},"_type":"CustomAttribute"}"#,
                "filters.conditions[0].field.attributeId is required",
            ),
        ] {
            assert_eq!(
                read(field).unwrap_err(),
                format!("Invalid value for: body ({expected})")
            );
        }
    }
}
