//! All SQL of this context. Reads run on a connection of the pool or in a transaction; writes only in a transaction, after
//! [`Store::touch_chatbot`] where they concern a chatbot.

mod chatbots;
mod general;
mod human_support;
mod keys;
mod lead_mails;
mod organizations;
mod prompts;

pub use lead_mails::{Due, Outcome};

/// The tables of the schema `settings`. Every method takes the organization first, except the look-up by subdomain and the
/// queue of lead mails, which are of every organization.
#[derive(Debug)]
pub struct Store;
