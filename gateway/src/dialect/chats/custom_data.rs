//! What is known of a chat's end user: three flags, and data of any kind.

use std::collections::BTreeMap;

use proto::conversation::v1 as pb;
use proto::conversation::v1::set_custom_data_request::CustomData as Wire;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::answer::Json;
use super::ask::{Ask, required};
use super::refusal::Refusal;
use crate::answer::{Nothing, given};
use crate::errors::Spelling;
use crate::extract::Object;

/// The flags of a chat.
#[derive(Serialize, ToSchema)]
pub(super) struct CustomerFlag {
    verified_customer: bool,
    bad_actor: bool,
    repeat_customer: bool,
}

impl From<pb::CustomerFlags> for CustomerFlag {
    fn from(flags: pb::CustomerFlags) -> Self {
        Self {
            verified_customer: flags.verified_customer,
            bad_actor: flags.bad_actor,
            repeat_customer: flags.repeat_customer,
        }
    }
}

/// Get the flags of a chat
#[utoipa::path(get, path = "/apps/api/v1/chats/{chat_id}/customer_flag", tag = "Chats",
    responses((status = 200, description = "The flags", body = CustomerFlag)))]
pub(super) async fn get_customer_flag(ask: Ask) -> Result<Json<CustomerFlag>, Refusal> {
    let request = ask.request(pb::GetCustomerFlagsRequest { chat_id: ask.chat()? });
    let answer = ask.chats().get_customer_flags(request).await?.into_inner();
    Ok(Json(given(answer.flags)?.into()))
}

/// The flags to set; what is absent stays.
#[derive(Deserialize, ToSchema)]
pub(super) struct CustomerFlagChange {
    verified_customer: Option<bool>,
    bad_actor: Option<bool>,
    repeat_customer: Option<bool>,
    /// The same as `repeat_customer`: the source writes it in two ways.
    repeat_customers: Option<bool>,
}

/// Set flags of a chat
///
/// Also of one that has ended.
#[utoipa::path(post, path = "/apps/api/v1/chats/{chat_id}/customer_flag", tag = "Chats",
    request_body(content = CustomerFlagChange, content_type = "application/json",
        example = json!({"verified_customer": true, "bad_actor": false, "repeat_customers": true})),
    responses((status = 200, description = "The flags", body = CustomerFlag)))]
pub(super) async fn set_customer_flag(ask: Ask) -> Result<Json<CustomerFlag>, Refusal> {
    let chat_id = ask.chat()?;
    let body: CustomerFlagChange = ask.object()?;
    if let (Some(one), Some(other)) = (body.repeat_customer, body.repeat_customers)
        && one != other
    {
        return Err(Refusal::invalid(
            "repeat_customers",
            "must be the same as repeat_customer",
        ));
    }
    let request = ask.request(pb::SetCustomerFlagsRequest {
        chat_id,
        verified_customer: body.verified_customer,
        bad_actor: body.bad_actor,
        repeat_customer: body.repeat_customer.or(body.repeat_customers),
    });
    let answer = ask.chats().set_customer_flags(request).await?.into_inner();
    Ok(Json(given(answer.flags)?.into()))
}

/// Custom data, signed or not.
#[derive(Deserialize, ToSchema)]
pub(super) struct SetCustomData {
    /// Whether the data is in `signed_data`.
    #[schema(value_type = bool)]
    signed: Option<bool>,
    /// At most 100 items by key. `reserved_verified_customer`, `reserved_bad_actor` and `reserved_repeat_customer` set the
    /// flags.
    #[schema(value_type = Option<BTreeMap<String, CustomDataItem>>)]
    data: Option<BTreeMap<String, Object<CustomDataItem>>>,
    /// A compact JWS with HS256 and one of the organization's two live company secrets, whose claims are `custom_data`,
    /// `iat` and `exp`, at most a day ahead.
    signed_data: Option<String>,
}

/// One thing that is known.
#[derive(Deserialize, ToSchema)]
struct CustomDataItem {
    /// At most 200 characters.
    label: Option<String>,
    /// At most 16 KiB of JSON of any type.
    #[serde(default)]
    value: Value,
    /// `string`, `number`, `date` (milliseconds since 1970), `url` or `boolean`. Absent: whatever the value is.
    r#type: Option<String>,
    /// Default false.
    invisible_to_agent: Option<bool>,
}

/// Set custom data of a chat
///
/// By key: what is not named stays. Whatever is wrong with `signed_data`, the answer is the same.
#[utoipa::path(post, path = "/apps/api/v1/chats/{chat_id}/custom_data", tag = "Chats",
    request_body(content = SetCustomData, content_type = "application/json",
        example = json!({"signed": false, "data": {"reserved_bad_actor": {"label": "LABEL 2", "value": false},
            "field1": {"label": "LABEL 4", "value": "dummy1"}}})),
    responses((status = 200, description = "Set", body = Nothing)))]
pub(super) async fn set_custom_data(ask: Ask) -> Result<Json<Nothing>, Refusal> {
    let chat_id = ask.chat()?;
    let body: SetCustomData = ask.object().map_err(|failure| {
        let about_token = failure
            .told(Spelling::SnakeCase)
            .fields
            .iter()
            .any(|(field, _)| field == "signed_data");
        if about_token {
            Refusal::signed_data()
        } else {
            failure.into()
        }
    })?;
    let custom_data = if required(body.signed, "signed")? {
        Wire::SignedData(required(body.signed_data, "signed_data")?)
    } else {
        let data = required(body.data.filter(|data| !data.is_empty()), "data")?;
        let items = data.into_iter().map(|(key, Object(item))| pb::CustomDataItem {
            key,
            label: item.label,
            value_json: item.value.to_string(),
            r#type: item.r#type,
            invisible_to_agent: item.invisible_to_agent.unwrap_or_default(),
            signed: false,
        });
        Wire::Data(pb::CustomData { items: items.collect() })
    };
    let request = ask.request(pb::SetCustomDataRequest {
        chat_id,
        custom_data: Some(custom_data),
    });
    ask.chats().set_custom_data(request).await?;
    Ok(Json(Nothing::default()))
}
