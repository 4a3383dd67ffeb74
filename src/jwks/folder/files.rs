//! The file of an issuer: its checks, and its replacement.
//!
//! All operations are relative to the descriptor of one checked sub-folder, so a later replacement of the
//! folder has no effect. A file is checked after it is opened and before it is read. Opening never blocks
//! (as a pipe would).

use std::fs::{DirBuilder, File};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::FolderError;
use crate::jwks::snapshot::{KeySnapshot, MAX_FILE, SnapshotError, sha256};

/// The file of one issuer, in a folder that other processes can share.
#[derive(Debug)]
pub(super) struct KeyFiles {
    folder: PathBuf,
    issuer: String,
    /// A digest of the issuer, because an issuer can have characters that a path cannot have.
    name: String,
    /// The required owner of all files.
    pub(super) owner: u32,
}

impl KeyFiles {
    pub(super) fn new(folder: PathBuf, issuer: &str) -> Self {
        Self {
            folder,
            issuer: issuer.to_owned(),
            name: sha256(issuer.as_bytes()),
            owner: rustix::process::geteuid().as_raw(),
        }
    }

    /// The kept keys, if there are any.
    pub(super) fn read(&self) -> Result<Option<KeySnapshot>, FolderError> {
        match self.open_folder().and_then(|folder| self.read_in(&folder)) {
            Err(FolderError::Io(error)) if error.kind() == ErrorKind::NotFound => Ok(None),
            read => read.map(Some),
        }
    }

    /// Writes this snapshot, unless the file has a younger one. A fetch time after `latest` does not count
    /// as younger, because its clock was wrong.
    ///
    /// A file is replaced as a whole, after the new content is on the disk. A lock covers the comparison
    /// and the replacement, so that no other process replaces the file in between.
    pub(super) fn write(
        &self,
        snapshot: &KeySnapshot,
        latest: Duration,
    ) -> Result<(), FolderError> {
        create_folder(&self.folder.join(SUB_FOLDER))?;
        let folder = self.open_folder()?;
        let _lock = self.lock(&folder)?;
        let is_younger =
            |kept: KeySnapshot| kept.fetched_at >= snapshot.fetched_at && kept.fetched_at <= latest;
        // An unreadable file is replaced.
        if self.read_in(&folder).is_ok_and(is_younger) {
            return Ok(());
        }
        let new = format!("{}.new", self.name);
        // Left by a process that has ended: this process holds the lock.
        let _ = rustix::fs::unlinkat(&folder, &new, AtFlags::empty());
        let written = create(&folder, &new, &snapshot.to_file(&self.issuer));
        if let Err(error) = written {
            let _ = rustix::fs::unlinkat(&folder, &new, AtFlags::empty());
            return Err(error.into());
        }
        rustix::fs::renameat(&folder, &new, &folder, self.file()).map_err(io::Error::from)?;
        // Not every file system supports this. The file is complete in any case: the new one or the old
        // one.
        let _ = rustix::fs::fsync(&folder);
        Ok(())
    }

    fn file(&self) -> String {
        format!("{}.keys", self.name)
    }

    fn open_folder(&self) -> Result<OwnedFd, FolderError> {
        let path = self.folder.join(SUB_FOLDER);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | SAFELY;
        let folder = rustix::fs::open(&path, flags, Mode::empty()).map_err(cannot_open)?;
        self.check(&folder, FileType::Directory)?;
        Ok(folder)
    }

    fn read_in(&self, folder: &OwnedFd) -> Result<KeySnapshot, FolderError> {
        let flags = OFlags::RDONLY | SAFELY;
        let file = rustix::fs::openat(folder, self.file(), flags, Mode::empty());
        let file = file.map_err(cannot_open)?;
        self.check(&file, FileType::RegularFile)?;
        let mut content = Vec::new();
        let read = File::from(file)
            .take(MAX_FILE as u64 + 1)
            .read_to_end(&mut content)?;
        if read > MAX_FILE {
            return Err(SnapshotError::TooLong.into());
        }
        Ok(KeySnapshot::from_file(&content, &self.issuer)?)
    }

    /// Held until it is dropped, or the process ends.
    fn lock(&self, folder: &OwnedFd) -> Result<OwnedFd, FolderError> {
        let name = format!("{}.lock", self.name);
        let flags = OFlags::RDWR | OFlags::CREATE | SAFELY;
        let lock = rustix::fs::openat(folder, name, flags, PRIVATE).map_err(cannot_open)?;
        self.check(&lock, FileType::RegularFile)?;
        for _ in 0..LOCK_ATTEMPTS {
            match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(lock),
                Err(Errno::WOULDBLOCK | Errno::INTR) => sleep(LOCK_PAUSE),
                Err(error) => return Err(io::Error::from(error).into()),
            }
        }
        Err(FolderError::Locked)
    }

    /// Another user can have made a file that is world-writable or belongs to another user.
    fn check(&self, opened: impl AsFd, wanted: FileType) -> Result<(), FolderError> {
        let found = rustix::fs::fstat(opened).map_err(io::Error::from)?;
        if FileType::from_raw_mode(found.st_mode) != wanted {
            return Err(FolderError::WrongType);
        }
        if found.st_uid != self.owner {
            return Err(FolderError::WrongOwner);
        }
        if Mode::from_raw_mode(found.st_mode).contains(Mode::WOTH) {
            return Err(FolderError::WorldWritable);
        }
        Ok(())
    }
}

/// An existing parent keeps its mode; a missing parent is made with the same mode.
fn create_folder(path: &PathBuf) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Returns after the content is on the disk.
fn create(folder: &OwnedFd, name: &str, content: &[u8]) -> io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | SAFELY;
    let mut file = File::from(rustix::fs::openat(folder, name, flags, PRIVATE)?);
    file.write_all(content)?;
    file.sync_all()
}

/// Follows no link, waits for no pipe, takes no terminal, and no child process inherits it.
const SAFELY: OFlags = OFlags::NOFOLLOW
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);
const PRIVATE: Mode = Mode::RUSR.union(Mode::WUSR);

const SUB_FOLDER: &str = "axum-authgear";

/// Writing takes milliseconds.
const LOCK_ATTEMPTS: usize = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(25);

/// A link, a folder for writing, or a file as a folder is not opened.
fn cannot_open(error: Errno) -> FolderError {
    match error {
        Errno::LOOP | Errno::ISDIR | Errno::NOTDIR | Errno::NXIO => FolderError::WrongType,
        other => io::Error::from(other).into(),
    }
}
