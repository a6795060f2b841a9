//! What was said before a chat began.

use chrono::DateTime;
use proto::conversation::v1 as pb;
use serde::Deserialize;
use utoipa::ToSchema;

use super::refusal::Refusal;
use crate::extract::Object;

/// What was said before, at most 500 messages in order. It becomes the beginning of the chat's history.
#[derive(Deserialize, ToSchema)]
pub(super) struct Transcript {
    #[schema(value_type = Option<Vec<TranscriptMessage>>)]
    transcript: Option<Vec<Object<TranscriptMessage>>>,
}

/// One message.
#[derive(Deserialize, ToSchema)]
struct TranscriptMessage {
    /// `end_user` or `agent`.
    #[schema(value_type = String, example = "end_user")]
    sender: Option<String>,
    /// Not in the future. Absent: when the chat is created.
    #[schema(example = "2021-03-15 12:00:00Z")]
    timestamp: Option<String>,
    #[schema(value_type = Option<Vec<TranscriptContent>>)]
    content: Option<Vec<Object<TranscriptContent>>>,
}

/// A part of a message: the member that its type names.
#[derive(Deserialize, ToSchema)]
struct TranscriptContent {
    /// `text`, `buttons` or `media`.
    #[schema(value_type = String, example = "text")]
    r#type: Option<String>,
    /// Markdown.
    text: Option<String>,
    #[schema(value_type = Option<Vec<TranscriptButton>>)]
    buttons: Option<Vec<Object<TranscriptButton>>>,
    #[schema(value_type = Option<TranscriptMedia>)]
    media: Option<Object<TranscriptMedia>>,
}

/// Something that could be chosen.
#[derive(Deserialize, ToSchema)]
struct TranscriptButton {
    #[schema(value_type = String)]
    label: Option<String>,
    /// Whether it was.
    selected: Option<bool>,
}

/// A picture or video.
#[derive(Deserialize, ToSchema)]
struct TranscriptMedia {
    /// `image` or `video`.
    #[schema(value_type = String, example = "image")]
    r#type: Option<String>,
    /// An absolute http(s) URL.
    #[schema(value_type = String)]
    url: Option<String>,
}

/// Where all of it is in the request.
const PATH: &str = "chat.transcript.transcript";

impl Transcript {
    /// The messages of the history.
    pub(super) fn messages(self) -> Result<Vec<pb::TranscriptMessage>, Refusal> {
        let messages = self.transcript.unwrap_or_default().into_iter().enumerate();
        let messages = messages.map(|(at, Object(message))| message.read(&format!("{PATH}[{at}]")));
        messages.collect()
    }
}

impl TranscriptMessage {
    fn read(self, path: &str) -> Result<pb::TranscriptMessage, Refusal> {
        let from_end_user = match self.sender.as_deref() {
            Some("end_user") => true,
            Some("agent") => false,
            _ => return Err(one_of(&format!("{path}.sender"), "end_user, agent")),
        };
        let at = self.timestamp.map(|text| moment(&format!("{path}.timestamp"), &text));
        let (mut texts, mut media) = (Vec::new(), Vec::new());
        for (index, Object(content)) in self.content.unwrap_or_default().into_iter().enumerate() {
            let path = format!("{path}.content[{index}]");
            match content.r#type.as_deref() {
                Some("text") => texts.push(present(content.text, &path, "text")?),
                Some("buttons") => {
                    let buttons = present(content.buttons, &path, "buttons")?.into_iter().enumerate();
                    for (index, Object(button)) in buttons {
                        texts.push(button.line(&format!("{path}.buttons[{index}]"))?);
                    }
                }
                Some("media") => {
                    let Object(shown) = present(content.media, &path, "media")?;
                    media.push(shown.file(&format!("{path}.media"))?);
                }
                _ => return Err(one_of(&format!("{path}.type"), "text, buttons, media")),
            }
        }
        Ok(pb::TranscriptMessage {
            from_end_user,
            at: at.transpose()?,
            text: texts.join("\n"),
            media,
        })
    }
}

impl TranscriptButton {
    /// An item of a Markdown list, bold when it was chosen.
    fn line(self, path: &str) -> Result<String, Refusal> {
        let label = present(self.label, path, "label")?;
        Ok(match self.selected {
            Some(true) => format!("- **{label}**"),
            _ => format!("- {label}"),
        })
    }
}

impl TranscriptMedia {
    fn file(self, path: &str) -> Result<pb::File, Refusal> {
        match self.r#type.as_deref() {
            Some("image" | "video") => Ok(pb::File {
                url: present(self.url, path, "url")?,
                pretty_name: None,
            }),
            _ => Err(one_of(&format!("{path}.type"), "image, video")),
        }
    }
}

fn one_of(field: &str, words: &str) -> Refusal {
    Refusal::invalid(field, format_args!("must be one of {words}"))
}

fn present<T>(value: Option<T>, path: &str, name: &str) -> Result<T, Refusal> {
    value.ok_or_else(|| Refusal::missing(&format!("{path}.{name}")))
}

/// The documented form has a space between date and time; RFC 3339 has a T.
fn moment(field: &str, text: &str) -> Result<prost_types::Timestamp, Refusal> {
    DateTime::parse_from_rfc3339(&text.replacen(' ', "T", 1))
        .map(|time| platform::time::to_proto(time.to_utc()))
        .map_err(|_| Refusal::invalid(field, "must be a date and time, for example 2021-03-15 12:00:00Z"))
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse as _;

    use super::*;
    use crate::extract::parse;

    fn read(json: &str) -> Result<Vec<pb::TranscriptMessage>, String> {
        let Object(transcript) = parse::<Object<Transcript>>(json.as_bytes()).unwrap();
        transcript.messages().map_err(|refusal| {
            let body = axum::body::to_bytes(refusal.into_response().into_body(), 1 << 16);
            let body = futures::executor::block_on(body).unwrap();
            let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
            body["message"].as_str().unwrap().to_owned()
        })
    }

    #[test]
    fn the_documented_form_is_read_with_its_times_texts_and_media() {
        let messages = read(
            r#"{"greeting_override":"Hi","agent":{"name":"Bot"},"transcript":[
                {"sender":"agent","timestamp":"2021-03-15 12:00:00Z","content":[
                    {"type":"text","text":"**Which** one?"},
                    {"type":"buttons","buttons":[{"label":"Red","selected":true},{"label":"Blue","selected":false}]}]},
                {"sender":"end_user","timestamp":"2021-03-15T13:00:15.5+01:00","content":[
                    {"type":"media","media":{"type":"image","url":"https://example.com/red.jpg"}}]},
                {"sender":"end_user","content":[{"type":"text","text":"That"}]}]}"#,
        )
        .unwrap();
        let [asked, shown, said] = &messages[..] else {
            panic!("three messages: {messages:?}")
        };
        assert!(!asked.from_end_user && shown.from_end_user && said.from_end_user);
        assert_eq!(asked.text, "**Which** one?\n- **Red**\n- Blue");
        assert_eq!(asked.at.unwrap().seconds, 1_615_809_600);
        assert_eq!(shown.at.unwrap().seconds, 1_615_809_615);
        assert_eq!(
            (shown.text.as_str(), shown.media[0].url.as_str()),
            ("", "https://example.com/red.jpg")
        );
        assert!(said.at.is_none());
        assert!(read("{}").unwrap().is_empty());
    }

    #[test]
    fn what_is_wrong_in_a_transcript_is_named_by_its_place() {
        for (message, expected) in [
            (r"{}", "[0].sender must be one of end_user, agent"),
            (r#"{"sender":"bot"}"#, "[0].sender must be one of end_user, agent"),
            (
                r#"{"sender":"agent","timestamp":"yesterday"}"#,
                "[0].timestamp must be a date and time, for example 2021-03-15 12:00:00Z",
            ),
            (
                r#"{"sender":"agent","content":[{"type":"text","text":"a"},{"type":"card"}]}"#,
                "[0].content[1].type must be one of text, buttons, media",
            ),
            (
                r#"{"sender":"agent","content":[{"type":"media","media":{"type":"audio"}}]}"#,
                "[0].content[0].media.type must be one of image, video",
            ),
        ] {
            let expected = format!("chat.transcript.transcript{expected}");
            assert_eq!(read(&format!("{{\"transcript\":[{message}]}}")).unwrap_err(), expected);
        }
        let missing = read(r#"{"transcript":[{"sender":"agent","content":[{"type":"text"}]}]}"#);
        assert_eq!(
            missing.unwrap_err(),
            "param is missing or the value is empty: chat.transcript.transcript[0].content[0].text"
        );
    }
}
