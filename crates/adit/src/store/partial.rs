//! A folder that is built under a hidden name and appears whole under its final one.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use super::StoreError;
use super::error::at;

/// A hidden sibling of the folder it will become: `.NAME.partial-<pid>`.
///
/// It is locked while its process lives, so that what a killed process left is told from what
/// another one is writing, also when process ids repeat or containers share a disk.
#[derive(Debug)]
pub(super) struct PartialFolder {
    path: PathBuf,
    final_path: PathBuf,
    /// Folders above it that did not exist before, deepest first.
    made_parents: Vec<PathBuf>,
    _lock: Option<File>,
    committed: bool,
}

impl PartialFolder {
    /// Cleans what dead processes left beside `final_path` and makes an empty hidden sibling.
    pub(super) fn create(final_path: &Path) -> Result<PartialFolder, StoreError> {
        let final_path = resolve_link(final_path)?;
        let name = folder_name(&final_path)?;
        let parent = parent_of(&final_path);
        let made_parents = make_parents(parent)?;
        let path = parent.join(format!(".{name}.partial-{}", std::process::id()));
        let lock = clean_stale(parent, &name, &final_path)
            .and_then(|()| make_locked(&path, &final_path))
            .inspect_err(|_| remove_empty(&made_parents))?;
        Ok(PartialFolder {
            path,
            final_path,
            made_parents,
            _lock: lock,
            committed: false,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn final_path(&self) -> &Path {
        &self.final_path
    }

    /// Writes everything through to the disk and gives the folder its final name; an existing
    /// folder is exchanged for it only if `replace` is set (or it is empty).
    pub(super) fn commit(mut self, replace: bool) -> Result<PathBuf, StoreError> {
        sync_tree(&self.path)?;
        let exists =
            self.final_path.symlink_metadata().is_ok() && !is_empty_folder(&self.final_path);
        if exists && !replace {
            return Err(StoreError::Exists {
                path: self.final_path.clone(),
            });
        }
        if exists {
            self.exchange()?;
        } else {
            rename(&self.path, &self.final_path)?;
            self.committed = true;
        }
        sync_folder(parent_of(&self.final_path));
        Ok(self.final_path.clone())
    }

    /// Sets the old folder aside, takes its name, then removes the old one. A process killed in
    /// between leaves both whole; the next `create` puts the old one back.
    fn exchange(&mut self) -> Result<(), StoreError> {
        let name = folder_name(&self.final_path)?;
        let parent = parent_of(&self.final_path);
        let aside = parent.join(format!(".{name}.replaced-{}", std::process::id()));
        rename(&self.final_path, &aside)?;
        if let Err(error) = rename(&self.path, &self.final_path) {
            // The old folder must not be lost; if this fails too, `create` tries again later.
            let _ = fs::rename(&aside, &self.final_path);
            return Err(error);
        }
        self.committed = true;
        fs::remove_dir_all(&aside).map_err(at("remove", &aside))
    }
}

impl Drop for PartialFolder {
    fn drop(&mut self) {
        if !self.committed {
            let _ = fs::remove_dir_all(&self.path);
            remove_empty(&self.made_parents);
        }
    }
}

fn remove_empty(folders: &[PathBuf]) {
    for folder in folders {
        if fs::remove_dir(folder).is_err() {
            break;
        }
    }
}

fn rename(from: &Path, to: &Path) -> Result<(), StoreError> {
    fs::rename(from, to).map_err(at("write", to))
}

/// Follows a link at the end of `path`, so that what is behind it is replaced, not the link.
pub(super) fn resolve_link(path: &Path) -> Result<PathBuf, StoreError> {
    // `.` and `..` have no name of their own to put a hidden sibling beside.
    if path.file_name().is_none() {
        return path.canonicalize().map_err(at("find", path));
    }
    match path.symlink_metadata() {
        Ok(found) if found.is_symlink() => path.canonicalize().map_err(at("follow the link", path)),
        _ => Ok(path.to_path_buf()),
    }
}

pub(super) fn parent_of(path: &Path) -> &Path {
    path.parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

fn folder_name(path: &Path) -> Result<String, StoreError> {
    match path.file_name() {
        Some(name) => Ok(name.to_string_lossy().into_owned()),
        None => Err(StoreError::Exists {
            path: path.to_path_buf(),
        }),
    }
}

/// Makes the missing folders above; says which were missing, deepest first.
fn make_parents(parent: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let missing: Vec<PathBuf> = parent
        .ancestors()
        .take_while(|folder| !folder.as_os_str().is_empty() && folder.symlink_metadata().is_err())
        .map(Path::to_path_buf)
        .collect();
    fs::create_dir_all(parent).map_err(at("create the folder", parent))?;
    Ok(missing)
}

/// Makes and locks the folder; waits for a cleaner that took the same name a moment before.
fn make_locked(path: &Path, final_path: &Path) -> Result<Option<File>, StoreError> {
    for _ in 0..8 {
        match fs::create_dir(path) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                return Err(StoreError::Busy {
                    path: final_path.to_path_buf(),
                });
            }
            Err(error) => return Err(at("create the folder", path)(error)),
        }
        // Some network disks know no locks; there, nothing is ever taken for stale.
        let lock = File::open(path).ok().filter(|folder| folder.lock().is_ok());
        if path.is_dir() {
            return Ok(lock);
        }
    }
    Err(StoreError::Busy {
        path: final_path.to_path_buf(),
    })
}

/// Removes unlocked partial folders of `name`, and ends or undoes an exchange cut short.
fn clean_stale(parent: &Path, name: &str, final_path: &Path) -> Result<(), StoreError> {
    let entries = fs::read_dir(parent).map_err(at("list", parent))?;
    let mut replaced = Vec::new();
    for entry in entries.flatten() {
        let file_name = entry.file_name().to_string_lossy().into_owned();
        if has_pid(&file_name, &format!(".{name}.replaced-")) {
            replaced.push(entry.path());
        }
        if !has_pid(&file_name, &format!(".{name}.partial-")) {
            continue;
        }
        let path = entry.path();
        let Ok(folder) = File::open(&path) else {
            continue;
        };
        match folder.try_lock() {
            Ok(()) => fs::remove_dir_all(&path).map_err(at("remove", &path))?,
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::Busy {
                    path: final_path.to_path_buf(),
                });
            }
            Err(TryLockError::Error(_)) => {}
        }
    }
    // Nobody holds a partial folder here now, so nobody is exchanging either.
    replaced.sort();
    for path in replaced {
        if final_path.symlink_metadata().is_err() {
            rename(&path, final_path)?;
        } else {
            fs::remove_dir_all(&path).map_err(at("remove", &path))?;
        }
    }
    Ok(())
}

fn has_pid(file_name: &str, prefix: &str) -> bool {
    file_name
        .strip_prefix(prefix)
        .is_some_and(|pid| !pid.is_empty() && pid.bytes().all(|b| b.is_ascii_digit()))
}

pub(super) fn is_empty_folder(path: &Path) -> bool {
    path.read_dir()
        .is_ok_and(|mut entries| entries.next().is_none())
}

/// Syncs every file and folder below `folder`, and itself.
fn sync_tree(folder: &Path) -> Result<(), StoreError> {
    for entry in fs::read_dir(folder).map_err(at("list", folder))? {
        let path = entry.map_err(at("list", folder))?.path();
        if path.is_dir() {
            sync_tree(&path)?;
        } else {
            let file = File::open(&path).map_err(at("open", &path))?;
            file.sync_all().map_err(at("write", &path))?;
        }
    }
    sync_folder(folder);
    Ok(())
}

/// Not every system lets folders be synced; where it does not, the rename is durable enough.
pub(super) fn sync_folder(folder: &Path) {
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
}
