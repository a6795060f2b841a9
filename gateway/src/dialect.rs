//! The documented REST surfaces, each with its own paths and wire types.

pub(crate) mod threads;
