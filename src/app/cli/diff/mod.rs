//! `pipeline diff`: what differs between two experiments, runs, trials or points, and whether their scores differ by more than luck.

mod made;
mod require;
mod scores;

use serde_json::{Value, json};

use super::args::Diff;
use super::failure::{Failure, Outcome};
use super::side::Side;
use super::terminal;
use crate::engine::runs::TrialResults;
use made::Made;
use require::Requirement;
use scores::ScoreRows;

pub fn run(arguments: &Diff) -> Result<Outcome, Failure> {
    let requirements: Vec<Requirement> = arguments
        .requirements
        .iter()
        .map(|text| Requirement::read(text, arguments.confident))
        .collect::<Result<_, _>>()?;
    let a = Side::of(&arguments.a, &arguments.place)?;
    let b = Side::of(&arguments.b, &arguments.place)?;
    let made = made::compare(&a, &b);
    let scores = ScoreRows::compare(&a, &b)?;
    let shown = scores.selected(&arguments.metric)?;
    let verdicts: Vec<(String, bool)> = requirements
        .iter()
        .map(|requirement| requirement.verdict(&scores))
        .collect::<Result<_, _>>()?;
    let differs = !made.is_empty() || scores.differ();
    if arguments.json {
        let requirement = |(text, met): &(String, bool)| json!({"requirement": text, "met": met});
        terminal::json(&json!({
            "a": side_json(&a),
            "b": side_json(&b),
            "differs": differs,
            "made": made.iter().map(Made::json).collect::<Vec<Value>>(),
            "metrics": shown.iter().map(|row| row.json()).collect::<Vec<Value>>(),
            "replicates": scores.replicates_json(),
            "notes": scores.notes(),
            "requirements": verdicts.iter().map(requirement).collect::<Vec<Value>>(),
        }))?;
    } else {
        let mut text = format!("A  {}\nB  {}\n", side_text(&a), side_text(&b));
        text += &made::text(&made);
        text += &scores.text(&shown, !arguments.metric.is_empty());
        if !differs {
            text += "\nno difference\n";
        }
        terminal::print(&text)?;
    }
    let mut is_unmet = false;
    for (text, met) in &verdicts {
        is_unmet |= !met;
        let word = if *met { "met" } else { "unmet" };
        if !met || !arguments.json {
            terminal::complain(&format!("{word}: {text}\n"));
        }
    }
    Ok(if is_unmet || arguments.exit_code && differs { Outcome::Differs } else { Outcome::Done })
}

/// With the point, where the name does not say it, and how many trials it has.
fn side_text(side: &Side) -> String {
    let point = side.meant().next().map(TrialResults::of_point);
    let point = point.filter(|point| !point.is_empty() && !side.name.contains(point));
    let point = point.map(|point| format!(", {point}")).unwrap_or_default();
    let trials = match side.trials.len() {
        0 | 1 => String::new(),
        count => format!(", {count} trials"),
    };
    format!("{}  {}{point}{trials}", side.name, side.what)
}

fn side_json(side: &Side) -> Value {
    let trials: Vec<&str> = side.meant().map(|of| &*of.label).collect();
    let run = Some(&side.results.run.id).filter(|id| !id.is_empty());
    json!({"name": side.name, "run": run, "file": side.results.run.file, "trials": trials})
}
