//! The metrics of the events, in one place.

use std::sync::Once;

use metrics::{Unit, describe_counter, describe_gauge};

/// Events not yet published. Label `context`.
pub(super) const UNPUBLISHED: &str = "outbox_unpublished";
/// Age of the oldest of them. Label `context`.
pub(super) const OLDEST: &str = "outbox_oldest_age_seconds";
/// Events published. Label `context`.
pub(super) const PUBLISHED: &str = "relay_published_total";
/// Events that Redis lost and that are published again. Label `context`.
pub(super) const REPUBLISHED: &str = "relay_republished_total";
/// Losses noticed. Label `context`.
pub(super) const LOSSES: &str = "redis_losses_total";
/// 1 when Redis may evict events. Label `context`.
pub(super) const EVICTING: &str = "redis_may_evict";
/// Entries of a stream that a group has not taken effect of. Labels `stream`, `group`.
pub(super) const LAG: &str = "stream_lag";
/// Events that took effect. Label `group`.
pub(super) const HANDLED: &str = "events_handled_total";
/// Deliveries without effect, because it had happened. Label `group`.
pub(super) const DUPLICATES: &str = "inbox_duplicates_total";
/// Deliveries that failed. Label `group`.
pub(super) const FAILED: &str = "events_failed_total";
/// Events given up on. Label `group`.
pub(super) const PARKED: &str = "events_parked_total";
/// Events that went ahead without their predecessor. Label `group`.
pub(super) const GAPS: &str = "events_without_predecessor_total";
/// Entries that are no events of ours. Label `group`.
pub(super) const MALFORMED: &str = "events_malformed_total";
/// Live feeds that had to be told to start over.
pub(super) const RESETS: &str = "feed_resets_total";

/// Describes each of them, once a process.
pub(super) fn describe() {
    static DESCRIBED: Once = Once::new();
    DESCRIBED.call_once(|| {
        describe_gauge!(UNPUBLISHED, "events that are recorded and not yet published");
        describe_gauge!(
            OLDEST,
            Unit::Seconds,
            "age of the oldest event that is not yet published"
        );
        describe_counter!(PUBLISHED, "events published to Redis");
        describe_counter!(REPUBLISHED, "events that Redis lost and that are published again");
        describe_counter!(LOSSES, "times that Redis was found to have lost events");
        describe_gauge!(EVICTING, "1 when the Redis server's maxmemory-policy is not noeviction");
        describe_gauge!(LAG, "entries of a stream that a group has not finished");
        describe_counter!(HANDLED, "events that took effect");
        describe_counter!(DUPLICATES, "deliveries dropped because the event had taken effect");
        describe_counter!(FAILED, "deliveries that failed");
        describe_counter!(PARKED, "events parked after failing again and again");
        describe_counter!(GAPS, "events that took effect although their predecessor never came");
        describe_counter!(MALFORMED, "stream entries that are no events");
        describe_counter!(RESETS, "live feeds told that they may have missed something");
    });
}
