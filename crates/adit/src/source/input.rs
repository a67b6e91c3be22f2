//! One input as bytes: a file, spooled standard input, or memory; compressed or not.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use flate2::read::MultiGzDecoder;
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use super::SourceError;

/// Bytes read from a file at once.
const READ_BYTES: usize = 1 << 18;
/// Bytes at the start of a file that tell what it is.
const MAGIC_BYTES: u64 = 4_096;

/// A reader of an input's bytes, unpacked.
pub(super) type Reader = Box<dyn Read + Send>;

/// Compression, known by the first bytes and never by the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    Plain,
    Gzip,
    Zstd,
}

impl Packing {
    fn of(head: &[u8]) -> Packing {
        match head {
            [0x1f, 0x8b, ..] => Packing::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Packing::Zstd,
            _ => Packing::Plain,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Packing::Plain => "plain",
            Packing::Gzip => "gzip",
            Packing::Zstd => "zstd",
        }
    }
}

/// Where an input's bytes lie.
#[derive(Clone, Debug)]
enum Place {
    File(PathBuf),
    /// Deleted with the last owner.
    Spool(Arc<NamedTempFile>),
    Memory(Arc<[u8]>),
}

/// One input, which can be read from its start as often as needed.
#[derive(Clone, Debug)]
pub(super) struct Input {
    /// As messages and origins name it.
    pub path: PathBuf,
    pub packing: Packing,
    place: Place,
    /// Bytes on disk.
    pub bytes: u64,
}

/// Counts and hashes the bytes on disk while they pass; an empty one lets them pass unseen.
#[derive(Clone, Default)]
pub(super) struct Tap(Option<Arc<Mutex<(Sha256, u64)>>>);

impl Tap {
    /// A tap that counts and hashes.
    pub fn hashing() -> Tap {
        Tap(Some(Arc::default()))
    }

    /// Bytes that have passed.
    pub fn bytes(&self) -> u64 {
        let state = self.0.as_ref();
        state.map_or(0, |state| {
            state.lock().unwrap_or_else(PoisonError::into_inner).1
        })
    }

    /// Hex SHA-256 of the bytes that have passed.
    fn sha256(&self) -> String {
        let Some(state) = &self.0 else {
            return String::new();
        };
        let digest = state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .0
            .clone()
            .finalize();
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn add(&self, bytes: &[u8]) {
        if let Some(state) = &self.0 {
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            state.0.update(bytes);
            state.1 += bytes.len() as u64;
        }
    }
}

struct Tapped<R> {
    inner: R,
    tap: Tap,
}

impl<R: Read> Read for Tapped<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.tap.add(&buffer[..n]);
        Ok(n)
    }
}

impl Input {
    /// A file on disk; fails when it cannot be opened.
    pub fn file(path: &Path) -> Result<Input, SourceError> {
        Input::new(path.to_path_buf(), Place::File(path.to_path_buf()))
    }

    /// Bytes in memory, for tests and fuzzing.
    pub fn memory(name: &str, bytes: &[u8]) -> Result<Input, SourceError> {
        Input::new(PathBuf::from(name), Place::Memory(Arc::from(bytes)))
    }

    /// Copies a stream (standard input) to a temporary file in `folder`.
    pub fn spooled(path: &Path, mut from: impl Read, folder: &Path) -> Result<Input, SourceError> {
        let spool_error = |error| SourceError::Spool {
            path: path.to_path_buf(),
            folder: folder.to_path_buf(),
            error,
        };
        let mut file = tempfile::Builder::new()
            .prefix("adit-spool-")
            .tempfile_in(folder)
            .map_err(spool_error)?;
        let mut buffer = vec![0; READ_BYTES];
        loop {
            let n = match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    return Err(SourceError::Io {
                        path: path.to_path_buf(),
                        error,
                    });
                }
            };
            file.write_all(&buffer[..n]).map_err(spool_error)?;
        }
        file.flush().map_err(spool_error)?;
        Input::new(path.to_path_buf(), Place::Spool(Arc::new(file)))
    }

    fn new(path: PathBuf, place: Place) -> Result<Input, SourceError> {
        let mut input = Input {
            path,
            packing: Packing::Plain,
            place,
            bytes: 0,
        };
        input.bytes = match &input.place {
            Place::File(path) => std::fs::metadata(path).map(|meta| meta.len()),
            Place::Spool(file) => file.as_file().metadata().map(|meta| meta.len()),
            Place::Memory(bytes) => Ok(bytes.len() as u64),
        }
        .map_err(|error| input.io_error(error))?;
        let mut head = Vec::new();
        let mut raw = input.open_raw()?.take(4);
        raw.read_to_end(&mut head)
            .map_err(|error| input.io_error(error))?;
        input.packing = Packing::of(&head);
        Ok(input)
    }

    /// The bytes as they lie on disk.
    fn open_raw(&self) -> Result<Reader, SourceError> {
        let opened: io::Result<Reader> = match &self.place {
            Place::File(path) => File::open(path).map(|file| Box::new(file) as Reader),
            Place::Spool(file) => file.reopen().map(|file| Box::new(file) as Reader),
            Place::Memory(bytes) => Ok(Box::new(Cursor::new(Arc::clone(bytes)))),
        };
        opened.map_err(|error| self.io_error(error))
    }

    /// The bytes unpacked; `tap` sees them as they lie on disk.
    pub fn open(&self, tap: &Tap) -> Result<Reader, SourceError> {
        let raw = Tapped {
            inner: self.open_raw()?,
            tap: tap.clone(),
        };
        let raw = BufReader::with_capacity(READ_BYTES, raw);
        Ok(match self.packing {
            Packing::Plain => Box::new(raw),
            Packing::Gzip => Box::new(MultiGzDecoder::new(raw)),
            Packing::Zstd => Box::new(
                zstd::stream::read::Decoder::with_buffer(raw)
                    .map_err(|error| self.io_error(error))?,
            ),
        })
    }

    /// A seekable file of the unpacked bytes, for formats that are read from their end.
    ///
    /// Plain files are opened as they are; others are unpacked into `folder` first, and the
    /// returned input is that copy.
    pub fn unpacked(&self, folder: &Path) -> Result<Input, SourceError> {
        if self.packing == Packing::Plain {
            return Ok(self.clone());
        }
        let from = self.open(&Tap::default())?;
        Input::spooled(&self.path, from, folder).map_err(|error| match error {
            SourceError::Io { error, .. } => self.io_error(error),
            other => other,
        })
    }

    /// The seekable file of a plain input.
    pub fn open_file(&self) -> Result<File, SourceError> {
        match &self.place {
            Place::File(path) => File::open(path),
            Place::Spool(file) => file.reopen(),
            Place::Memory(_) => Err(io::Error::other("bytes in memory are not a file")),
        }
        .map_err(|error| self.io_error(error))
    }

    /// The first unpacked bytes.
    pub fn head(&self) -> Result<Vec<u8>, SourceError> {
        let mut head = Vec::new();
        let mut reader = self.open(&Tap::default())?.take(MAGIC_BYTES);
        reader
            .read_to_end(&mut head)
            .map_err(|error| self.io_error(error))?;
        Ok(head)
    }

    /// Hex SHA-256 of the bytes on disk; those that passed `tap` are not read again.
    pub fn sha256(&self, tap: &Tap) -> Result<String, SourceError> {
        if tap.0.is_some() && tap.bytes() == self.bytes {
            return Ok(tap.sha256());
        }
        let tap = Tap::hashing();
        let mut raw = Tapped {
            inner: self.open_raw()?,
            tap: tap.clone(),
        };
        let mut buffer = vec![0; READ_BYTES];
        while raw
            .read(&mut buffer)
            .map_err(|error| self.io_error(error))?
            > 0
        {}
        Ok(tap.sha256())
    }

    /// An error of the system or of the decompressor, with the path.
    pub fn io_error(&self, error: io::Error) -> SourceError {
        let path = self.path.clone();
        match (self.packing, error.kind()) {
            (_, io::ErrorKind::NotFound) => SourceError::NotFound { path },
            (Packing::Plain, _) | (_, io::ErrorKind::PermissionDenied) => {
                SourceError::Io { path, error }
            }
            (packing, io::ErrorKind::UnexpectedEof) => SourceError::Truncated {
                path,
                what: packing.name(),
            },
            (packing, _) if error.to_string().contains("incomplete frame") => {
                SourceError::Truncated {
                    path,
                    what: packing.name(),
                }
            }
            (packing, _) => SourceError::Corrupt {
                path,
                what: packing.name(),
                reason: error.to_string(),
            },
        }
    }
}
