//! One framed message, and the making and reading of its body.

use super::WireError;
use bytes::{BufMut, Bytes, BytesMut};

/// A message with a type byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its type.
    pub kind: u8,
    /// What follows the length.
    pub body: Bytes,
}

/// The numbers of authentication requests ('R').
pub mod authentication {
    /// Done.
    pub const OK: u32 = 0;
    /// SASL: the mechanisms.
    pub const SASL: u32 = 10;
    /// SASL: a challenge.
    pub const SASL_CONTINUE: u32 = 11;
    /// SASL: the outcome.
    pub const SASL_FINAL: u32 = 12;
}

impl Message {
    /// Writes it to a buffer as it came.
    pub fn put(&self, out: &mut BytesMut) {
        frame(out, self.kind, |out| out.put_slice(&self.body));
    }
}

/// Appends a message whose body `fill` writes.
pub fn frame(out: &mut BytesMut, kind: u8, fill: impl FnOnce(&mut BytesMut)) {
    out.put_u8(kind);
    let at = out.len();
    out.put_u32(0);
    fill(out);
    let length = u32::try_from(out.len() - at).unwrap_or(u32::MAX);
    out[at..at + 4].copy_from_slice(&length.to_be_bytes());
}

/// A buffer with one message in it.
pub fn begin(kind: u8, fill: impl FnOnce(&mut BytesMut)) -> BytesMut {
    let mut out = BytesMut::with_capacity(64);
    frame(&mut out, kind, fill);
    out
}

/// Appends a text with its closing zero. A zero inside would end it early; texts with one never get this far (startup
/// packets cannot carry them).
pub fn put_cstr(out: &mut BytesMut, text: &str) {
    out.put_slice(text.as_bytes());
    out.put_u8(0);
}

/// Reads a body from its beginning.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    /// The next byte.
    pub fn u8(&mut self) -> Result<u8, WireError> {
        Ok(self.bytes(1)?[0])
    }

    /// The next two bytes as a number.
    pub fn u16(&mut self) -> Result<u16, WireError> {
        let b = self.bytes(2)?;
        Ok(u16::from_be_bytes([b[0], b[1]]))
    }

    /// The next four bytes as a number.
    pub fn u32(&mut self) -> Result<u32, WireError> {
        let b = self.bytes(4)?;
        Ok(u32::from_be_bytes([b[0], b[1], b[2], b[3]]))
    }

    /// So many bytes.
    pub fn bytes(&mut self, count: usize) -> Result<&'a [u8], WireError> {
        let (head, rest) =
            self.0.split_at_checked(count).ok_or(WireError::Malformed("a message ends too early"))?;
        self.0 = rest;
        Ok(head)
    }

    /// The bytes up to the next zero, which is taken too.
    pub fn cstr(&mut self) -> Result<&'a [u8], WireError> {
        let end = self
            .0
            .iter()
            .position(|b| *b == 0)
            .ok_or(WireError::Malformed("a text in a message does not end"))?;
        let text = &self.0[..end];
        self.0 = &self.0[end + 1..];
        Ok(text)
    }
}

/// One column of a `DataRow`; none is NULL.
pub fn row_value(body: &[u8], column: u16) -> Result<Option<&[u8]>, WireError> {
    let mut reader = Reader(body);
    let columns = reader.u16()?;
    if column >= columns {
        return Err(WireError::Malformed("a row has too few columns"));
    }
    let mut value = None;
    for _ in 0..=column {
        let length = reader.u32()?;
        // A length of -1 is NULL.
        value = if length == u32::MAX { None } else { Some(reader.bytes(length as usize)?) };
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_read_by_column() {
        let row = b"\0\x03\0\0\0\x02ab\xff\xff\xff\xff\0\0\0\0";
        assert_eq!(row_value(row, 0).unwrap(), Some(&b"ab"[..]));
        assert_eq!(row_value(row, 1).unwrap(), None);
        assert_eq!(row_value(row, 2).unwrap(), Some(&b""[..]));
        assert!(row_value(row, 3).is_err());
        assert!(row_value(&row[..6], 0).is_err());
    }

    #[test]
    fn a_frame_counts_itself_but_not_its_type() {
        assert_eq!(&begin(b'Z', |b| b.put_u8(b'I'))[..], b"Z\0\0\0\x05I");
    }
}
