//! Sends lead mails: over SMTP, or into a folder where there is no mail server.

mod sender;

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use lettre::message::Mailbox;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::transport::smtp::AsyncSmtpTransportBuilder;
use lettre::transport::smtp::response::Category;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use tokio::io::AsyncWriteExt as _;

use crate::store::{Due, Outcome};

pub use sender::run;

/// How mails leave. With neither a mail server nor a folder they wait in the database until there is one.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct Config {
    /// Mail server: `smtps://user:password@host` (TLS) or `smtp://user:password@host?tls=required` (STARTTLS, no mail
    /// without it). Special characters in user and password are percent-encoded.
    #[arg(long, env = "SMTP_URL", hide_env_values = true)]
    pub smtp_url: Option<SmtpUrl>,
    /// Who mails come from.
    #[arg(long, env = "MAIL_FROM", default_value = FROM)]
    pub mail_from: Mailbox,
    /// Folder that mails are written to as `.eml` files when there is no mail server.
    #[arg(long, env = "MAIL_DIR", value_name = "DIR")]
    pub mail_dir: Option<PathBuf>,
    /// Seconds a mail server may take for one mail.
    #[arg(long, env = "MAIL_TIMEOUT_SECONDS", default_value_t = TIMEOUT, value_parser = clap::value_parser!(u64).range(1..=60))]
    pub mail_timeout_seconds: u64,
}

const FROM: &str = "Handoff <handoff@localhost>";
const TIMEOUT: u64 = 30;

impl Default for Config {
    fn default() -> Self {
        Self {
            smtp_url: None,
            mail_from: FROM.parse().expect("a constant mailbox"),
            mail_dir: None,
            mail_timeout_seconds: TIMEOUT,
        }
    }
}

/// A mail server, with its password.
#[derive(Clone)]
pub struct SmtpUrl(AsyncSmtpTransportBuilder);

impl FromStr for SmtpUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if text.starts_with("smtp://") && text.contains('@') && !text.contains("tls=required") {
            return Err("a password is only sent over TLS: use smtps:// or add ?tls=required");
        }
        AsyncSmtpTransport::<Tokio1Executor>::from_url(text)
            .map(Self)
            .map_err(|_| "must be smtps://user:password@host or smtp://user:password@host?tls=required")
    }
}

impl fmt::Debug for SmtpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SmtpUrl")
    }
}

/// A way for mails to leave.
#[derive(Clone)]
pub struct Mailer {
    from: Mailbox,
    way: Way,
}

#[derive(Clone)]
enum Way {
    Smtp(AsyncSmtpTransport<Tokio1Executor>, Duration),
    Folder(PathBuf),
}

impl fmt::Debug for Mailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mailer")
    }
}

impl Mailer {
    /// The configured way; `None` when there is none.
    pub fn new(config: Config) -> Option<Self> {
        let timeout = Duration::from_secs(config.mail_timeout_seconds);
        let way = match (config.smtp_url, config.mail_dir) {
            (Some(SmtpUrl(builder)), _) => Way::Smtp(builder.timeout(Some(timeout)).build(), timeout),
            (None, Some(folder)) => Way::Folder(folder),
            (None, None) => return None,
        };
        Some(Self {
            from: config.mail_from,
            way,
        })
    }

    /// Makes one attempt at a mail.
    pub async fn send(&self, mail: &Due) -> Outcome {
        let message = match self.message(mail) {
            Ok(message) => message,
            Err(error) => {
                tracing::error!(mail = %mail.id, %error, "a lead mail can't be written");
                return Outcome::Refused("the mail can't be written".to_owned());
            }
        };
        match &self.way {
            Way::Smtp(transport, timeout) => {
                // lettre bounds each step, this bounds them all.
                let sent = tokio::time::timeout(*timeout, transport.send(message)).await;
                match sent {
                    Ok(Ok(_)) => Outcome::Sent,
                    Ok(Err(error)) => failed(mail, &error),
                    Err(_) => Outcome::Postponed("the mail server took too long".to_owned()),
                }
            }
            Way::Folder(folder) => match write(folder, mail, &message.formatted()).await {
                Ok(()) => Outcome::Sent,
                Err(error) => {
                    tracing::warn!(mail = %mail.id, %error, "the mail folder can't be written");
                    Outcome::Postponed("the mail folder can't be written".to_owned())
                }
            },
        }
    }

    fn message(&self, mail: &Due) -> anyhow::Result<Message> {
        // The same on every attempt, so that whoever gets a mail twice, because the answer of the mail server got lost,
        // can tell.
        let message_id = format!("<lead-mail.{}@{}>", mail.id, self.from.email.domain());
        Ok(Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, mail.address.parse()?))
            .subject(&mail.text.subject)
            .message_id(Some(message_id))
            .date(mail.created_at.into())
            // RFC 3834: nobody's absence note answers it.
            .raw_header(HeaderValue::new(
                HeaderName::new_from_ascii_str("Auto-Submitted"),
                "auto-generated".to_owned(),
            ))
            .header(ContentType::TEXT_PLAIN)
            .body(mail.text.body.clone())?)
    }
}

/// What a failed attempt means. Only what the mail server says about this mail is final: that it does not let us in
/// (53x), or did not understand us (50x), is ours to mend.
fn failed(mail: &Due, error: &lettre::transport::smtp::Error) -> Outcome {
    let Some(code) = error.status() else {
        tracing::warn!(mail = %mail.id, %error, "the mail server can't be reached");
        return Outcome::Postponed("the mail server can't be reached".to_owned());
    };
    let about_us = matches!(code.category, Category::Syntax | Category::Unspecified3);
    if error.is_permanent() && !about_us {
        Outcome::Refused(error.to_string())
    } else {
        Outcome::Postponed(error.to_string())
    }
}

/// Writes a mail so that whoever looks into the folder sees all of it or nothing.
async fn write(folder: &Path, mail: &Due, bytes: &[u8]) -> std::io::Result<()> {
    tokio::fs::create_dir_all(folder).await?;
    let unfinished = folder.join(format!(".{}.tmp", mail.id));
    let mut file = tokio::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&unfinished)
        .await?;
    file.write_all(bytes).await?;
    file.sync_all().await?;
    tokio::fs::rename(unfinished, folder.join(format!("{}.eml", mail.id))).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_only_sent_over_tls() {
        for url in [
            "smtp://user:pass@mail.example",
            "smtp://user:pass@mail.example?tls=opportunistic",
            "ftp://x",
        ] {
            assert!(url.parse::<SmtpUrl>().is_err(), "{url}");
        }
        for url in [
            "smtps://user:pass@mail.example",
            "smtp://user:pass@mail.example?tls=required",
            "smtp://127.0.0.1:25",
        ] {
            assert!(url.parse::<SmtpUrl>().is_ok(), "{url}");
        }
    }
}
