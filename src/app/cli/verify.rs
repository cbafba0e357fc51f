//! `pipeline verify`: reads the whole store against its digests.

use serde_json::json;

use super::args::Verify;
use super::failure::{Failure, Outcome};
use super::root::Root;
use super::{project, terminal};
use crate::engine::store::verify;
use crate::view::format;

pub fn run(arguments: &Verify) -> Result<Outcome, Failure> {
    let store = project::open_store(&Root::here(&arguments.place)?)?;
    let begun = std::time::Instant::now();
    let found = verify(&store, &|_| {})?;
    let outcome = if found.findings.is_empty() { Outcome::Done } else { Outcome::Failed };
    if arguments.json {
        let findings: Vec<_> = found
            .findings
            .iter()
            .map(|finding| json!({"entry": finding.entry, "file": finding.file, "problem": finding.problem.to_string()}))
            .collect();
        terminal::json(
            &json!({"entries": found.entries, "files": found.files, "bytes": found.bytes, "findings": findings}),
        )?;
        return Ok(outcome);
    }
    let mut text = String::new();
    for finding in &found.findings {
        text += &format!("{finding}\n");
    }
    let elapsed = begun.elapsed();
    let size = format::bytes(found.bytes);
    text += &format!(
        "{} entries, {} files, {size} in {}: ",
        found.entries,
        found.files,
        format::duration(elapsed)
    );
    text += &match found.findings.len() {
        0 => "all as their manifests say\n".to_owned(),
        count => {
            let is = if count == 1 { "is wrong" } else { "are wrong" };
            format!(
                "{count} {is}\nhelp: `run` sets a damaged entry aside and rebuilds it when it reads it, `run --rerun STAGE` at once, \
                 also where something does not belong to it; `gc --apply` removes what no run needs\n"
            )
        }
    };
    terminal::print(&text)?;
    Ok(outcome)
}
