//! What is said on the console.

use std::fmt::Write as _;
use std::io::Write as _;

use serde_json::Value;

pub fn say(text: &str) {
    // Who stops listening does not stop the measurement: all of it is in the file.
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// A section's row in a line.
pub fn line(row: &Value) -> String {
    let said = |name: &str| row[name].as_str().map(|text| format!(" {text}")).unwrap_or_default();
    let batch = row["batch_size"].as_u64().map(|texts| format!(" x {texts}")).unwrap_or_default();
    let compiled = if row["compiled"] == true { " compiled" } else { "" };
    let what =
        format!("{}{}{batch}{}{compiled}", said("what").trim(), said("shape"), said("dtype"));
    let what = format!("{what:<24} {:<9}", said("side"));
    format!("{what} {}", result(row))
}

fn result(row: &Value) -> String {
    if let Some(error) = row["error"].as_str() {
        return format!("failed: {}", error.lines().last().unwrap_or_default());
    }
    match row["what"].as_str() {
        Some("parity") => {
            let of = |name: &str| number(&row[name]["over_allowed"], 2);
            let verdict = if row["holds"] == true { "holds" } else { "does not hold" };
            format!("{verdict}: at most {} and {} of what is allowed", of("small"), of("uneven"))
        }
        Some("tiny.toml") => {
            let train = number(&row["stages_s"]["train"], 1);
            format!("{} s, of which training {train} s", number(&row["run_s"], 1))
        }
        _ => format!(
            "{} s a step, {} texts/s, forward {} texts/s, at most {} GiB",
            number(&row["step_s"], 4),
            number(&row["texts_per_s"], 0),
            number(&row["forward_texts_per_s"], 0),
            number(peak_gib(row), 2),
        ),
    }
}

/// Of the card where the section ran on one, else of its process.
fn peak_gib(row: &Value) -> &Value {
    row.get("device_peak_gib").unwrap_or(&row["peak_rss_gib"])
}

fn number(value: &Value, decimals: usize) -> String {
    value.as_f64().map_or_else(|| "-".to_owned(), |value| format!("{value:.decimals$}"))
}

/// Training steps of both sides in Markdown.
pub fn beside_each_other(found: &Value) -> String {
    let none = Vec::new();
    let rows = found["rows"].as_array().unwrap_or(&none);
    let steps = |side: &'static str| {
        rows.iter().filter(move |row| row["what"] == "steps" && row["side"] == side)
    };
    let card = found["card"]["name"].as_str().or(found["machine"]["processor"].as_str());
    let mut text = format!(
        "\n### On {}\n\n| | s a step | PyTorch | ours is faster | forward texts/s | PyTorch | GiB | PyTorch |\n|---|---|---|---|---|---|---|---|\n",
        card.unwrap_or_default()
    );
    for ours in steps("pipeline") {
        let same = ["shape", "batch_size", "dtype"];
        let is_same = |theirs: &&Value| same.iter().all(|name| theirs[*name] == ours[*name]);
        let of = steps("PyTorch").filter(is_same);
        // Compiled or not, whichever is faster.
        let theirs = |name: &'static str, is_better: fn(f64, f64) -> f64| {
            of.clone().filter_map(|row| row[name].as_f64()).reduce(is_better)
        };
        let shown = |value: Option<f64>, decimals| number(&serde_json::json!(value), decimals);
        let (step, their_step) = (ours["step_s"].as_f64(), theirs("step_s", f64::min));
        let ratio = step.zip(their_step).map(|(ours, theirs)| theirs / ours);
        let columns = [
            shown(step, 4),
            shown(their_step, 4),
            ratio.map_or_else(String::new, |ratio| format!("{ratio:.2} times")),
            number(&ours["forward_texts_per_s"], 0),
            shown(theirs("forward_texts_per_s", f64::max), 0),
            number(peak_gib(ours), 2),
            shown(of.clone().filter_map(|row| peak_gib(row).as_f64()).reduce(f64::min), 2),
        ];
        let name = same.map(|name| ours[name].to_string().replace('"', ""));
        let _ =
            writeln!(text, "| {} x {} {} | {} |", name[0], name[1], name[2], columns.join(" | "));
    }
    text.trim_end().to_owned()
}
