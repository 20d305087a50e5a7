//! Opening a database that may be damaged, or somebody else's: it is set aside, never overwritten.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use super::super::UtcTime;
use super::SpoolError;
use super::database::{self, Contents, Database};

/// A file that was no spool, or a damaged one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAside {
    /// Where it is now.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: String,
}

#[derive(Debug)]
pub(super) struct Opened {
    pub(super) database: Database,
    pub(super) contents: Contents,
    pub(super) set_aside: Option<SetAside>,
}

/// Opens the database of a folder; makes it where there is none.
pub(super) fn open(folder: &Path) -> Result<Opened, SpoolError> {
    let path = folder.join(database::NAME);
    match examine(&path)? {
        Ok((database, contents)) => Ok(Opened { database, contents, set_aside: None }),
        Err(reason) => {
            let set_aside = Some(SetAside { path: set_aside(&path)?, reason });
            let failed = |source| SpoolError::Database { path: path.clone(), source };
            let (database, contents) = begin(&path, 1).map_err(failed)?;
            Ok(Opened { database, contents, set_aside })
        }
    }
}

/// Makes a new database, whose first event has the sequence number `next`.
pub(super) fn begin(path: &Path, next: u64) -> rusqlite::Result<(Database, Contents)> {
    let mut database = Database::connect(path)?;
    database.prepare(next)?;
    let contents = database.contents()?;
    Ok((database, contents))
}

/// The inner error says why the file is no spool that can be used.
fn examine(path: &Path) -> Result<Result<(Database, Contents), String>, SpoolError> {
    match try_open(path) {
        Ok(Verdict::Spool(database, contents)) => Ok(Ok((*database, contents))),
        Ok(Verdict::Unusable(reason)) => Ok(Err(reason)),
        Ok(Verdict::Newer(found)) => {
            let expected = database::VERSION;
            Err(SpoolError::Newer { path: path.to_owned(), found, expected })
        }
        Err(error) if is_damage(&error) => Ok(Err(error.to_string())),
        Err(source) => Err(SpoolError::Database { path: path.to_owned(), source }),
    }
}

enum Verdict {
    Spool(Box<Database>, Contents),
    Unusable(String),
    Newer(i64),
}

fn try_open(path: &Path) -> rusqlite::Result<Verdict> {
    let mut database = Database::connect(path)?;
    let (application, version) =
        (database.number("application_id")?, database.number("user_version")?);
    // One whose making was interrupted has nothing in it.
    if application != database::APPLICATION_ID && !database.is_empty()? {
        return Ok(Verdict::Unusable("it is another program's database".to_owned()));
    }
    if version > database::VERSION {
        return Ok(Verdict::Newer(version));
    }
    if let Some(damage) = database.damage()? {
        return Ok(Verdict::Unusable(damage));
    }
    database.prepare(1)?;
    let contents = database.contents()?;
    Ok(Verdict::Spool(Box::new(database), contents))
}

/// Whether the file itself is wrong, and not the disk, the rights or the memory.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    match error {
        rusqlite::Error::SqliteFailure(failure, text) => match failure.code {
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => true,
            // The file is shorter than it says.
            ErrorCode::SystemIoFailure => {
                failure.extended_code == rusqlite::ffi::SQLITE_IOERR_SHORT_READ
            }
            // Tables that a damaged header hides.
            ErrorCode::Unknown => text.as_ref().is_some_and(|text| text.starts_with("no such ")),
            _ => false,
        },
        rusqlite::Error::QueryReturnedNoRows
        | rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::SqlInputError { .. } => true,
        _ => false,
    }
}

/// Renames the database and what belongs to it. Nobody has it open.
pub(super) fn set_aside(path: &Path) -> Result<PathBuf, SpoolError> {
    let failed = |source| SpoolError::SetAside { path: path.to_owned(), source };
    let time = UtcTime::now().0.strftime("%Y%m%dT%H%M%S").to_string();
    let with = |suffix: &str| {
        let mut name = OsString::from(path);
        name.push(suffix);
        PathBuf::from(name)
    };
    let free = (0..)
        .map(|n| if n == 0 { format!(".damaged-{time}Z") } else { format!(".damaged-{time}Z-{n}") })
        .find(|suffix| !with(suffix).exists());
    let suffix = free.unwrap_or_default();
    std::fs::rename(path, with(&suffix)).map_err(failed)?;
    for part in ["-wal", "-shm", "-journal"] {
        match std::fs::rename(with(part), with(&format!("{suffix}{part}"))) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(failed(e)),
            _ => {}
        }
    }
    Ok(with(&suffix))
}
