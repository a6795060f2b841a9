//! What conversations are searched by, and how what was found is shown.

use platform::time::Time;
use uuid::Uuid;

use super::channel::Channel;
use super::state::{Direction, State};

/// A search: words, conditions or both.
#[derive(Clone, Debug)]
pub(crate) struct Search {
    /// Empty: conditions alone decide.
    pub(crate) text: String,
    /// Whether the words must stand one after another, unstemmed.
    pub(crate) exact: bool,
    pub(crate) filters: Filters,
}

/// Conditions on conversations.
#[derive(Clone, Debug)]
pub(crate) struct Filters {
    /// Whether any condition suffices.
    pub(crate) any: bool,
    pub(crate) conditions: Vec<Condition>,
}

/// Which values a field may have.
#[derive(Clone, Debug)]
pub(crate) enum Values<T> {
    Empty,
    NotEmpty,
    OneOf(Vec<T>),
    /// An empty field is none of any values.
    NotOneOf(Vec<T>),
}

/// A field that holds the id of something.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reference {
    Agent,
    Queue,
    Requester,
}

/// A field that holds a point in time.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Moment {
    Assigned,
    Closed,
    Created,
    LastActivity,
    LastMessage,
}

/// A field that holds one of a few words.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Word {
    Channel,
    Direction,
    State,
}

/// How the tags of a conversation compare with a list of tags.
#[derive(Clone, Debug)]
pub(crate) enum Tags {
    Empty,
    NotEmpty,
    /// It has each of them.
    IncludesAll(Vec<Uuid>),
    /// It has one of them at least.
    IncludesOne(Vec<Uuid>),
    /// It has none of them.
    ExcludesAll(Vec<Uuid>),
    /// It lacks one of them at least.
    ExcludesOne(Vec<Uuid>),
}

/// One condition.
#[derive(Clone, Debug)]
pub(crate) enum Condition {
    Reference(Reference, Values<Uuid>),
    Conversation(Values<i64>),
    /// Bounds are inclusive.
    Moment(Moment, Option<Time>, Option<Time>),
    Word(Word, Values<i16>),
    /// Seconds from the beginning until it was closed, or until now. Bounds are inclusive.
    Duration(Option<i64>, Option<i64>),
    Tags(Tags),
    /// A custom attribute; its values are texts or paths as they are stored.
    Attribute(Uuid, Values<serde_json::Value>),
}

/// In place of a channel's number: a conversation of the generic type, whatever its channel.
pub(crate) const GENERIC: i16 = 0;

impl Word {
    /// What a documented word of a filter stands for; `None` when it is none. Some words are of channels that no
    /// conversation here can have, so that they stand for nothing.
    pub(crate) fn numbers(self, word: &str) -> Option<&'static [i16]> {
        Some(match (self, word) {
            (Self::Channel, "email") => &[Channel::Email as i16],
            (Self::Channel, "contactform") => &[Channel::ContactForm as i16],
            (Self::Channel, "chat") => &[Channel::WidgetChat as i16],
            (Self::Channel, "dixamessenger") => &[Channel::Messenger as i16],
            (Self::Channel, "phone") => &[Channel::PstnPhone as i16],
            (Self::Channel, "voicemail") => &[Channel::Voicemail as i16],
            (Self::Channel, "callback") => &[Channel::Callback as i16],
            (Self::Channel, "sms") => &[Channel::Sms as i16],
            (Self::Channel, "facebookmessenger") => &[Channel::FacebookMessenger as i16],
            (Self::Channel, "whatsapp") => &[Channel::WhatsApp as i16],
            (Self::Channel, "genericapimessaging") => &[GENERIC],
            (Self::Channel, "adachat" | "digitalgeniuschat" | "kindlychat" | "trustpilot" | "yotpo") => &[],
            (Self::Direction, "inbound") => &[Direction::Inbound as i16],
            (Self::Direction, "outbound") => &[Direction::Outbound as i16],
            (Self::Direction, "internal") => &[Direction::Internal as i16],
            (Self::State, "open") => &[State::Open as i16],
            (Self::State, "pending") => &[State::Pending as i16, State::AwaitingPending as i16],
            (Self::State, "closed") => &[State::Closed as i16],
            _ => return None,
        })
    }
}

/// Stand before and after what was found, and nowhere else in a headline.
pub(crate) const START: char = '\u{e000}';
pub(crate) const STOP: char = '\u{e001}';
const OPEN: &str = "<em class=\"highlight\">";
const CLOSE: &str = "</em>";

/// A headline as HTML. Words that were found next to each other are highlighted as one.
pub(crate) fn highlighted(headline: &str) -> String {
    let mut html = String::with_capacity(headline.len() + OPEN.len() + CLOSE.len());
    // The spaces after a highlight that may go on.
    let mut gap: Option<String> = None;
    for c in headline.chars() {
        if c == STOP {
            gap = Some(String::new());
        } else if c == START {
            match gap.take() {
                Some(spaces) => html.push_str(&spaces),
                None => html.push_str(OPEN),
            }
        } else if let Some(spaces) = gap.as_mut().filter(|_| c.is_whitespace()) {
            spaces.push(c);
        } else {
            close(&mut html, gap.take());
            escape(&mut html, c);
        }
    }
    close(&mut html, gap);
    html
}

fn close(html: &mut String, gap: Option<String>) {
    if let Some(spaces) = gap {
        html.push_str(CLOSE);
        html.push_str(&spaces);
    }
}

fn escape(html: &mut String, c: char) {
    match c {
        '&' => html.push_str("&amp;"),
        '<' => html.push_str("&lt;"),
        '>' => html.push_str("&gt;"),
        '"' => html.push_str("&quot;"),
        '\'' => html.push_str("&#39;"),
        c => html.push(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_highlighted_as_one() {
        assert_eq!(
            highlighted("to \u{e000}cancel\u{e001} \u{e000}it\u{e001}, \u{e000}now\u{e001} "),
            "to <em class=\"highlight\">cancel it</em>, <em class=\"highlight\">now</em> "
        );
    }

    #[test]
    fn html_in_a_text_is_shown_and_not_obeyed() {
        assert_eq!(
            highlighted("<b onclick=\"x('y')\">&\u{e000}<i>\u{e001}"),
            "&lt;b onclick=&quot;x(&#39;y&#39;)&quot;&gt;&amp;<em class=\"highlight\">&lt;i&gt;</em>"
        );
    }

    #[test]
    fn a_text_without_anything_found_is_itself() {
        assert_eq!(highlighted("nothing here"), "nothing here");
        assert_eq!(highlighted(""), "");
    }
}
