//! Text as UTF-8, whatever it was written in.
//!
//! Bytes that cannot be decoded leave as 0xFF, which no UTF-8 text contains, so that the row that
//! holds them is found bad when it is checked.

use std::io::{self, Read};

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE};

use super::SourceError;

/// Stands for bytes that cannot be decoded.
pub(super) const UNDECODABLE: u8 = 0xff;
/// Encoded bytes read at once.
const CHUNK: usize = 1 << 16;
/// Valid multi-byte characters per invalid byte from which a file is UTF-8 with damaged rows.
const UTF8_RATIO: u64 = 10;

/// The encoding of a file and how it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TextEncoding {
    pub encoding: &'static Encoding,
    /// Bytes of the mark at the start, which are not text.
    pub mark_bytes: usize,
    /// True when it was named in the settings or by a mark.
    pub declared: bool,
}

impl TextEncoding {
    /// From the settings, else the mark at the start, else UTF-16 by its zero bytes, else UTF-8.
    pub fn of(head: &[u8], forced: Option<&str>) -> Result<TextEncoding, SourceError> {
        let mark = Encoding::for_bom(head);
        if let Some(label) = forced {
            let encoding =
                Encoding::for_label(label.as_bytes()).ok_or_else(|| SourceError::BadSetting {
                    name: "encoding",
                    reason: format!(
                        "'{label}' is not a known encoding, such as utf-8, utf-16le or windows-1252"
                    ),
                })?;
            // `utf-16` alone means little-endian; a mark knows better.
            let (encoding, mark_bytes) = match mark {
                Some((marked, bytes)) if marked == encoding => (encoding, bytes),
                Some((marked, bytes)) if label.eq_ignore_ascii_case("utf-16") => (marked, bytes),
                _ => (encoding, 0),
            };
            return Ok(TextEncoding {
                encoding,
                mark_bytes,
                declared: true,
            });
        }
        if let Some((encoding, mark_bytes)) = mark {
            return Ok(TextEncoding {
                encoding,
                mark_bytes,
                declared: true,
            });
        }
        let encoding = unmarked_utf16(head).unwrap_or(UTF_8);
        Ok(TextEncoding {
            encoding,
            mark_bytes: 0,
            declared: encoding != UTF_8,
        })
    }

    /// A UTF-8 stream of what `from` holds, without its mark.
    pub fn decode(self, from: impl Read + Send + 'static) -> Box<dyn Read + Send> {
        let skipped = SkipStart {
            inner: from,
            left: self.mark_bytes,
        };
        if self.encoding == UTF_8 {
            return Box::new(skipped);
        }
        Box::new(Decoded {
            inner: skipped,
            decoder: self.encoding.new_decoder_without_bom_handling(),
            input: Vec::new(),
            input_start: 0,
            output: Vec::new(),
            output_start: 0,
            ended: false,
            finished: false,
        })
    }
}

/// Text of mostly Latin letters without a mark has a zero in every second byte.
fn unmarked_utf16(head: &[u8]) -> Option<&'static Encoding> {
    let pairs = head.len() / 2;
    if pairs < 4 {
        return None;
    }
    let zeros = |first: usize| {
        head.iter()
            .skip(first)
            .step_by(2)
            .take(pairs)
            .filter(|byte| **byte == 0)
            .count()
    };
    let (even, odd) = (zeros(0), zeros(1));
    let (few, many) = (pairs / 20, pairs * 2 / 5);
    match (even, odd) {
        _ if odd > many && even <= few => Some(UTF_16LE),
        _ if even > many && odd <= few => Some(UTF_16BE),
        _ => None,
    }
}

/// Guesses the encoding of a file that is not all UTF-8, from all of its bytes.
///
/// A file with ten or more good multi-byte characters for every bad byte stays UTF-8: its bad
/// rows are damaged, not written in another encoding.
pub(super) fn guess(mut from: impl Read) -> io::Result<&'static Encoding> {
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    let mut count = Utf8Count::default();
    let mut buffer = vec![0; CHUNK];
    loop {
        let n = match from.read(&mut buffer) {
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        detector.feed(&buffer[..n], n == 0);
        if n == 0 {
            break;
        }
        count.add(&buffer[..n]);
    }
    if count.good >= UTF8_RATIO * count.bad {
        return Ok(UTF_8);
    }
    Ok(detector.guess(None, Utf8Detection::Deny))
}

/// Counts good multi-byte characters and bad bytes over chunks.
#[derive(Default)]
struct Utf8Count {
    good: u64,
    bad: u64,
    rest: Vec<u8>,
}

impl Utf8Count {
    fn add(&mut self, chunk: &[u8]) {
        self.rest.extend_from_slice(chunk);
        let mut start = 0;
        loop {
            match std::str::from_utf8(&self.rest[start..]) {
                Ok(text) => {
                    self.good += multi_byte(text.as_bytes());
                    self.rest.clear();
                    return;
                }
                Err(error) => {
                    let end = start + error.valid_up_to();
                    self.good += multi_byte(&self.rest[start..end]);
                    let Some(bad) = error.error_len() else {
                        // An unfinished character: its end may be in the next chunk.
                        self.rest.drain(..end);
                        return;
                    };
                    self.bad += 1;
                    start = end + bad;
                }
            }
        }
    }
}

/// Characters of more than one byte, counted by their first bytes.
fn multi_byte(valid: &[u8]) -> u64 {
    valid.iter().filter(|byte| **byte >= 0xc0).count() as u64
}

/// Drops the first bytes of a stream.
struct SkipStart<R> {
    inner: R,
    left: usize,
}

impl<R: Read> Read for SkipStart<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.left > 0 {
            let mut mark = [0; 4];
            let n = self.inner.read(&mut mark[..self.left.min(4)])?;
            if n == 0 {
                return Ok(0);
            }
            self.left -= n;
        }
        self.inner.read(buffer)
    }
}

struct Decoded<R> {
    inner: R,
    decoder: Decoder,
    input: Vec<u8>,
    input_start: usize,
    output: Vec<u8>,
    output_start: usize,
    /// The inner stream is at its end.
    ended: bool,
    /// The decoder has given everything and must not be called again.
    finished: bool,
}

impl<R: Read> Decoded<R> {
    /// Decodes one more chunk into `output`, which is empty before.
    fn refill(&mut self) -> io::Result<()> {
        if self.input_start == self.input.len() && !self.ended {
            self.input.resize(CHUNK, 0);
            let n = self.inner.read(&mut self.input)?;
            self.input.truncate(n);
            self.input_start = 0;
            self.ended = n == 0;
        }
        // Three bytes for every byte in, and some for the end of the stream.
        self.output.resize(CHUNK * 3 + 16, 0);
        let (result, read, written) = self.decoder.decode_to_utf8_without_replacement(
            &self.input[self.input_start..],
            &mut self.output,
            self.ended,
        );
        self.input_start += read;
        self.output.truncate(written);
        match result {
            DecoderResult::Malformed(_, _) => self.output.push(UNDECODABLE),
            DecoderResult::InputEmpty => self.finished = self.ended,
            DecoderResult::OutputFull => {}
        }
        Ok(())
    }
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.output_start == self.output.len() {
            self.output_start = 0;
            self.output.clear();
            if self.finished {
                return Ok(0);
            }
            self.refill()?;
        }
        let n = buffer.len().min(self.output.len() - self.output_start);
        buffer[..n].copy_from_slice(&self.output[self.output_start..self.output_start + n]);
        self.output_start += n;
        Ok(n)
    }
}
