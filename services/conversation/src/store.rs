//! All SQL of this context. Reads run on a connection of the pool or in a transaction; writes only in a transaction.

/// The tables of the schema `conversation`. Every method takes the organization first.
#[derive(Debug)]
pub(crate) struct Store;
