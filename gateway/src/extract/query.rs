//! The query of a request.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use percent_encoding::percent_decode_str;
use platform::page::{MAX_PAGE, MAX_SIZE};

use crate::errors::Failure;
use crate::words::Word;

/// The query of a request. Keys that are not asked for are ignored; a known one may come once.
pub(crate) struct Query<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Query<'a> {
    pub(crate) fn read(text: &'a str) -> Result<Self, Failure> {
        let mut pairs = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let key = decode(key).ok_or_else(|| Failure::invalid("query", "must be UTF-8"))?;
            let value = decode(value).ok_or_else(|| Failure::invalid(&*key, "must be UTF-8"))?;
            pairs.push((key, value));
        }
        Ok(Self(pairs))
    }

    /// The value of a key; empty is the same as absent.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&str>, Failure> {
        let mut values = self.0.iter().filter(|(key, _)| key == name).map(|(_, value)| &**value);
        let value = values.next().filter(|value| !value.is_empty());
        if values.next().is_some() {
            return Err(Failure::invalid(name, "must be given once"));
        }
        if value.is_some_and(|value| value.contains('\0')) {
            return Err(Failure::invalid(name, "must not contain U+0000"));
        }
        Ok(value)
    }

    /// As [`Query::text`], owned.
    pub(crate) fn owned(&self, name: &str) -> Result<Option<String>, Failure> {
        Ok(self.text(name)?.map(str::to_owned))
    }

    /// `true` or `false`.
    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>, Failure> {
        match self.text(name)? {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(_) => Err(Failure::invalid(name, "must be true or false")),
        }
    }

    /// One of a closed set of words.
    pub(crate) fn word<W: Word>(&self, name: &str) -> Result<Option<W>, Failure> {
        self.text(name)?
            .map(|text| W::read(text).map_err(|rule| Failure::invalid(name, rule)))
            .transpose()
    }

    /// `page`, 1-based; 0 when absent.
    pub(crate) fn page(&self) -> Result<i32, Failure> {
        self.number("page", 1..=MAX_PAGE)
    }

    /// `limit`, the size of a page; 0 when absent.
    pub(crate) fn limit(&self) -> Result<i32, Failure> {
        self.number("limit", 1..=MAX_SIZE)
    }

    /// An integer within `range`; 0 when absent.
    pub(crate) fn number(&self, name: &str, range: RangeInclusive<i32>) -> Result<i32, Failure> {
        let Some(text) = self.text(name)? else {
            return Ok(0);
        };
        text.parse()
            .ok()
            .filter(|number| range.contains(number))
            .ok_or_else(|| {
                let (least, most) = (range.start(), range.end());
                Failure::invalid(name, format!("must be an integer from {least} to {most}"))
            })
    }
}

fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains(['%', '+']) {
        return Some(Cow::Borrowed(text));
    }
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8().ok()?;
    Some(Cow::Owned(decoded.into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::Mode;

    #[test]
    fn a_query_is_read_strictly_where_it_is_known() {
        let query = Query::read("page=2&limit=5&mode=AI&important=true&q=a+b%20c&other=1&other=2&empty=").unwrap();
        assert_eq!((query.page().unwrap(), query.limit().unwrap()), (2, 5));
        assert_eq!(query.word::<Mode>("mode").unwrap(), Some(Mode::Ai));
        assert_eq!(query.flag("important").unwrap(), Some(true));
        assert_eq!(query.text("q").unwrap(), Some("a b c"));
        assert_eq!(query.text("empty").unwrap(), None);
        for text in [
            "page=0",
            "page=-1",
            "page=1001",
            "page=x",
            "page=1&page=2",
            "page=99999999999",
            "page=%00",
            "page=%ff",
        ] {
            assert!(Query::read(text).and_then(|query| query.page()).is_err(), "{text}");
        }
        for text in ["limit=0", "limit=-1", "limit=101"] {
            assert!(Query::read(text).unwrap().limit().is_err(), "{text}");
        }
    }
}
