//! Answers as JSON text.
//!
//! Byte for byte what serde_json writes, in about half of its time: a page of messages holds a thousand members, whose names
//! are known to need no escaping and whose texts hardly ever need any.

use std::fmt;

use serde::ser::{self, Serialize};

/// `value` as JSON, with room for about `size` bytes: a large one is then written without being moved.
///
/// # Errors
/// When `value` refuses to be serialized, or has a map whose keys are no texts.
pub(super) fn text<T: Serialize + ?Sized>(value: &T, size: usize) -> Result<Vec<u8>, Error> {
    let mut out = Vec::with_capacity(size);
    value.serialize(Writer(&mut out))?;
    Ok(out)
}

/// Why a value can't be written.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Error(String);

impl ser::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

/// As what serde_json's `RawValue` announces itself to every serializer.
const RAW: &str = "$serde_json::private::RawValue";

/// Writes one value.
struct Writer<'a>(&'a mut Vec<u8>);

/// The members of an array or object, and what closes it.
struct Members<'a> {
    out: &'a mut Vec<u8>,
    first: bool,
    close: &'static str,
}

/// Whether JSON wants it escaped inside of a text.
fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// Without an exit in between, so that it becomes a few instructions on the whole chunk.
fn is_plain_chunk<const N: usize>(chunk: &[u8; N]) -> bool {
    !chunk.iter().fold(false, |any, &byte| any | is_special(byte))
}

/// Whether nothing of it needs escaping. The last chunk overlaps the one before.
#[inline]
fn is_plain(text: &[u8]) -> bool {
    if let Some(last) = text.last_chunk::<16>() {
        text.as_chunks::<16>().0.iter().all(is_plain_chunk) && is_plain_chunk(last)
    } else if let (Some(first), Some(last)) = (text.first_chunk::<8>(), text.last_chunk::<8>()) {
        is_plain_chunk(first) && is_plain_chunk(last)
    } else {
        !text.iter().copied().any(is_special)
    }
}

#[inline]
fn write_text(out: &mut Vec<u8>, text: &str) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    if is_plain(text.as_bytes()) {
        out.extend_from_slice(text.as_bytes());
    } else {
        write_escaped(out, text.as_bytes());
    }
    out.push(b'"');
}

fn write_escaped(out: &mut Vec<u8>, text: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    for run in text.split_inclusive(|&byte| is_special(byte)) {
        let Some((&last, before)) = run.split_last().filter(|(last, _)| is_special(**last)) else {
            out.extend_from_slice(run);
            continue;
        };
        out.extend_from_slice(before);
        match last {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            control => {
                out.extend_from_slice(b"\\u00");
                out.extend([HEX[usize::from(control >> 4)], HEX[usize::from(control & 15)]]);
            }
        }
    }
}

impl<'a> Writer<'a> {
    #[inline]
    fn verbatim(self, text: &str) {
        self.0.extend_from_slice(text.as_bytes());
    }

    #[inline]
    fn members(self, open: &'static str, close: &'static str) -> Members<'a> {
        self.0.extend_from_slice(open.as_bytes());
        Members {
            out: self.0,
            first: true,
            close,
        }
    }

    /// The object of a variant that holds something, as far as that.
    fn variant(self, name: &str, open: &'static str, close: &'static str) -> Members<'a> {
        self.0.push(b'{');
        write_text(self.0, name);
        self.0.push(b':');
        self.members(open, close)
    }
}

/// Numbers are written by the library that knows how.
macro_rules! numbers {
    ($($method:ident: $type:ty),* $(,)?) => {$(
        #[inline]
        fn $method(self, value: $type) -> Result<(), Error> {
            self.verbatim(itoa::Buffer::new().format(value));
            Ok(())
        }
    )*};
}

impl<'a> ser::Serializer for Writer<'a> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Members<'a>;
    type SerializeTuple = Members<'a>;
    type SerializeTupleStruct = Members<'a>;
    type SerializeTupleVariant = Members<'a>;
    type SerializeMap = Members<'a>;
    type SerializeStruct = Members<'a>;
    type SerializeStructVariant = Members<'a>;

    numbers! {
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64,
    }

    fn serialize_f32(self, value: f32) -> Result<(), Error> {
        serde_json::to_writer(self.0, &value).map_err(ser::Error::custom)
    }

    fn serialize_f64(self, value: f64) -> Result<(), Error> {
        serde_json::to_writer(self.0, &value).map_err(ser::Error::custom)
    }

    #[inline]
    fn serialize_bool(self, value: bool) -> Result<(), Error> {
        self.verbatim(if value { "true" } else { "false" });
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<(), Error> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    #[inline]
    fn serialize_str(self, value: &str) -> Result<(), Error> {
        write_text(self.0, value);
        Ok(())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), Error> {
        self.collect_seq(value)
    }

    #[inline]
    fn serialize_none(self) -> Result<(), Error> {
        self.verbatim("null");
        Ok(())
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    #[inline]
    fn serialize_unit(self) -> Result<(), Error> {
        self.serialize_none()
    }

    #[inline]
    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Error> {
        self.serialize_none()
    }

    #[inline]
    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), Error> {
        self.serialize_str(variant)
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        let members = self.variant(variant, "", "}");
        value.serialize(Writer(members.out))?;
        members.close();
        Ok(())
    }

    #[inline]
    fn serialize_seq(self, _: Option<usize>) -> Result<Members<'a>, Error> {
        Ok(self.members("[", "]"))
    }

    fn serialize_tuple(self, _: usize) -> Result<Members<'a>, Error> {
        Ok(self.members("[", "]"))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Members<'a>, Error> {
        Ok(self.members("[", "]"))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Members<'a>, Error> {
        Ok(self.variant(variant, "[", "]}"))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Members<'a>, Error> {
        Ok(self.members("{", "}"))
    }

    #[inline]
    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Members<'a>, Error> {
        Ok(if name == RAW {
            self.members("", "")
        } else {
            self.members("{", "}")
        })
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Members<'a>, Error> {
        Ok(self.variant(variant, "{", "}}"))
    }
}

impl Members<'_> {
    #[inline]
    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.comma();
        value.serialize(Writer(self.out))
    }

    #[inline]
    fn member<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Error> {
        if name == RAW {
            return self.raw(value);
        }
        debug_assert!(is_plain(name.as_bytes()), "{name} needs escaping");
        self.out.reserve(name.len() + 4);
        self.comma();
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        value.serialize(Writer(self.out))
    }

    /// The text of a `RawValue`, which is JSON.
    fn raw<T: Serialize + ?Sized>(&mut self, text: &T) -> Result<(), Error> {
        let text = text.serialize(serde_json::value::Serializer);
        let text = text.map_err(ser::Error::custom)?;
        let text = text.as_str().ok_or_else(|| Error("raw JSON is no text".to_owned()))?;
        self.out.extend_from_slice(text.as_bytes());
        Ok(())
    }

    #[inline]
    fn comma(&mut self) {
        if !self.first {
            self.out.push(b',');
        }
        self.first = false;
    }

    #[inline]
    fn close(self) {
        self.out.extend_from_slice(self.close.as_bytes());
    }
}

/// The forms of arrays and objects that serde tells apart, and JSON does not.
macro_rules! members {
    ($($form:ident: fn $add:ident($($name:ident: $type:ty)?) by $how:ident),* $(,)?) => {$(
        impl ser::$form for Members<'_> {
            type Ok = ();
            type Error = Error;

            #[inline]
            fn $add<T: Serialize + ?Sized>(&mut self, $($name: $type,)? value: &T) -> Result<(), Error> {
                self.$how($($name,)? value)
            }

            #[inline]
            fn end(self) -> Result<(), Error> {
                self.close();
                Ok(())
            }
        }
    )*};
}

members! {
    SerializeSeq: fn serialize_element() by element,
    SerializeTuple: fn serialize_element() by element,
    SerializeTupleStruct: fn serialize_field() by element,
    SerializeTupleVariant: fn serialize_field() by element,
    SerializeStruct: fn serialize_field(name: &'static str) by member,
    SerializeStructVariant: fn serialize_field(name: &'static str) by member,
}

impl ser::SerializeMap for Members<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        self.comma();
        let start = self.out.len();
        key.serialize(Writer(self.out))?;
        if self.out.get(start) != Some(&b'"') {
            return Err(Error("a key must be a text".to_owned()));
        }
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.out.push(b':');
        value.serialize(Writer(self.out))
    }

    fn end(self) -> Result<(), Error> {
        self.close();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
