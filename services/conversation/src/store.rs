//! All SQL of this context. Reads run on a connection of the pool or in a transaction; writes only in a transaction.
//!
//! What conversations need of the directory: [`Store::person`], [`Store::agent`], [`Store::end_user`] and
//! [`Store::people`] for people; [`Store::queue`]; [`Store::tag`] and [`Store::ensure_tag`]; [`Store::definitions_for`]
//! together with [`crate::domain::attributes::check_changes`] for custom attributes.

mod activity;
pub(crate) mod additions;
pub(crate) mod anonymization;
mod attributes;
pub(crate) mod chats;
mod contact_endpoints;
pub(crate) mod conversations;
mod flows;
pub(crate) mod followups;
mod links;
mod marks;
mod messages;
mod notes;
pub(crate) mod people;
pub(crate) mod presence;
pub(crate) mod queues;
pub(crate) mod reads;
pub(crate) mod search;
mod seen;
mod tags;
mod teams;
pub(crate) mod transitions;

/// How many rows a list without pages has at most.
const MOST: i64 = 1000;

/// The tables of the schema `conversation`. Every method takes the organization first.
#[derive(Debug)]
pub(crate) struct Store;
