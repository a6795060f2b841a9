//! Events from an outbox to their effects and to the live feed, over a real PostgreSQL and a real Redis that is killed,
//! emptied and replaced while they are on their way.

#![expect(clippy::unwrap_used, reason = "helpers of tests panic as tests do")]

mod delivery;
mod erasing;
mod failures;
mod feed;
mod gaps;
mod housekeeping;
mod losses;
mod notices;
mod order;
mod support;
