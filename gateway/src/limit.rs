//! How much one replica takes on, and how fast one API key may ask.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use http::HeaderValue;
use ipnet::IpNet;
use uuid::Uuid;

/// What the gateway takes on, per replica.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct Limits {
    /// Largest request body in bytes; a larger one is answered with 413.
    #[arg(long, env = "HANDOFF_HTTP_BODY_BYTES", default_value_t = Self::default().http_body_bytes)]
    pub http_body_bytes: usize,
    /// Longest a request may take once its body is there, in milliseconds; then it is answered with 503.
    #[arg(long, env = "HANDOFF_HTTP_DEADLINE_MS", default_value_t = Self::default().http_deadline_ms)]
    pub http_deadline_ms: u64,
    /// Longest a service may take to answer the gateway, in milliseconds.
    #[arg(long, env = "HANDOFF_SERVICE_DEADLINE_MS", default_value_t = Self::default().service_deadline_ms)]
    pub service_deadline_ms: u32,
    /// Requests per second that one API key may make in the long run.
    #[arg(long, env = "HANDOFF_RATE_PER_SECOND", default_value_t = Self::default().rate_per_second)]
    pub rate_per_second: NonZeroU32,
    /// Requests that one API key may make at once after a pause.
    #[arg(long, env = "HANDOFF_RATE_BURST", default_value_t = Self::default().rate_burst)]
    pub rate_burst: NonZeroU32,
    /// Networks of the proxies in front, for example `10.0.0.0/8`: only they are believed what X-Forwarded-For says.
    #[arg(long, env = "HANDOFF_TRUSTED_PROXIES", value_delimiter = ',')]
    pub trusted_proxies: Vec<IpNet>,
    /// How often a quiet live feed shows that it is alive, in milliseconds.
    #[arg(long, env = "HANDOFF_FEED_HEARTBEAT_MS", default_value_t = Self::default().feed_heartbeat_ms)]
    pub feed_heartbeat_ms: u64,
    /// How often it is checked that the API key of an open live feed is still valid, in milliseconds.
    #[arg(long, env = "HANDOFF_FEED_RECHECK_MS", default_value_t = Self::default().feed_recheck_ms)]
    pub feed_recheck_ms: u64,
    /// Live feeds that one API key may have open.
    #[arg(long, env = "HANDOFF_FEEDS_PER_KEY", default_value_t = Self::default().feeds_per_key)]
    pub feeds_per_key: u32,
}

const fn positive(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).expect("a default above zero")
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            http_body_bytes: 1 << 20,
            http_deadline_ms: 5_000,
            service_deadline_ms: 3_000,
            rate_per_second: positive(500),
            rate_burst: positive(1_000),
            trusted_proxies: Vec::new(),
            feed_heartbeat_ms: 15_000,
            feed_recheck_ms: 30_000,
            feeds_per_key: 100,
        }
    }
}

type Limiter = RateLimiter<Uuid, DashMapStateStore<Uuid>, DefaultClock, StateInformationMiddleware>;

/// The rate of each API key, and the two header fields that tell callers about it.
///
/// They are those of `draft-ietf-httpapi-ratelimit-headers`: `RateLimit-Policy: "key";q=1000;w=2` states that an unused
/// quota of 1000 requests refills within 2 s; `RateLimit: "key";r=999;t=1` that 999 are left and all are back in 1 s.
pub(crate) struct Rate {
    limiter: Limiter,
    clock: DefaultClock,
    per_second: u32,
    burst: u32,
    policy: HeaderValue,
    checks: AtomicU32,
}

/// What the limiter said about one request.
pub(crate) struct Verdict {
    /// The value of `RateLimit`.
    pub(crate) quota: HeaderValue,
    /// How long to wait, when the request is over the limit.
    pub(crate) wait: Option<Duration>,
}

/// After so many checks, keys that have their whole quota again are forgotten.
const FORGET_EVERY: u32 = 1 << 16;

impl Rate {
    pub(crate) fn new(limits: &Limits) -> Self {
        let quota = Quota::per_second(limits.rate_per_second).allow_burst(limits.rate_burst);
        let (per_second, burst) = (limits.rate_per_second.get(), limits.rate_burst.get());
        let policy = format!("\"key\";q={burst};w={}", burst.div_ceil(per_second));
        Self {
            limiter: RateLimiter::dashmap(quota).with_middleware(),
            clock: DefaultClock::default(),
            per_second,
            burst,
            policy: HeaderValue::try_from(policy).expect("digits and punctuation"),
            checks: AtomicU32::new(0),
        }
    }

    /// The value of `RateLimit-Policy`.
    pub(crate) fn policy(&self) -> HeaderValue {
        self.policy.clone()
    }

    /// Counts one request of `key`.
    pub(crate) fn check(&self, key: Uuid) -> Verdict {
        if self.checks.fetch_add(1, Ordering::Relaxed) % FORGET_EVERY == FORGET_EVERY - 1 {
            self.limiter.retain_recent();
        }
        match self.limiter.check_key(&key) {
            Ok(state) => {
                let left = state.remaining_burst_capacity();
                let full_in = self.burst.saturating_sub(left).div_ceil(self.per_second);
                Verdict {
                    quota: quota(left, u64::from(full_in)),
                    wait: None,
                }
            }
            Err(until) => {
                let wait = until.wait_time_from(self.clock.now());
                Verdict {
                    quota: quota(0, u64::from(self.burst.div_ceil(self.per_second))),
                    wait: Some(wait),
                }
            }
        }
    }
}

fn quota(left: u32, full_in: u64) -> HeaderValue {
    use std::io::Write as _;
    let mut text = [0_u8; 48];
    let mut rest = text.as_mut_slice();
    write!(rest, "\"key\";r={left};t={full_in}").expect("two numbers fit");
    let unused = rest.len();
    HeaderValue::from_bytes(&text[..text.len() - unused]).expect("digits and punctuation")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(per_second: u32, burst: u32) -> Rate {
        Rate::new(&Limits {
            rate_per_second: positive(per_second),
            rate_burst: positive(burst),
            ..Limits::default()
        })
    }

    #[test]
    fn a_key_that_used_its_burst_is_told_to_wait_and_another_key_is_not() {
        let rate = rate(1, 3);
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        for left in (0..3).rev() {
            let verdict = rate.check(one);
            assert!(verdict.wait.is_none());
            assert_eq!(verdict.quota, format!("\"key\";r={left};t={}", 3 - left));
        }
        assert!(rate.check(one).wait.is_some());
        assert!(rate.check(other).wait.is_none());
    }

    #[test]
    fn the_policy_states_the_quota_and_how_long_it_takes_to_refill() {
        assert_eq!(Rate::new(&Limits::default()).policy(), "\"key\";q=1000;w=2");
    }

    #[test]
    fn the_limits_can_be_given_as_flags() {
        use clap::{Args as _, FromArgMatches as _};
        let command = Limits::augment_args(clap::Command::new("gateway"));
        let matches = command.get_matches_from([
            "gateway",
            "--rate-burst",
            "7",
            "--trusted-proxies",
            "10.0.0.0/8,::1/128",
        ]);
        let limits = Limits::from_arg_matches(&matches).unwrap();
        assert_eq!((limits.rate_burst.get(), limits.trusted_proxies.len()), (7, 2));
    }
}
