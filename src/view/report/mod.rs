//! `report.html`: what a run came to on one page, for a person who asks which setting is best, how sure that is, where it fails, and how to do it
//! again.
//!
//! 1. [`Material::gather`] takes together all that is shown;
//! 2. [`page`] lays it out: tables and SVG, readable without a script; `report.js` makes them sortable, filters, and lets one zoom into histories
//!    ([uPlot](https://github.com/leeoniya/uPlot), whose licence lies beside it).
//!
//! The page is one file that needs no network: a policy in its head lets nothing else in, and names its one style and one script by their digests.
//! It is a pure function of its material: no clock, host or path of this machine is in it, but what the run's record says.
//!
//! [`card`] says of the same material what who finds a model without its results has to know: the page that hubs for models show first.
//!
//! It knows no metric, no label and no kind: what is shown beside scores are exhibits of artifacts (`engine::stage::Exhibit`).

mod against;
mod answer;
mod background;
mod card;
mod chart;
mod failures;
mod forest;
mod graph;
mod html;
mod levels;
mod marked;
mod material;
mod numbers;
mod page;
mod parallel;
mod rivals;
mod scale;
mod scores;
mod settings;
mod sweep;
#[cfg(test)]
mod tests;
mod training;
mod trials;

pub use background::{Background, Searched, Setting};
pub use card::card;
pub use material::{Material, Subject};
pub use page::{layout, page};
