//! The folder of a run: written beside its place, then put there whole.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::StoreError;
use super::error::at;
use super::partial::{PartialFolder, is_empty_folder, resolve_link};

/// A run's folder while it is written; without [`commit`](RunFolder::commit) it leaves nothing.
#[derive(Debug)]
pub struct RunFolder {
    folder: PartialFolder,
    overwrite: bool,
    /// Streams begun and not finished.
    open: Arc<Mutex<BTreeSet<PathBuf>>>,
}

impl RunFolder {
    /// Begins a run that will appear at `final_path`; missing folders above it are made.
    ///
    /// Errors: `final_path` exists and `overwrite` is not set, or is set and what is there is no
    /// finished run; it is a file; it cannot be written; another process is writing it.
    pub fn create(final_path: &Path, overwrite: bool) -> Result<RunFolder, StoreError> {
        check_target(&resolve_link(final_path)?, overwrite)?;
        let folder = PartialFolder::create(final_path)?;
        // Cleaning may have put back a run that a killed process had set aside.
        check_target(folder.final_path(), overwrite)?;
        Ok(RunFolder {
            folder,
            overwrite,
            open: Arc::default(),
        })
    }

    /// Where the folder is now, before it is committed.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Where the folder will be.
    pub fn final_path(&self) -> &Path {
        self.folder.final_path()
    }

    /// Writes a file, `relative` to the folder; folders in between are made.
    pub fn write(&self, relative: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let path = self.place(relative)?;
        fs::write(&path, bytes).map_err(at("write", &path))
    }

    /// Begins a file that is written piece by piece; end it with [`RunFile::finish`].
    pub fn create_file(&self, relative: &str) -> Result<RunFile, StoreError> {
        let path = self.place(relative)?;
        let file = File::create(&path).map_err(at("create", &path))?;
        lock(&self.open).insert(path.clone());
        Ok(RunFile {
            path,
            writer: BufWriter::new(file),
            open: Arc::clone(&self.open),
        })
    }

    /// Copies the file `from`, which may lie anywhere, into the folder.
    pub fn copy_in(&self, from: &Path, relative: &str) -> Result<(), StoreError> {
        let path = self.place(relative)?;
        let mut source = File::open(from).map_err(at("open", from))?;
        let mut target = File::create(&path).map_err(at("create", &path))?;
        io::copy(&mut source, &mut target)
            .map_err(at("write", &path))
            .map(drop)
    }

    /// Writes everything through to the disk and gives the folder its final name, all at once.
    pub fn commit(self) -> Result<PathBuf, StoreError> {
        if let Some(path) = lock(&self.open).first() {
            return Err(StoreError::Unfinished { path: path.clone() });
        }
        check_target(self.folder.final_path(), self.overwrite)?;
        self.folder.commit(self.overwrite)
    }

    fn place(&self, relative: &str) -> Result<PathBuf, StoreError> {
        let path = self.path().join(inside(relative)?);
        let folder = path.parent().unwrap_or(self.path());
        fs::create_dir_all(folder).map_err(at("create the folder", folder))?;
        Ok(path)
    }
}

/// A file of a run that is written piece by piece.
#[derive(Debug)]
pub struct RunFile {
    path: PathBuf,
    writer: BufWriter<File>,
    open: Arc<Mutex<BTreeSet<PathBuf>>>,
}

impl RunFile {
    /// Writes what is buffered; without it the run cannot be committed.
    pub fn finish(mut self) -> Result<(), StoreError> {
        self.writer.flush().map_err(at("write", &self.path))?;
        lock(&self.open).remove(&self.path);
        Ok(())
    }

    /// Where the file is now.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Write for RunFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

fn lock(open: &Mutex<BTreeSet<PathBuf>>) -> std::sync::MutexGuard<'_, BTreeSet<PathBuf>> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Refuses to take the place of anything that is not an empty folder or a finished run.
fn check_target(path: &Path, overwrite: bool) -> Result<(), StoreError> {
    let Ok(found) = path.symlink_metadata() else {
        return Ok(());
    };
    let path = path.to_path_buf();
    if !found.is_dir() {
        return Err(StoreError::NotAFolder { path });
    }
    if is_empty_folder(&path) {
        return Ok(());
    }
    match (path.join("result.json").is_file(), overwrite) {
        (true, true) => Ok(()),
        (true, false) => Err(StoreError::Exists { path }),
        (false, _) => Err(StoreError::NotARun { path }),
    }
}

/// `relative` as a path, if it names something inside its folder and nothing else.
pub(super) fn inside(relative: &str) -> Result<&Path, StoreError> {
    let path = Path::new(relative);
    let plain = path
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    // A backslash or a drive would climb out on other systems.
    if relative.is_empty() || !plain || relative.contains(['\\', ':', '\0']) {
        return Err(StoreError::Escapes {
            path: relative.to_string(),
        });
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    fn finished_run(path: &Path, text: &str) {
        let run = RunFolder::create(path, true).unwrap();
        run.write("result.json", text.as_bytes()).unwrap();
        run.commit().unwrap();
    }

    #[test]
    fn a_committed_run_is_whole_and_alone() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("a/b/run");
        let run = RunFolder::create(&out, false).unwrap();
        assert!(!out.exists());
        run.write("result.json", b"{}").unwrap();
        let mut file = run.create_file("model/weights.bin").unwrap();
        file.write_all(b"abc").unwrap();
        file.finish().unwrap();
        assert_eq!(run.commit().unwrap(), out);
        assert_eq!(names(&out), ["model", "result.json"]);
        assert_eq!(fs::read(out.join("model/weights.bin")).unwrap(), b"abc");
        assert_eq!(names(out.parent().unwrap()), ["run"]);
    }

    #[test]
    fn a_dropped_run_leaves_nothing_not_even_the_folders_above() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunFolder::create(&dir.path().join("a/b/run"), false).unwrap();
        run.write("x/y.json", b"{}").unwrap();
        drop(run);
        assert!(names(dir.path()).is_empty());
    }

    #[test]
    fn only_a_finished_run_is_replaced_and_only_if_asked() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("run");
        finished_run(&out, "old");
        let refused = RunFolder::create(&out, false).unwrap_err();
        assert!(matches!(refused, StoreError::Exists { .. }), "{refused}");

        let run = RunFolder::create(&out, true).unwrap();
        run.write("result.json", b"new").unwrap();
        assert_eq!(fs::read(out.join("result.json")).unwrap(), b"old");
        run.commit().unwrap();
        assert_eq!(fs::read(out.join("result.json")).unwrap(), b"new");
        assert_eq!(names(dir.path()), ["run"]);

        let precious = dir.path().join("thesis");
        fs::create_dir(&precious).unwrap();
        fs::write(precious.join("chapter1.tex"), "x").unwrap();
        let refused = RunFolder::create(&precious, true).unwrap_err();
        assert!(matches!(refused, StoreError::NotARun { .. }), "{refused}");
        assert_eq!(names(&precious), ["chapter1.tex"]);
    }

    #[test]
    fn what_appears_while_the_run_is_written_is_not_lost() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("run");
        let run = RunFolder::create(&out, true).unwrap();
        run.write("result.json", b"new").unwrap();
        fs::create_dir(&out).unwrap();
        fs::write(out.join("mine.txt"), "x").unwrap();
        assert!(matches!(
            run.commit().unwrap_err(),
            StoreError::NotARun { .. }
        ));
        assert_eq!(names(&out), ["mine.txt"]);
        assert_eq!(names(dir.path()), ["run"]);
    }

    #[test]
    fn an_empty_folder_may_be_filled() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("run");
        fs::create_dir(&out).unwrap();
        let run = RunFolder::create(&out, false).unwrap();
        run.write("result.json", b"{}").unwrap();
        run.commit().unwrap();
        assert_eq!(names(&out), ["result.json"]);
    }

    #[test]
    fn a_file_in_the_way_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "x").unwrap();
        let error = RunFolder::create(&file, true).unwrap_err();
        assert!(
            error.to_string().contains(file.to_str().unwrap()),
            "{error}"
        );
        let error = RunFolder::create(&file.join("run"), true).unwrap_err();
        assert!(
            error.to_string().contains(file.to_str().unwrap()),
            "{error}"
        );
        assert_eq!(fs::read(&file).unwrap(), b"x");
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        // The system itself refuses new folders here, for every user.
        let path = Path::new("/proc/adit-test/run");
        if !Path::new("/proc/self").exists() {
            return;
        }
        let error = RunFolder::create(path, false).unwrap_err();
        assert!(error.to_string().contains("/proc/adit-test"), "{error}");
    }

    #[test]
    fn what_a_dead_process_left_is_cleaned_and_what_a_living_one_writes_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("run");
        let stale = dir.path().join(".run.partial-999999999");
        let other = dir.path().join(".run.partial-notes");
        fs::create_dir(&stale).unwrap();
        fs::write(stale.join("half"), "x").unwrap();
        fs::create_dir(&other).unwrap();
        let run = RunFolder::create(&out, false).unwrap();
        assert!(!stale.exists() && other.exists());
        let error = RunFolder::create(&out, false).unwrap_err();
        assert!(matches!(error, StoreError::Busy { .. }), "{error}");
        assert!(run.path().exists());
    }

    #[test]
    fn an_exchange_cut_short_is_undone() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("run");
        finished_run(&out, "old");
        fs::rename(&out, dir.path().join(".run.replaced-999999999")).unwrap();
        let error = RunFolder::create(&out, false).unwrap_err();
        assert!(matches!(error, StoreError::Exists { .. }), "{error}");
        assert_eq!(fs::read(out.join("result.json")).unwrap(), b"old");
        assert_eq!(names(dir.path()), ["run"]);
    }

    #[test]
    fn nothing_is_written_outside_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunFolder::create(&dir.path().join("run"), false).unwrap();
        for bad in [
            "",
            "..",
            "../x",
            "a/../../x",
            "/etc/x",
            "./x/..",
            "a\\..\\x",
            "c:x",
        ] {
            let error = run.write(bad, b"x").unwrap_err();
            assert!(
                matches!(error, StoreError::Escapes { .. }),
                "{bad}: {error}"
            );
        }
    }

    #[test]
    fn a_stream_that_was_not_finished_stops_the_commit() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunFolder::create(&dir.path().join("run"), false).unwrap();
        let mut file = run.create_file("predictions.csv").unwrap();
        file.write_all(b"half").unwrap();
        drop(file);
        let error = run.commit().unwrap_err();
        assert!(error.to_string().contains("predictions.csv"), "{error}");
        assert!(names(dir.path()).is_empty());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_told_and_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunFolder::create(&dir.path().join("run"), false).unwrap();
        // A device that is always full stands for the file.
        std::os::unix::fs::symlink("/dev/full", run.path().join("full.csv")).unwrap();
        let streamed = |run: &RunFolder| {
            let mut file = run.create_file("full.csv")?;
            file.write_all(b"x")
                .map_err(|e| StoreError::writing(file.path(), e))?;
            file.finish()
        };
        for error in [
            run.write("full.csv", b"x").unwrap_err(),
            streamed(&run).unwrap_err(),
        ] {
            assert!(matches!(error, StoreError::DiskFull { .. }), "{error}");
            assert!(error.to_string().contains("full.csv"), "{error}");
        }
        assert!(matches!(
            run.commit().unwrap_err(),
            StoreError::Unfinished { .. }
        ));
        assert!(names(dir.path()).is_empty());
    }
}
