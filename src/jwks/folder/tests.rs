//! The checks of a file, and its replacement.

use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;

use super::FolderError;
use super::files::KeyFiles;
use crate::jwks::snapshot::{KeySnapshot, MAX_FILE, SnapshotError};
use crate::outbound::MAX_BODY;

const ISSUER: &str = "https://auth.example";
const TEXT: &str = "{\"keys\":[{\"kid\":\"one\"}]}";
const NOW: Duration = Duration::from_secs(1_800_000_000);
const SECOND: Duration = Duration::from_secs(1);

fn fetched_at(fetched_at: Duration) -> KeySnapshot {
    KeySnapshot {
        text: TEXT.into(),
        fetched_at,
    }
}

/// A folder with the keys of an issuer.
struct Kept {
    folder: TempDir,
    files: KeyFiles,
}

impl Kept {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let files = KeyFiles::new(folder.path().join("keys"), ISSUER);
        files.write(&fetched_at(NOW), NOW).unwrap();
        Self { folder, files }
    }

    fn sub_folder(&self) -> PathBuf {
        self.folder.path().join("keys/axum-authgear")
    }

    fn path(&self, extension: &str) -> PathBuf {
        let found = fs::read_dir(self.sub_folder()).unwrap();
        let mut paths = found.map(|entry| entry.unwrap().path());
        let path = paths.find(|path| path.extension().unwrap() == extension);
        path.unwrap()
    }

    fn file(&self) -> PathBuf {
        self.path("keys")
    }

    fn assert_heals(&self) {
        let next = fetched_at(NOW + SECOND);
        self.files.write(&next, NOW + SECOND).unwrap();
        assert!(self.files.read().unwrap().is_some_and(|kept| kept == next));
    }
}

#[test]
fn kept_keys_are_read_again_and_only_their_owner_can_read_them() {
    let kept = Kept::new();
    assert_eq!(kept.files.read().unwrap(), Some(fetched_at(NOW)));
    let mode = |path: PathBuf| fs::metadata(path).unwrap().mode() & 0o7777;
    assert_eq!(mode(kept.sub_folder()), 0o700);
    for extension in ["keys", "lock"] {
        assert_eq!(mode(kept.path(extension)), 0o600, "{extension}");
    }
    assert_eq!(fs::read_dir(kept.sub_folder()).unwrap().count(), 2);
}

#[test]
fn a_folder_without_the_file_has_none() {
    let folder = TempDir::new().unwrap();
    let files = KeyFiles::new(folder.path().join("a/b/c"), ISSUER);
    assert_eq!(files.read().unwrap(), None);
    assert!(!folder.path().join("a").exists());
    files.write(&fetched_at(NOW), NOW).unwrap();
    assert!(files.read().unwrap().is_some());

    let other = KeyFiles::new(folder.path().join("a/b/c"), "https://auth.example:443");
    assert_eq!(other.read().unwrap(), None);
}

#[test]
fn issuers_that_are_no_names_of_files_have_files_of_their_own() {
    let folder = TempDir::new().unwrap();
    let issuers = [
        ISSUER.to_owned(),
        "https://AUTH.example".to_owned(),
        "https://auth.example/".to_owned(),
        "../../escape".to_owned(),
        "/etc/passwd".to_owned(),
        String::new(),
        "nul\0inside".to_owned(),
        "x".repeat(5_000),
    ];
    for (number, issuer) in (0..).zip(&issuers) {
        let files = KeyFiles::new(folder.path().to_owned(), issuer);
        assert_eq!(files.read().unwrap(), None, "{issuer}");
        let at = NOW + SECOND * number;
        files.write(&fetched_at(at), at).unwrap();
    }
    for (number, issuer) in (0..).zip(&issuers) {
        let files = KeyFiles::new(folder.path().to_owned(), issuer);
        let kept = files.read().unwrap().unwrap();
        assert_eq!(kept.fetched_at, NOW + SECOND * number, "{issuer}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_file_that_is_cut_off_or_changed_anywhere_is_not_believed() {
    let kept = Kept::new();
    let whole = fs::read(kept.file()).unwrap();
    let assert_refused = |content: &[u8], what: &str| {
        fs::write(kept.file(), content).unwrap();
        let read = kept.files.read();
        assert!(matches!(read, Err(FolderError::Snapshot(_))), "{what}");
    };
    for length in 0..whole.len() {
        assert_refused(&whole[..length], &format!("cut off at {length}"));
    }
    for position in 0..whole.len() {
        let mut changed = whole.clone();
        changed[position] ^= 1;
        assert_refused(&changed, &format!("changed at {position}"));
    }
    for garbage in [
        &b"{}"[..],
        b"\n\n\n",
        &[0; 4096],
        &[0xff; 65],
        TEXT.as_bytes(),
    ] {
        assert_refused(garbage, "garbage");
    }
    assert_refused(&[&whole[..], b" "].concat(), "continued");
    fs::write(kept.file(), &whole).unwrap();
    assert!(kept.files.read().unwrap().is_some());
    assert_refused(b"", "empty");
    kept.assert_heals();
}

#[test]
fn the_file_of_another_issuer_is_not_believed_under_this_ones_name() {
    let kept = Kept::new();
    for issuer in [
        "https://auth.example/",
        "https://AUTH.example",
        "http://auth.example",
    ] {
        fs::write(kept.file(), fetched_at(NOW).to_file(issuer)).unwrap();
        let read = kept.files.read();
        assert!(
            matches!(read, Err(FolderError::Snapshot(SnapshotError::WrongIssuer))),
            "{issuer}: {read:?}"
        );
    }
    fs::write(kept.file(), fetched_at(NOW).to_file(ISSUER)).unwrap();
    assert!(kept.files.read().unwrap().is_some());
    fs::write(kept.file(), fetched_at(NOW).to_file("https://evil.example")).unwrap();
    kept.assert_heals();
}

#[test]
fn at_most_256_kib_of_keys_are_read() {
    let kept = Kept::new();
    let mut snapshot = fetched_at(NOW);
    for (length, is_good) in [(MAX_BODY, true), (MAX_BODY + 1, false), (MAX_FILE, false)] {
        snapshot.text = vec![b' '; length].into();
        fs::write(kept.file(), snapshot.to_file(ISSUER)).unwrap();
        assert_eq!(kept.files.read().is_ok(), is_good, "{length}");
    }
    // An endless file costs no more than that.
    File::create(kept.file()).unwrap().set_len(1 << 40).unwrap();
    assert!(kept.files.read().is_err());
    kept.assert_heals();
}

/// With the longest keys, and the longest issuer for which there is room.
#[test]
fn the_longest_file_is_read_and_one_with_a_byte_more_is_not() {
    let folder = TempDir::new().unwrap();
    let mut snapshot = fetched_at(NOW);
    snapshot.text = vec![b' '; MAX_BODY].into();
    let issuer = "x".repeat(MAX_FILE - snapshot.to_file("").len());
    let files = KeyFiles::new(folder.path().to_owned(), &issuer);
    files.write(&snapshot, NOW).unwrap();
    let path = folder.path().join("axum-authgear");
    let path = path.join(kept_name(&path));
    assert_eq!(fs::metadata(&path).unwrap().len(), MAX_FILE as u64);
    assert_eq!(files.read().unwrap(), Some(snapshot));

    let mut longer = File::options().append(true).open(&path).unwrap();
    longer.write_all(b" ").unwrap();
    let read = files.read();
    assert!(
        matches!(read, Err(FolderError::Snapshot(SnapshotError::TooLong))),
        "{read:?}"
    );
}

#[test]
fn a_link_a_pipe_and_a_folder_are_no_file() {
    let kept = Kept::new();
    let elsewhere = kept.folder.path().join("elsewhere");
    fs::rename(kept.file(), &elsewhere).unwrap();
    let path = kept
        .sub_folder()
        .join(kept.path("lock").file_stem().unwrap());
    let path = path.with_extension("keys");
    let assert_refused = |what: &str| {
        let read = kept.files.read();
        assert!(
            matches!(read, Err(FolderError::WrongType)),
            "{what}: {read:?}"
        );
    };

    symlink(&elsewhere, &path).unwrap();
    assert_refused("a link");
    kept.assert_heals();
    // The link's target is unchanged, and counts at its own place.
    fs::rename(&elsewhere, &path).unwrap();
    assert_eq!(kept.files.read().unwrap(), Some(fetched_at(NOW)));

    fs::remove_file(&path).unwrap();
    make_pipe(&path);
    assert_refused("a pipe");
    kept.assert_heals();

    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert_refused("a folder");
    assert!(kept.files.write(&fetched_at(NOW + SECOND), NOW).is_err());
}

#[test]
fn a_sub_folder_that_is_a_link_or_a_file_is_not_entered() {
    let kept = Kept::new();
    let moved = kept.folder.path().join("moved");
    fs::rename(kept.sub_folder(), &moved).unwrap();
    for put in [
        &|path: &PathBuf| symlink(&moved, path).unwrap(),
        &|path: &PathBuf| fs::write(path, "").unwrap(),
        &|path: &PathBuf| make_pipe(path),
    ] as [&dyn Fn(&PathBuf); 3]
    {
        put(&kept.sub_folder());
        assert!(kept.files.read().is_err());
        assert!(kept.files.write(&fetched_at(NOW + SECOND), NOW).is_err());
        fs::remove_file(kept.sub_folder()).unwrap();
    }
    let file = moved.join(kept_name(&moved));
    assert_eq!(fs::read(file).unwrap(), fetched_at(NOW).to_file(ISSUER));
}

#[test]
fn what_everybody_may_write_to_is_not_believed() {
    for (path, good, bad) in [("", 0o770, 0o702), ("", 0o700, 0o777), ("f", 0o660, 0o602)] {
        let kept = Kept::new();
        let path = if path.is_empty() {
            kept.sub_folder()
        } else {
            kept.file()
        };
        fs::set_permissions(&path, Permissions::from_mode(good)).unwrap();
        assert!(kept.files.read().unwrap().is_some());
        fs::set_permissions(&path, Permissions::from_mode(bad)).unwrap();
        let read = kept.files.read();
        assert!(matches!(read, Err(FolderError::WorldWritable)), "{read:?}");
        if path.is_file() {
            kept.assert_heals();
        } else {
            let written = kept.files.write(&fetched_at(NOW + SECOND), NOW);
            assert!(matches!(written, Err(FolderError::WorldWritable)));
        }
    }
}

#[test]
fn what_another_user_owns_is_not_believed() {
    let mut kept = Kept::new();
    kept.files.owner += 1;
    let read = kept.files.read();
    assert!(matches!(read, Err(FolderError::WrongOwner)), "{read:?}");
    let written = kept.files.write(&fetched_at(NOW + SECOND), NOW);
    assert!(matches!(written, Err(FolderError::WrongOwner)));
    kept.files.owner -= 1;
    assert_eq!(kept.files.read().unwrap(), Some(fetched_at(NOW)));
}

#[test]
fn younger_keys_are_never_replaced_by_older_ones() {
    let kept = Kept::new();
    for (fetched, stays) in [
        (NOW - SECOND, true),
        (NOW, true),
        (NOW + Duration::from_millis(1), false),
    ] {
        let mut next = fetched_at(fetched);
        next.text = "{}".into();
        kept.files.write(&next, NOW + SECOND).unwrap();
        let read = kept.files.read().unwrap().unwrap();
        assert_eq!(read == fetched_at(NOW), stays, "{fetched:?}");
    }
}

#[test]
fn keys_from_the_future_are_replaced() {
    let kept = Kept::new();
    let leeway = 60 * SECOND;
    // Within the allowed difference of clocks, the other replica may be right.
    kept.files.write(&fetched_at(NOW - leeway), NOW).unwrap();
    assert_eq!(kept.files.read().unwrap(), Some(fetched_at(NOW)));
    kept.files
        .write(&fetched_at(NOW - leeway), NOW - SECOND)
        .unwrap();
    let read = kept.files.read().unwrap();
    assert_eq!(read, Some(fetched_at(NOW - leeway)));
}

#[test]
fn while_another_process_holds_the_lock_nothing_is_replaced() {
    use rustix::fs::{FlockOperation, flock};

    let kept = Kept::new();
    let lock = File::open(kept.path("lock")).unwrap();
    flock(&lock, FlockOperation::LockExclusive).unwrap();
    let next = fetched_at(NOW + SECOND);
    let written = kept.files.write(&next, NOW + SECOND);
    assert!(matches!(written, Err(FolderError::Locked)), "{written:?}");
    assert_eq!(kept.files.read().unwrap(), Some(fetched_at(NOW)));
    drop(lock);
    kept.assert_heals();

    // A lock that is no file is not waited for.
    fs::remove_file(kept.path("lock")).unwrap();
    let path = kept.file().with_extension("lock");
    make_pipe(&path);
    assert!(matches!(
        kept.files.write(&fetched_at(NOW + 2 * SECOND), NOW),
        Err(FolderError::WrongType)
    ));
}

#[test]
fn a_half_written_file_prevents_no_later_write() {
    let kept = Kept::new();
    let new = kept.file().with_extension("new");
    fs::write(&new, "half").unwrap();
    kept.assert_heals();
    assert!(!new.exists());
    // A link is not followed, and not waited for.
    let elsewhere = kept.folder.path().join("elsewhere");
    symlink(&elsewhere, &new).unwrap();
    let next = fetched_at(NOW + 2 * SECOND);
    kept.files.write(&next, NOW + 2 * SECOND).unwrap();
    assert_eq!(kept.files.read().unwrap(), Some(next));
    assert!(!elsewhere.exists());
}

#[test]
fn a_folder_that_cannot_be_made_is_an_error() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    for path in [file.join("below"), file.clone(), "/proc/nowhere".into()] {
        let files = KeyFiles::new(path.clone(), ISSUER);
        assert!(files.write(&fetched_at(NOW), NOW).is_err(), "{path:?}");
    }
}

/// Many writers in any order: a reader always finds a complete file, which never gets older.
#[test]
fn replicas_that_share_a_folder_never_go_back() {
    let folder = TempDir::new().unwrap();
    let replicas = |replica: u32| {
        let files = KeyFiles::new(folder.path().to_owned(), ISSUER);
        let mut last = Duration::ZERO;
        for step in 0..100 {
            let at = NOW + Duration::from_millis(fastrand::u64(0..1_000)) + step * SECOND / 50;
            let mut snapshot = fetched_at(at);
            snapshot.text = format!("{replica}:{}", at.as_millis()).into();
            match files.write(&snapshot, NOW + 10 * SECOND) {
                Ok(()) | Err(FolderError::Locked) => {}
                Err(error) => panic!("{error:?}"),
            }
            let read = files.read().unwrap().unwrap();
            assert!(read.fetched_at >= last, "step {step}");
            let text = str::from_utf8(&read.text).unwrap();
            assert!(text.ends_with(&format!(":{}", read.fetched_at.as_millis())));
            last = read.fetched_at;
        }
    };
    std::thread::scope(|scope| {
        for replica in 0..4 {
            scope.spawn(move || replicas(replica));
        }
    });
}

fn make_pipe(path: &PathBuf) {
    use rustix::fs::{CWD, FileType, Mode, mknodat};

    mknodat(CWD, path, FileType::Fifo, Mode::RWXU, 0).unwrap();
}

fn kept_name(folder: &PathBuf) -> PathBuf {
    let mut entries = fs::read_dir(folder).unwrap();
    let entry = entries.find_map(|entry| {
        let path = entry.unwrap().path();
        (path.extension().unwrap() == "keys").then(|| path.file_name().unwrap().into())
    });
    entry.unwrap()
}
