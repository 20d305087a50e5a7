//! The networks of a scan that is run again: files by their hashes, and those on servers by their addresses.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;

use super::{Places, ReproduceError};
use crate::core::modelinfo::Role;
use crate::core::redact::is_redacted;
use crate::evidence::records::{Header, ModelFile};
use crate::models::remote::RemoteModel;
use crate::models::resolve::Search;
use crate::models::sha256;

/// A network that a server is to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteNetwork {
    /// What it is for.
    pub role: Role,
    /// The servers that have it, and its name there.
    pub model: Arc<RemoteModel>,
    /// The hash that its server told at the time, if it did.
    pub was: Option<String>,
}

impl RemoteNetwork {
    /// Whether a server that tells this hash now has the network of the scan.
    ///
    /// # Errors
    /// [`ReproduceError::OtherNetwork`]
    pub fn check(&self, is: Option<&str>) -> Result<(), ReproduceError> {
        match (&self.was, is) {
            (Some(was), Some(is)) if was != is => Err(ReproduceError::OtherNetwork {
                role: self.role,
                address: self.model.to_string(),
                was: was.clone(),
                is: is.to_owned(),
            }),
            _ => Ok(()),
        }
    }
}

/// A network as an option of `m2sd scan` names it.
pub(super) struct Named {
    pub(super) argument: String,
    pub(super) remote: Option<RemoteNetwork>,
}

/// Those of one role: as `places` name them, else where the records say.
pub(super) fn named(
    role: Role,
    files: &[ModelFile],
    header: &Header,
    places: &Places,
) -> Result<Vec<Named>, ReproduceError> {
    let Some(list) = places.networks.get(&role) else {
        return files.iter().map(|file| recorded(role, file, header, places)).collect();
    };
    let names = RemoteModel::split(list);
    if names.len() != files.len() {
        return Err(ReproduceError::Count { role, was: files.len(), is: names.len() });
    }
    let one = |(file, name): (&ModelFile, &String)| match RemoteModel::is_address(name) {
        true => remote(role, file, name),
        false => local(role, file, name, places.engines.as_deref()),
    };
    files.iter().zip(&names).map(one).collect()
}

fn recorded(
    role: Role,
    file: &ModelFile,
    header: &Header,
    places: &Places,
) -> Result<Named, ReproduceError> {
    let setting = |name: &str| header.settings.get(name).and_then(|value| value.as_str());
    // The settings have paths, and a server's parameters, too.
    let all = RemoteModel::split(setting(role.into()).unwrap_or_default());
    if !RemoteModel::is_address(&file.file) {
        let engines = setting("engines-dir").filter(|dir| !dir.is_empty()).map(Path::new);
        let is_it = |name: &&String| {
            name.contains('/') && Path::new(name).file_name() == Some(OsStr::new(&file.file))
        };
        let named = all.iter().find(is_it).filter(|path| Path::new(path).is_file());
        return match (&places.engines, named) {
            (None, Some(path)) => local(role, file, path, None),
            (asked, _) => local(role, file, &file.file, asked.as_deref().or(engines)),
        };
    }
    let is_it = |address: &&String| {
        RemoteModel::parse(address).is_ok_and(|remote| remote.to_string() == file.file)
    };
    match all.iter().find(is_it) {
        Some(address) if is_redacted(address) => {
            Err(ReproduceError::Redacted { role, address: address.clone() })
        }
        address => remote(role, file, address.unwrap_or(&file.file)),
    }
}

fn remote(role: Role, file: &ModelFile, address: &str) -> Result<Named, ReproduceError> {
    let model = RemoteModel::parse(address)
        .map_err(|error| ReproduceError::Address { role, reason: error.to_string() })?;
    let was = Some(file.sha256.clone()).filter(|was| !was.is_empty());
    let remote = RemoteNetwork { role, model: Arc::new(model), was };
    Ok(Named { argument: address.to_owned(), remote: Some(remote) })
}

fn local(
    role: Role,
    file: &ModelFile,
    name: &str,
    engines: Option<&Path>,
) -> Result<Named, ReproduceError> {
    let path = Search::new(engines).find(role, Some(name))?.path;
    let read = |path: &Path| {
        let path = path.to_owned();
        move |source| ReproduceError::Read { path, source }
    };
    let is = sha256(&path).map_err(read(&path))?;
    // A server may have told none.
    if !file.sha256.is_empty() && is != file.sha256 {
        return Err(ReproduceError::OtherModel { role, path, was: file.sha256.clone(), is });
    }
    // With a slash, or it would be a name that is looked for.
    let path = std::path::absolute(&path).map_err(read(&path))?;
    Ok(Named { argument: path.to_string_lossy().into_owned(), remote: None })
}
