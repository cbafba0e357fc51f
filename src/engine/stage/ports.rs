//! What a kind takes in: its ports, and how the artifacts that are wired to them are opened.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;

use super::{Artifact, StageError};

/// One input of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Port {
    pub name: &'static str,
    /// [`Artifact::TYPE`] of what it takes.
    pub artifact: &'static str,
    pub required: bool,
    /// Whether it takes a list of stages. Its inputs are then called `name.0`, `name.1` and so on.
    pub several: bool,
    pub about: &'static str,
}

impl Port {
    /// Whether an input of this name is one of the port's.
    #[must_use]
    pub fn takes(&self, input: &str) -> bool {
        let number = || input.strip_prefix(self.name)?.strip_prefix('.')?.parse::<usize>().ok();
        if self.several { number().is_some() } else { input == self.name }
    }
}

/// What a stage never reads of an artifact that it takes: where nothing else of an input has changed, its older result serves (early cutoff).
#[derive(Default)]
pub struct Unread {
    pub files: Vec<String>,
    /// JSON files that are read in part: of each its name, and what takes out of it all that is not read.
    pub parts: Vec<(&'static str, Reduction)>,
}

/// Takes something out of a JSON value.
pub type Reduction = Box<dyn Fn(&mut Value)>;

impl Unread {
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.files.is_empty() && self.parts.is_empty()
    }
}

/// The folders that a stage's ports are wired to, by the name of the input.
pub type InputFolders = BTreeMap<String, PathBuf>;

/// The typed inputs of a kind. Implemented by [`inputs!`](crate::inputs).
pub trait Inputs: Sized {
    const PORTS: &'static [Port];
    /// Whether a stage may have inputs of any other name and type beside those.
    const FREE: bool = false;

    /// # Errors
    /// When an artifact cannot be opened.
    fn open(folders: &InputFolders) -> Result<Self, StageError>;
}

/// What a field of [`inputs!`](crate::inputs) takes: an artifact, one that may be left out, or several.
pub trait Wired: Sized {
    const ARTIFACT: &'static str;
    const REQUIRED: bool = true;
    const SEVERAL: bool = false;

    /// * `port`: its name
    ///
    /// # Errors
    /// When an artifact cannot be opened.
    fn open(folders: &InputFolders, port: &str) -> Result<Self, StageError>;
}

impl<A: Artifact> Wired for A {
    const ARTIFACT: &'static str = A::TYPE;

    fn open(folders: &InputFolders, port: &str) -> Result<Self, StageError> {
        A::open(folders.get(port).expect("the plan wired every required port"))
    }
}

impl<A: Artifact> Wired for Option<A> {
    const ARTIFACT: &'static str = A::TYPE;
    const REQUIRED: bool = false;

    fn open(folders: &InputFolders, port: &str) -> Result<Self, StageError> {
        folders.get(port).map(|folder| A::open(folder)).transpose()
    }
}

impl<A: Artifact> Wired for Vec<A> {
    const ARTIFACT: &'static str = A::TYPE;
    const REQUIRED: bool = false;
    const SEVERAL: bool = true;

    fn open(folders: &InputFolders, port: &str) -> Result<Self, StageError> {
        let folder = |number| folders.get(&format!("{port}.{number}"));
        (0..).map_while(folder).map(|folder| A::open(folder)).collect()
    }
}

/// Declares a kind's inputs: a struct with one field for each port. A field is an [`Artifact`], an `Option` of one for a port that may be left out,
/// or a `Vec` for one that takes several.
///
/// ```ignore
/// inputs! {
///     pub struct TrainInputs {
///         /// the model to start from
///         model: Backbone,
///     }
/// }
/// ```
#[macro_export]
macro_rules! inputs {
    ($(#[$meta:meta])* $visibility:vis struct $struct:ident { $($(#[doc = $about:literal])* $name:ident: $wired:ty),* $(,)? }) => {
        $(#[$meta])*
        $visibility struct $struct { $($(#[doc = $about])* pub $name: $wired),* }

        impl $crate::engine::stage::Inputs for $struct {
            const PORTS: &'static [$crate::engine::stage::Port] = &[$($crate::engine::stage::Port {
                name: stringify!($name),
                artifact: <$wired as $crate::engine::stage::Wired>::ARTIFACT,
                required: <$wired as $crate::engine::stage::Wired>::REQUIRED,
                several: <$wired as $crate::engine::stage::Wired>::SEVERAL,
                about: concat!($($about),*),
            }),*];

            #[allow(unused_variables, reason = "a kind without ports opens nothing")]
            fn open(folders: &$crate::engine::stage::InputFolders) -> Result<Self, $crate::engine::stage::StageError> {
                Ok(Self { $($name: <$wired as $crate::engine::stage::Wired>::open(folders, stringify!($name))?),* })
            }
        }
    };
}
