//! `m2sd models list` and `verify`: the models that are there, whether they are whole, and which of them
//! a scan would use.

use std::path::{Path, PathBuf};

use gstm2sd::core::modelinfo::{ModelInfo, Role};
use gstm2sd::infer::{self, Trial};
use gstm2sd::models::resolve::{ResolveError, Search};
use gstm2sd::models::{self, Listed, State, advice};

use super::{PATIENCE, training};
use crate::error::CliError;
use crate::options;
use crate::terminal::{Cell, Page, Set, Table, Tone, print_page};

/// Where models are, as a scan with the same option finds them.
pub struct Places {
    search: Search,
    named: Option<PathBuf>,
    /// The best of each role.
    used: Vec<PathBuf>,
}

impl Places {
    /// # Errors
    /// When the folder that is named is not there.
    pub fn find(named: Option<PathBuf>) -> Result<Self, CliError> {
        let search = options::search(named.as_deref())?;
        // What cannot be told of a role is told of its models.
        let used = Role::ALL.map(|role| search.find(role, None).ok().map(|found| found.path));
        Ok(Self { search, named, used: used.into_iter().flatten().collect() })
    }

    /// All of them; where one is named, that, and those of which a scan would use models all the same.
    fn folders(&self) -> impl Iterator<Item = &Path> {
        self.search.dirs().iter().map(PathBuf::as_path).filter(|dir| match &self.named {
            None => true,
            Some(named) => named == dir || self.used.iter().any(|model| model.starts_with(dir)),
        })
    }
}

pub fn list(places: &Places) -> Result<(), CliError> {
    let mut page = Page::default();
    let mut is_empty = true;
    for folder in places.folders() {
        let models = models::list(folder).map_err(CliError::runtime)?;
        if !models.is_empty() {
            page.text(format!("{}:", folder.display()));
            page.table(listed(&models, &places.used));
            is_empty = false;
        }
    }
    if is_empty {
        let folders: Vec<_> = places.folders().map(|dir| dir.display().to_string()).collect();
        page.text(format!("No models in {}. {}.", folders.join(", "), advice::models()));
    }
    print_page(&page)
}

fn listed(models: &[Listed], used: &[PathBuf]) -> Table {
    let mut table = Table::new([
        ("role", Set::Left),
        ("file", Set::Left),
        ("MB", Set::Right),
        ("scan", Set::Left),
        ("model", Set::Wrapped),
    ]);
    for model in models {
        let file = model.path.file_name().unwrap_or_default().to_string_lossy();
        let role = model.role.map_or("no role", |role| role.as_str());
        let info = match &model.info {
            Ok(info) => format!("{}, {}", info.title.as_deref().unwrap_or("-"), training(info)),
            Err(error) => format!("sidecar: {error}"),
        };
        let summary = match &model.summary {
            Ok(summary) => {
                let inputs = summary.inputs.iter().map(ToString::to_string);
                let outputs = summary.outputs.iter().map(ToString::to_string);
                let (inputs, outputs) = (join(inputs), join(outputs));
                let precision = if summary.traits.is_quantised { ", int8" } else { "" };
                format!("{inputs} -> {outputs}{precision}")
            }
            Err(error) => format!("unreadable: {error}"),
        };
        let is_used = used.contains(&model.path);
        table.row([
            role.into(),
            file.into(),
            format!("{:.1}", model.bytes as f64 / 1e6).into(),
            Cell::new(if is_used { "used" } else { "-" }, Tone::Plain),
            format!("{info}; {summary}").into(),
        ]);
    }
    table
}

fn join(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(", ")
}

fn describe(state: &State) -> String {
    match state {
        State::Intact => "intact".to_owned(),
        State::Changed { recorded, found } => {
            format!("CHANGED: its sha256 is {found}, recorded was {recorded}")
        }
        State::Missing => "MISSING".to_owned(),
        State::Unrecorded => "not recorded: put there by hand".to_owned(),
        State::Unreadable(error) => format!("UNREADABLE: {error}"),
    }
}

pub fn verify(places: &Places) -> Result<(), CliError> {
    let mut damaged = 0;
    let mut page = Page::default();
    for folder in places.folders() {
        let mut table = Table::new([("", Set::Left), ("", Set::Wrapped)]);
        let models = models::verify(folder).map_err(CliError::runtime)?;
        for model in &models {
            let is_damaged = !matches!(model.state, State::Intact | State::Unrecorded);
            let tone = if is_damaged { Tone::Bad } else { Tone::Good };
            table.row([model.file.as_str().into(), Cell::new(describe(&model.state), tone)]);
            damaged += u32::from(is_damaged);
        }
        if !models.is_empty() {
            page.text(format!("{}:", folder.display()));
            page.table(table);
        }
    }
    print_page(&page)?;
    if damaged > 0 {
        return Err(CliError::runtime(format!(
            "not what was recorded: {damaged} of the models; import or fetch them again"
        )));
    }
    for role in Role::ALL {
        let found = match places.search.find(role, None) {
            Ok(found) => format!("{} is used{}", found.path.display(), tried(&found.path, role)?),
            Err(_) if role == Role::Aligner => "none, which will do".to_owned(),
            Err(ResolveError::Nowhere { .. }) if role == Role::Classifier => {
                "none: faces are followed and not judged".to_owned()
            }
            Err(error) => return Err(CliError::runtime(error)),
        };
        let mut page = Page::default();
        page.item(format!("{role}: "), Tone::Plain, found);
        print_page(&page)?;
    }
    Ok(())
}

/// What a trial says of a model that a scan would use.
fn tried(model: &Path, role: Role) -> Result<String, CliError> {
    let info = ModelInfo::beside(model).map_err(CliError::runtime)?;
    match infer::try_out(model, role, &info, PATIENCE) {
        Ok(Trial::Ran) => Ok(", and runs".to_owned()),
        Ok(Trial::Untried(why)) => Ok(format!("; it was not tried out: {why}")),
        Err(error) => {
            let model = model.display();
            Err(CliError::runtime(format!("{role}: {model} cannot be used: {error}")))
        }
    }
}
