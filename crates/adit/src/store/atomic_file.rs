//! A single output file that appears whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile};

use super::StoreError;
use super::error::at;
use super::partial::{parent_of, resolve_link, sync_folder};

/// A file that is written under a hidden name and renamed by [`commit`](AtomicFile::commit);
/// without it nothing is left. What is no regular file (a pipe, a terminal) is written straight.
#[derive(Debug)]
pub struct AtomicFile {
    path: PathBuf,
    sink: Sink,
}

#[derive(Debug)]
enum Sink {
    Hidden(BufWriter<NamedTempFile>),
    Straight(BufWriter<File>),
}

impl AtomicFile {
    /// Begins a file that will appear at `path`, in place of a file that may be there.
    pub fn create(path: &Path) -> Result<AtomicFile, StoreError> {
        let path = resolve_link(path)?;
        match fs::metadata(&path) {
            Ok(found) if found.is_dir() => return Err(StoreError::NotAFile { path }),
            Ok(found) if !found.is_file() => {
                let file = OpenOptions::new()
                    .write(true)
                    .open(&path)
                    .map_err(at("open", &path))?;
                return Ok(AtomicFile {
                    path,
                    sink: Sink::Straight(BufWriter::new(file)),
                });
            }
            _ => {}
        }
        let hidden = hidden_file(&path).map_err(at("create", &path))?;
        Ok(AtomicFile {
            path,
            sink: Sink::Hidden(BufWriter::new(hidden)),
        })
    }

    /// Where the file will be.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes everything through to the disk and gives the file its name.
    pub fn commit(self) -> Result<(), StoreError> {
        let path = self.path;
        match self.sink {
            Sink::Straight(mut writer) => writer.flush().map_err(at("write", &path)),
            Sink::Hidden(writer) => {
                let hidden = writer
                    .into_inner()
                    .map_err(|e| at("write", &path)(e.into_error()))?;
                hidden.as_file().sync_all().map_err(at("write", &path))?;
                hidden
                    .persist(&path)
                    .map_err(|e| at("write", &path)(e.error))?;
                sync_folder(parent_of(&path));
                Ok(())
            }
        }
    }
}

fn hidden_file(path: &Path) -> io::Result<NamedTempFile> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut builder = Builder::new();
    let prefix = format!(".{name}.partial-");
    builder.prefix(&prefix);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // As any other new file: the user's mask decides, not the temporary one's privacy.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(parent_of(path))
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.sink {
            Sink::Hidden(writer) => writer.write(bytes),
            Sink::Straight(writer) => writer.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.sink {
            Sink::Hidden(writer) => writer.flush(),
            Sink::Straight(writer) => writer.flush(),
        }
    }
}

/// Writes `bytes` to `path` so that a reader sees the old file or the new one, nothing between.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let mut file = AtomicFile::create(path)?;
    file.write_all(bytes).map_err(at("write", path))?;
    file.commit()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_old_or_new_and_never_between() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out.csv");
        write_atomic(&path, b"old").unwrap();
        let mut file = AtomicFile::create(&path).unwrap();
        file.write_all(b"ne").unwrap();
        file.flush().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"old");
        file.write_all(b"w").unwrap();
        file.commit().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        drop(AtomicFile::create(&path).unwrap());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn others_may_read_it_as_the_mask_says() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        write_atomic(&dir.path().join("a"), b"").unwrap();
        fs::write(dir.path().join("b"), b"").unwrap();
        let mode = |name| {
            fs::metadata(dir.path().join(name))
                .unwrap()
                .permissions()
                .mode()
        };
        assert_eq!(mode("a"), mode("b"));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let (real, link) = (dir.path().join("real"), dir.path().join("link"));
        fs::write(&real, b"old").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        write_atomic(&link, b"new").unwrap();
        assert!(link.symlink_metadata().unwrap().is_symlink());
        assert_eq!(fs::read(&real).unwrap(), b"new");
    }

    #[test]
    fn a_missing_folder_and_a_folder_in_the_way_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let error = write_atomic(&dir.path().join("no/out.csv"), b"").unwrap_err();
        assert!(error.to_string().contains("no/out.csv"), "{error}");
        let error = write_atomic(dir.path(), b"").unwrap_err();
        assert!(matches!(error, StoreError::NotAFile { .. }), "{error}");
    }

    #[test]
    fn a_full_disk_is_told_at_the_latest_on_commit() {
        let full = Path::new("/dev/full");
        if !full.exists() {
            return;
        }
        let error = write_atomic(full, b"x").unwrap_err();
        assert!(matches!(error, StoreError::DiskFull { .. }), "{error}");
        assert!(error.hint().is_some());
    }
}
