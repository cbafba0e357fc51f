//! What made a folder of results, and the experiment that makes the same again.

use std::path::Path;

use super::contents::part_of;
use crate::engine::plan::Trial;
use crate::engine::runs::MadeBy;
use crate::engine::store::Store;

/// The name of the experiment beside its results.
pub(super) const EXPERIMENT: &str = "experiment.toml";

/// Which of its results a folder holds.
#[derive(Debug, Clone, Copy)]
pub enum Part<'a> {
    /// All that the experiment makes.
    Whole,
    /// One trial of a sweep; where it stands for others, the name of the folder in which it does.
    Trial(&'a Trial, Option<&'static str>),
}

/// Makes an experiment as text for a file in a folder, and its pins, if any.
pub type Again<'a> = dyn Fn(Part<'_>, &Path) -> (String, Option<String>) + Sync + 'a;

/// Where results come from.
pub struct Origin<'a> {
    pub made_by: MadeBy,
    /// An experiment that makes a part of the results again, as text, and the pins that it needs, if any. The text is for a file that lies in
    /// the folder.
    pub again: &'a Again<'a>,
}

impl Origin<'_> {
    /// Writes the experiment beside results that will be in place later.
    ///
    /// * `results`: the name of their folder in `outputs`
    /// * `building`: where those of the whole are made
    pub(super) fn write(
        &self,
        part: Part<'_>,
        store: &Store,
        results: &str,
        building: &Path,
    ) -> std::io::Result<()> {
        let inside = match part {
            Part::Whole => String::new(),
            Part::Trial(trial, None) => part_of(&trial.label),
            Part::Trial(_, Some(folder)) => folder.to_owned(),
        };
        let place = store.outputs().canonicalize()?.join(results).join(&inside);
        let (text, pins) = (self.again)(part, &place);
        let file = building.join(inside).join(EXPERIMENT);
        std::fs::create_dir_all(file.parent().unwrap_or(building))?;
        std::fs::write(&file, text)?;
        if let Some(pins) = pins {
            let mut name = file.into_os_string();
            name.push(".lock");
            std::fs::write(name, pins)?;
        }
        Ok(())
    }
}
