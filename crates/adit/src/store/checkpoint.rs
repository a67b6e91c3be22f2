//! One file that holds the parts of an unfinished work, whole or not at all.

use std::path::Path;

use sha2::{Digest, Sha256};

use super::error::at;
use super::{StoreError, write_atomic};

const MAGIC: &[u8; 8] = b"ADITCKP1";

/// Writes the parts to `path`, in place of an older checkpoint; a reader sees the old or the new one.
///
/// # Errors
/// The disk is full or cannot be written.
pub fn write_checkpoint(path: &Path, parts: &[&[u8]]) -> Result<(), StoreError> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend((parts.len() as u64).to_le_bytes());
    for part in parts {
        bytes.extend((part.len() as u64).to_le_bytes());
        bytes.extend_from_slice(part);
    }
    let sum = Sha256::digest(&bytes);
    bytes.extend_from_slice(&sum);
    write_atomic(path, &bytes)
}

/// The parts that [`write_checkpoint`] wrote.
///
/// # Errors
/// A file that cannot be read, or is not such a file whole.
pub fn read_checkpoint(path: &Path) -> Result<Vec<Vec<u8>>, StoreError> {
    let bytes = std::fs::read(path).map_err(at("read", path))?;
    parts(&bytes).ok_or_else(|| StoreError::BrokenCheckpoint {
        path: path.to_path_buf(),
    })
}

/// Removes a checkpoint that is no longer needed; one that stays behind does no harm.
pub fn remove_checkpoint(path: &Path) {
    let _ = std::fs::remove_file(path);
}

fn parts(bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    let (content, sum) = bytes.split_at_checked(bytes.len().checked_sub(32)?)?;
    if Sha256::digest(content).as_slice() != sum {
        return None;
    }
    let rest = content.strip_prefix(MAGIC)?;
    let (n, mut rest) = number(rest)?;
    let mut out = Vec::new();
    for _ in 0..n {
        let (len, after) = number(rest)?;
        let (part, after) = after.split_at_checked(usize::try_from(len).ok()?)?;
        out.push(part.to_vec());
        rest = after;
    }
    rest.is_empty().then_some(out)
}

fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<8>()?;
    Some((u64::from_le_bytes(*head), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_any_change_is_noticed() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("work.checkpoint");
        let wanted: [&[u8]; 3] = [b"weights", b"", b"state"];
        write_checkpoint(&path, &wanted).expect("written");
        assert_eq!(read_checkpoint(&path).expect("read"), wanted);
        let whole = std::fs::read(&path).expect("bytes");
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            assert_eq!(parts(&bytes), None, "byte {at}");
            assert_eq!(parts(&whole[..at]), None, "{at} bytes");
        }
    }
}
