//! Where the body of a request ends.

/// How much of a body is still to come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Framing {
    /// So many bytes, as `Content-Length` said; none for a request without a body.
    Counted(u64),
    /// Chunks, up to an empty one.
    Chunked(Chunk),
}

/// The place in a chunked body.
///
/// This only finds the end, and knows one way of writing it. hyper judges the same bytes; whatever
/// is not understood here is refused, even if hyper takes it, and the connection ends with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Chunk {
    /// Before a size.
    Start,
    /// Inside a size.
    Size(u64),
    /// Between a size and the end of its line.
    Extension(u64),
    /// Before the line feed that ends a size.
    SizeEnd(u64),
    /// Inside the bytes of a chunk, so many of them to come.
    Data(u64),
    /// Before the carriage return that follows the bytes.
    DataReturn,
    /// Before the line feed that follows the bytes.
    DataEnd,
    /// At the start of a line after the empty chunk.
    Trailer,
    /// Inside such a line.
    TrailerLine,
    /// Before the line feed that ends such a line.
    TrailerEnd,
    /// Before the line feed of the last, empty line.
    LastEnd,
    /// Behind the body.
    Over,
    /// Not understood: the end is not known.
    Lost,
}

impl Framing {
    pub(super) fn is_over(&self) -> bool {
        matches!(self, Self::Counted(0) | Self::Chunked(Chunk::Over))
    }

    /// Goes forward over `bytes` and returns how many of them belong to the body.
    pub(super) fn advance(&mut self, bytes: &[u8]) -> usize {
        match self {
            Self::Counted(left) => {
                let taken =
                    usize::try_from(*left).map_or(bytes.len(), |left| left.min(bytes.len()));
                *left -= taken as u64;
                taken
            }
            Self::Chunked(chunk) => chunk.advance(bytes),
        }
    }
}

impl Chunk {
    fn advance(&mut self, bytes: &[u8]) -> usize {
        let mut rest = bytes;
        loop {
            match self {
                Self::Over => break,
                Self::Lost => return bytes.len(),
                Self::Data(left) => {
                    let skipped =
                        usize::try_from(*left).map_or(rest.len(), |left| left.min(rest.len()));
                    *left -= skipped as u64;
                    rest = rest.get(skipped..).unwrap_or_default();
                    if *left > 0 {
                        break;
                    }
                    *self = Self::DataReturn;
                }
                _ => {
                    let Some((byte, behind)) = rest.split_first() else {
                        break;
                    };
                    *self = self.after(*byte);
                    rest = behind;
                }
            }
        }
        bytes.len() - rest.len()
    }

    /// The place behind one byte of the framing.
    fn after(&self, byte: u8) -> Self {
        match (self, byte) {
            (Self::Start, _) => digit(byte).map_or(Self::Lost, Self::Size),
            (Self::Size(size) | Self::Extension(size), b'\r') => Self::SizeEnd(*size),
            (Self::Size(size), b';' | b' ' | b'\t') => Self::Extension(*size),
            (Self::Size(size), _) => digit(byte)
                .and_then(|digit| size.checked_mul(16)?.checked_add(digit))
                .map_or(Self::Lost, Self::Size),
            (Self::Extension(size), byte) if byte != b'\n' => Self::Extension(*size),
            (Self::SizeEnd(0) | Self::TrailerEnd, b'\n') => Self::Trailer,
            (Self::SizeEnd(size), b'\n') => Self::Data(*size),
            (Self::DataReturn, b'\r') => Self::DataEnd,
            (Self::DataEnd, b'\n') => Self::Start,
            (Self::Trailer, b'\r') => Self::LastEnd,
            (Self::TrailerLine, b'\r') => Self::TrailerEnd,
            (Self::Trailer | Self::TrailerLine, byte) if byte != b'\n' => Self::TrailerLine,
            (Self::LastEnd, b'\n') => Self::Over,
            _ => Self::Lost,
        }
    }
}

fn digit(byte: u8) -> Option<u64> {
    char::from(byte).to_digit(16).map(u64::from)
}

#[cfg(test)]
mod tests {
    use super::{Chunk, Framing};

    #[track_caller]
    fn check(bytes: &[u8], length: usize) {
        for split in 0..bytes.len() {
            let mut framing = Framing::Chunked(Chunk::Start);
            let mut taken = framing.advance(&bytes[..split]);
            if taken == split {
                taken += framing.advance(&bytes[split..]);
            }
            assert!(framing.is_over(), "split at {split}: {framing:?}");
            assert_eq!(taken, length, "split at {split}");
        }
    }

    #[test]
    fn the_end_of_a_chunked_body_is_found_wherever_reads_split_it() {
        check(b"0\r\n\r\nGET / HTTP/1.1", 5);
        check(b"5\r\nhello\r\n0\r\n\r\nnext", 15);
        check(b"A;name=\"v\"\r\n0123456789\r\n00\r\n\r\n", 30);
        check(b"1 \r\n\n\r\n0\r\nexpires: never\r\nx: y\r\n\r\nnext", 34);
    }

    #[test]
    fn a_chunk_that_is_not_understood_never_ends() {
        for bytes in [
            &b"\r\n0\r\n\r\n"[..],
            b"g\r\n\r\n",
            b"1\na\n0\n\n",
            b"2\r\nabc\r\n0\r\n\r\n",
            b"0\r\n\n",
            b"10000000000000000\r\n",
            b"0;a\nb\r\n\r\n",
            b"0\r\na\n\r\n",
            b"0\r\na\rb\r\n\r\n",
            b"0\r\n\rb",
        ] {
            let mut framing = Framing::Chunked(Chunk::Start);
            assert_eq!(framing.advance(bytes), bytes.len());
            assert_eq!(framing, Framing::Chunked(Chunk::Lost), "{bytes:?}");
        }
    }

    #[test]
    fn a_counted_body_ends_at_its_count() {
        let mut framing = Framing::Counted(3);
        assert_eq!(framing.advance(b"ab"), 2);
        assert!(!framing.is_over());
        assert_eq!(framing.advance(b"cGET"), 1);
        assert!(framing.is_over());
    }
}
