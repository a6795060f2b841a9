//! What integrators say of a chat's end user.

use platform::fault::Violation;
use serde_json::Value;

use crate::domain::field;

/// Items in one request at most.
pub(crate) const ITEMS: usize = 100;
/// Items a chat has at most.
pub(crate) const MOST: i64 = 200;
/// The largest value, in bytes of JSON.
pub(crate) const VALUE: usize = 16 * 1024;

/// What is known of an end user, in three words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flags {
    pub(crate) verified_customer: bool,
    pub(crate) bad_actor: bool,
    pub(crate) repeat_customer: bool,
}

/// What becomes of the flags; `None` leaves one as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FlagChanges {
    pub(crate) verified_customer: Option<bool>,
    pub(crate) bad_actor: Option<bool>,
    pub(crate) repeat_customer: Option<bool>,
}

/// One thing that is known.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Item {
    pub(crate) key: String,
    pub(crate) label: Option<String>,
    pub(crate) value: Value,
    /// A word of [`TYPES`].
    pub(crate) kind: Option<String>,
    pub(crate) invisible: bool,
    pub(crate) signed: bool,
}

/// The documented types.
const TYPES: [&str; 5] = ["string", "number", "date", "url", "boolean"];

impl Item {
    /// Checks an item; `name` is what the request calls it.
    pub(crate) fn check(mut self, name: &str) -> Result<Self, Violation> {
        let part = |part: &str| format!("{name}.{part}");
        self.key = field::required(&part("key"), self.key, field::NAME)?;
        self.label = field::optional(&part("label"), self.label, field::NAME)?;
        let json = self.value.to_string();
        if json.len() > VALUE {
            return Err(Violation::new(part("value"), "must be at most 16 KiB as JSON"));
        }
        if json.contains("\\u0000") {
            return Err(Violation::new(part("value"), "must not contain U+0000"));
        }
        let Some(kind) = self.kind.as_deref() else {
            return Ok(self);
        };
        if !TYPES.contains(&kind) {
            return Err(Violation::new(
                part("type"),
                "must be string, number, date, url or boolean",
            ));
        }
        let fits = match kind {
            "string" => self.value.is_string(),
            "number" => self.value.is_number(),
            "date" => self.value.as_u64().is_some_and(|at| at <= 253_402_300_799_999),
            "url" => self
                .value
                .as_str()
                .is_some_and(|url| field::url("value", url.to_owned()).is_ok()),
            _ => self.value.is_boolean(),
        };
        if fits {
            Ok(self)
        } else {
            Err(Violation::new(part("value"), "must be of its type"))
        }
    }
}

/// Takes the reserved keys out of a list of items: they set flags.
pub(crate) fn reserved(name: &str, items: Vec<Item>) -> Result<(FlagChanges, Vec<Item>), Violation> {
    let (mut flags, mut others) = (FlagChanges::default(), Vec::with_capacity(items.len()));
    for item in items {
        let flag = match item.key.as_str() {
            "reserved_verified_customer" => &mut flags.verified_customer,
            "reserved_bad_actor" => &mut flags.bad_actor,
            "reserved_repeat_customer" => &mut flags.repeat_customer,
            _ => {
                others.push(item);
                continue;
            }
        };
        let Some(value) = item.value.as_bool() else {
            return Err(Violation::new(
                format!("{name}.{}.value", item.key),
                "must be true or false",
            ));
        };
        *flag = Some(value);
    }
    Ok((flags, others))
}

/// The items of signed data: an object from keys to objects. Nothing about it is to be trusted but its origin.
pub(crate) fn signed(name: &str, data: serde_json::Map<String, Value>) -> Result<Vec<Item>, Violation> {
    #[derive(serde::Deserialize)]
    struct Wire {
        label: Option<String>,
        #[serde(default)]
        value: Value,
        r#type: Option<String>,
        #[serde(default)]
        invisible_to_agent: bool,
    }
    let items = data.into_iter().map(|(key, item)| {
        let wire: Wire = serde_json::from_value(item)
            .map_err(|_| Violation::new(format!("{name}.{key}"), "must be an object with a value"))?;
        Ok(Item {
            key,
            label: wire.label,
            value: wire.value,
            kind: wire.r#type,
            invisible: wire.invisible_to_agent,
            signed: true,
        })
    });
    items.collect()
}
