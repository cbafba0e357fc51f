//! The page as a whole.

use std::fmt::Write as _;
use std::sync::LazyLock;

use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::html::{Section, json as escaped_json, message, text};
use super::material::Material;
use super::{answer, failures, graph, scores, settings, sweep, training};
use crate::engine::stage::Caveat;
use crate::view::format;

/// The page's only style, and its only script.
static STYLE: &str = concat!(include_str!("uPlot.min.css"), include_str!("report.css"));
static SCRIPT: LazyLock<String> = LazyLock::new(|| {
    let licence = include_str!("uPlot-LICENSE.txt");
    format!(
        "/*! uPlot\n{licence}*/\n{}\n{}",
        include_str!("uPlot.iife.min.js"),
        include_str!("report.js")
    )
});

/// Nothing is loaded, and nothing runs but what has these digests.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    format!(
        "default-src 'none'; style-src '{}'; script-src '{}'; base-uri 'none'; form-action 'none'",
        digest(STYLE),
        digest(&SCRIPT)
    )
});

/// What the page is laid out by: raised by hand when the same material is laid out otherwise.
const LAYOUT: u32 = 6;

/// What tells that a page was laid out as this program does it.
#[must_use]
pub fn layout() -> String {
    format!("{LAYOUT} {}", *POLICY)
}

/// As policies write it: `sha256-` and base64.
pub(super) fn digest(content: &str) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bytes = Sha256::digest(content.as_bytes());
    let mut out = "sha256-".to_owned();
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0_u32, |group, byte| group << 8 | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        for letter in 0..4 {
            let index = group >> (18 - 6 * letter) & 63;
            out.push(if letter > chunk.len() { '=' } else { char::from(LETTERS[index as usize]) });
        }
    }
    out
}

/// The page about what a run came to.
#[must_use]
pub fn page(material: &Material<'_>) -> String {
    let (training, charts) = training::section(material)
        .map_or((None, Vec::new()), |(section, charts)| (Some(section), charts));
    let sections: Vec<Section> = [
        Some(answer::section(material)),
        settings::section(material),
        graph::section(material),
        training,
        scores::section(material),
        scores::labels(material),
        failures::confusion(material),
        failures::curves(material),
        failures::groups(material),
        failures::mistakes(material),
        sweep::section(material),
        caveats(&material.caveats),
        Some(settings::repeat(material)),
    ]
    .into_iter()
    .flatten()
    .collect();
    let name = &material.run.asked.results;
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=en>\n<head>\n<meta charset=utf-8>\n<meta http-equiv=Content-Security-Policy content=\"{}\">\n<meta name=viewport content=\"width=device-width, initial-scale=1\">\n<meta name=color-scheme content=\"light dark\">\n<title>{}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n",
        *POLICY,
        text(name)
    );
    out += &header(material, &sections);
    out += "<main>\n";
    for Section { id, title, html } in &sections {
        write!(out, "<section id={id} aria-labelledby=h-{id}>\n<h2 id=h-{id}>{title}</h2>\n{html}\n</section>\n").expect("a string");
    }
    let data = escaped_json(&json!({ "charts": charts }));
    write!(
        out,
        "</main>\n<footer>Made by pipeline {}. Charts to zoom into: uPlot, MIT licence.</footer>\n<script type=\"application/json\" id=data>{data}</script>\n<script>{}</script>\n</body>\n</html>\n",
        text(&material.run.program),
        *SCRIPT
    )
    .expect("a string");
    out
}

fn header(material: &Material<'_>, sections: &[Section]) -> String {
    let run = material.run;
    let about = material
        .background
        .about
        .as_ref()
        .map_or_else(String::new, |about| format!("<p class=about>{}</p>", text(about)));
    let links: String = sections
        .iter()
        .map(|section| format!("<a href=\"#{}\">{}</a>", section.id, section.title))
        .collect();
    let date = run.started.split('T').next().unwrap_or_default();
    let trials: usize = material.points.iter().map(|point| point.rows.len()).sum();
    let size = if trials > 1 {
        format!(
            " \u{b7} {}, {}",
            format::counted(material.settings(), "setting"),
            format::counted(trials, "trial")
        )
    } else {
        String::new()
    };
    format!(
        "<header><p class=crumb>Report of an experiment \u{b7} {}{size}</p><h1>{}</h1>{about}</header>\n<nav aria-label=Sections>{links}</nav>\n",
        text(date),
        text(&run.asked.results)
    )
}

/// What the scores are to be read with.
fn caveats(caveats: &[Caveat]) -> Option<Section> {
    const SHOWN: usize = 60;
    let one = |caveat: &Caveat| {
        let count = if caveat.count > 1 {
            format!(" <span class=unit>{}\u{d7}</span>", format::grouped(caveat.count))
        } else {
            String::new()
        };
        let message = message(&caveat.message);
        format!("<li>{message}.{count} <code class=code>{}</code></li>", text(&caveat.code))
    };
    let rows: String = caveats.iter().take(SHOWN).map(one).collect();
    let more = caveats.len().saturating_sub(SHOWN);
    let more = if more > 0 { format!("<p>and {more} more</p>") } else { String::new() };
    (!rows.is_empty()).then(|| Section {
        id: "caveats",
        title: "Caveats",
        html: format!(
            "<p>What a reader of these scores must know.</p><ul class=caveats>{rows}</ul>{more}"
        ),
    })
}
