//! The file of an issuer: which one is believed, and how it is replaced.
//!
//! Everything happens below the descriptor of one sub-folder that was looked at: what is put in its
//! place meanwhile is not followed. What is opened is looked at before it is read, and nothing that is
//! opened makes the thread wait (a pipe would).

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

/// The file of one issuer, in a folder that others may share.
#[derive(Debug)]
pub(super) struct KeyFiles {
    folder: PathBuf,
    issuer: String,
    /// A digest of the issuer, whose characters a path need not be able to have.
    name: String,
    /// Who must own whatever is read.
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

    /// What was kept, if anything was.
    pub(super) fn read(&self) -> Result<Option<KeySnapshot>, FolderError> {
        match self.open_folder().and_then(|folder| self.read_in(&folder)) {
            Err(FolderError::Io(error)) if error.kind() == ErrorKind::NotFound => Ok(None),
            read => read.map(Some),
        }
    }

    /// Keeps this, unless a younger one is there. One that was fetched after `latest` is no younger
    /// one: its clock was wrong.
    ///
    /// A file is replaced as a whole, once what replaces it is on the disk. Who replaces it holds a
    /// lock, so that no other process does between the comparison and the replacement.
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
        // One that cannot be read is replaced.
        if self.read_in(&folder).is_ok_and(is_younger) {
            return Ok(());
        }
        let new = format!("{}.new", self.name);
        // Left behind by a process that has ended: nobody else is here.
        let _ = rustix::fs::unlinkat(&folder, &new, AtFlags::empty());
        let written = create(&folder, &new, &snapshot.to_file(&self.issuer));
        if let Err(error) = written {
            let _ = rustix::fs::unlinkat(&folder, &new, AtFlags::empty());
            return Err(error.into());
        }
        rustix::fs::renameat(&folder, &new, &folder, self.file()).map_err(io::Error::from)?;
        // Not every file system can: the file is whole in any case, it or the one before.
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

    /// What everybody may write, or another user owns, may have been made by anybody.
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

/// The one above keeps the mode that it has; one that is not there is made with the same.
fn create_folder(path: &PathBuf) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Returns once it is on the disk.
fn create(folder: &OwnedFd, name: &str, content: &[u8]) -> io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | SAFELY;
    let mut file = File::from(rustix::fs::openat(folder, name, flags, PRIVATE)?);
    file.write_all(content)?;
    file.sync_all()
}

/// No link is followed, no pipe waited for, no terminal taken over, and no child inherits it.
const SAFELY: OFlags = OFlags::NOFOLLOW
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);
const PRIVATE: Mode = Mode::RUSR.union(Mode::WUSR);

const SUB_FOLDER: &str = "axum-authgear";

/// Writing takes milliseconds.
const LOCK_ATTEMPTS: usize = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(25);

/// A link is not opened; neither is a folder for writing, nor a file as a folder.
fn cannot_open(error: Errno) -> FolderError {
    match error {
        Errno::LOOP | Errno::ISDIR | Errno::NOTDIR | Errno::NXIO => FolderError::WrongType,
        other => io::Error::from(other).into(),
    }
}
