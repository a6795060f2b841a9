//! Notices for those who keep copies.

use platform::events::{self, Notice};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::support::{Site, within};

struct Listener {
    heard: mpsc::UnboundedReceiver<Notice>,
    _stop: DropGuard,
}

impl Listener {
    fn start(site: &Site) -> Self {
        let (hear, heard) = mpsc::unbounded_channel();
        let stop = CancellationToken::new();
        let (redis, stopped) = (site.redis.config(), stop.clone());
        tokio::spawn(async move { events::listen(&redis, &stopped, |notice| drop(hear.send(notice))).await });
        Self {
            heard,
            _stop: stop.drop_guard(),
        }
    }

    async fn next(&mut self) -> Notice {
        within(self.heard.recv()).await.expect("it listens")
    }
}

#[sqlx::test(migrations = false)]
async fn whoever_listens_hears_what_has_changed(_: PgPoolOptions, options: PgConnectOptions) {
    let site = Site::new(options).await;
    let mut listener = Listener::start(&site);
    assert_eq!(listener.next().await, Notice::Missed);
    let relay = site.relay();
    site.record("things/a b", 1).await;
    let changed = Notice::Changed {
        org: site.org,
        kind: "thing.changed".to_owned(),
        subject: "things/a b".to_owned(),
    };
    assert_eq!(listener.next().await, changed);
    relay.stop().await;
}

#[sqlx::test(migrations = false)]
async fn who_did_not_listen_is_told(_: PgPoolOptions, options: PgConnectOptions) {
    let mut site = Site::new(options).await;
    let mut listener = Listener::start(&site);
    assert_eq!(listener.next().await, Notice::Missed);
    site.redis.kill().await;
    site.redis.restart().await;
    assert_eq!(listener.next().await, Notice::Missed);
}
