//! Where a model fails: what was taken for what, curves over thresholds, groups of texts, and the worst mistakes.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::chart::{Chart, Curve};
use super::html::{Section, anchor, brief, cell, table, text};
use super::marked::{Mark, marked};
use super::material::Material;
use super::scores::UNSEEN;
use crate::engine::runs::Of;
use crate::engine::stage::{Answer, Exhibit, LineStyle, Matrix, Mistake, Mistakes, Plot, Table};
use crate::view::format;

/// A matrix shows no more labels: those with most mistakes.
const LABELS: usize = 16;
/// Texts with mistakes that are shown before one asks for more.
const AT_ONCE: usize = 10;
/// The most frequent mistakes that are listed.
const LISTED: usize = 12;

/// One part of what stages show of themselves, stage by stage: those behind the first are folded, but for those that were scored for the chosen
/// setting alone, which tell most.
///
/// * `section`: what links call it
/// * `class`: of what is around those of a stage
fn by_stage(
    material: &Material<'_>,
    section: &str,
    class: &str,
    of: impl Fn(&Exhibit) -> Option<String>,
) -> Option<String> {
    let mut out = String::new();
    let parts = material.exhibits.iter().map(|Of { stage, it }| {
        let html: String = it.iter().filter_map(&of).collect();
        let is_bare = class.is_empty() || html.is_empty();
        (stage, if is_bare { html } else { format!("<div class={class}>{html}</div>") })
    });
    let parts: Vec<(&String, String)> = parts.filter(|(_, html)| !html.is_empty()).collect();
    let id = |stage: &str| anchor(section, stage);
    for (number, (stage, html)) in parts.iter().enumerate() {
        match (parts.len(), number) {
            (1, _) => out += html,
            (_, number) => {
                let is_late = material.is_late(stage);
                let open = if number == 0 || is_late { " open" } else { "" };
                let late = if is_late { UNSEEN } else { "" };
                write!(
                    out,
                    "<details{open} id=\"{}\"><summary><code>{}</code>{late}</summary>{html}</details>",
                    id(stage),
                    text(stage)
                )
                .expect("a string");
            }
        }
    }
    (!out.is_empty()).then_some(out)
}

pub fn confusion(material: &Material<'_>) -> Option<Section> {
    let html = by_stage(material, "confusion", "", |exhibit| match exhibit {
        Exhibit::Matrix(matrix) => Some(matrix_html(matrix)),
        _ => None,
    })?;
    let html = format!(
        "<p>Rows are the truth, columns the answers. Shades are shares of a row: <span class=\"shade right\">right</span> and <span class=\"shade wrong\">wrong</span>.{}</p>{html}",
        material.whose()
    );
    Some(Section { id: "confusion", title: "Confusion", html })
}

fn matrix_html(matrix: &Matrix) -> String {
    let size = matrix.labels.len();
    let count =
        |truth: usize, said: usize| matrix.counts.get(truth * size + said).copied().unwrap_or(0);
    let mut wrong: Vec<(u64, usize, usize)> = (0..size)
        .flat_map(|truth| (0..size).map(move |said| (truth, said)))
        .filter(|(truth, said)| truth != said && count(*truth, *said) > 0)
        .map(|(truth, said)| (count(truth, said), truth, said))
        .collect();
    wrong.sort_by(|one, other| other.0.cmp(&one.0).then(one.cmp(other)));
    let mut shown: Vec<usize> = (0..size).collect();
    if size > LABELS {
        let mut mistakes: BTreeMap<usize, u64> = BTreeMap::new();
        for (count, truth, said) in &wrong {
            *mistakes.entry(*truth).or_default() += count;
            *mistakes.entry(*said).or_default() += count;
        }
        let mut ranked: Vec<(usize, u64)> = mistakes.into_iter().collect();
        ranked.sort_by(|one, other| other.1.cmp(&one.1).then(one.0.cmp(&other.0)));
        shown = ranked.into_iter().take(LABELS).map(|(label, _)| label).collect();
        shown.sort_unstable();
    }
    let all: u64 = wrong.iter().map(|(count, ..)| count).sum();
    let mut out = format!("<h3>{}</h3>", text(&matrix.title));
    if all == 0 {
        let total: u64 = matrix.counts.iter().sum();
        write!(out, "<p>All {} {} are right.</p>", format::grouped(total), text(&matrix.noun))
            .expect("a string");
        return out;
    }
    if shown.len() < size {
        write!(out, "<p class=how>The {} of {size} labels with most mistakes.</p>", shown.len())
            .expect("a string");
    }
    out += "<div class=beside>";
    out += &heat(matrix, &shown, &count);
    if size > 2 {
        let row = |(number, truth, said): &(u64, usize, usize)| {
            format!(
                "<tr><td>{}<td>{}{}",
                brief(&matrix.labels[*truth], 30),
                brief(&matrix.labels[*said], 30),
                super::html::number(Some(*number as f64), &format::grouped(*number))
            )
        };
        let rows: String = wrong.iter().take(LISTED).map(row).collect();
        let head = [
            ("truth".to_owned(), false),
            ("taken for".to_owned(), false),
            (text(&matrix.noun), true),
        ];
        let caption = format!("The most frequent of {} mistakes", format::grouped(all));
        out += &table("", &caption, &head, &rows);
    }
    out + "</div>"
}

fn heat(matrix: &Matrix, shown: &[usize], count: &dyn Fn(usize, usize) -> u64) -> String {
    let size = matrix.labels.len();
    let head: String = shown
        .iter()
        .map(|label| format!("<th scope=col><span>{}</span>", brief(&matrix.labels[*label], 24)))
        .collect();
    let mut rows = String::new();
    for truth in shown {
        let whole: u64 = (0..size).map(|said| count(*truth, said)).sum();
        write!(rows, "<tr><th scope=row>{}", brief(&matrix.labels[*truth], 24)).expect("a string");
        for said in shown {
            let number = count(*truth, *said);
            // A fifth and more of the row is a step darker each.
            let shade = (number * 5).div_ceil(whole.max(1));
            let class = match (number, truth == said) {
                (0, _) => "z".to_owned(),
                (_, true) => format!("r{shade}"),
                (_, false) => format!("w{shade}"),
            };
            write!(rows, "<td class={class}>{}", format::grouped(number)).expect("a string");
        }
    }
    format!(
        "<div class=wide tabindex=0><table class=heat><thead><tr><td>{head}</thead><tbody>{rows}</tbody></table></div>"
    )
}

/// Curves over thresholds, and how often answers came true.
pub fn curves(material: &Material<'_>) -> Option<Section> {
    let chart = |plot: &Plot| {
        let mut colour = 0;
        let mut curve = |line: &crate::engine::stage::Line| {
            let number = colour;
            colour += usize::from(line.style != LineStyle::Guide);
            let points = spaced(&line.points);
            Curve {
                name: line.name.clone(),
                style: line.style,
                colour: number,
                points,
                band: Vec::new(),
            }
        };
        let curves = plot.lines.iter().map(&mut curve).collect();
        Chart {
            title: plot.title.clone(),
            x: plot.x.clone(),
            y: plot.y.clone(),
            is_of_shares: plot.is_of_shares,
            curves,
        }
    };
    let html = by_stage(material, "curves", "charts", |exhibit| match exhibit {
        Exhibit::Plot(plot) => Some(chart(plot).figure(None)),
        _ => None,
    })?;
    Some(Section {
        id: "curves",
        title: "Thresholds",
        html: format!(
            "<p>What other thresholds would give, and how often answers of a score came true: below the dashed line they are surer than they should be.{}</p>{html}",
            material.whose()
        ),
    })
}

/// A curve without points that lie within a pixel of the last one.
fn spaced(points: &[[f64; 2]]) -> Vec<[f64; 2]> {
    const NEAR: f64 = 0.004;
    let mut kept: Vec<[f64; 2]> = Vec::new();
    for (number, point) in points.iter().enumerate() {
        let is_last = number + 1 == points.len();
        let is_far = kept
            .last()
            .is_none_or(|last| (0..2).any(|part| (last[part] - point[part]).abs() > NEAR));
        if is_far || is_last {
            kept.push(*point);
        }
    }
    kept
}

pub fn groups(material: &Material<'_>) -> Option<Section> {
    const ROWS: usize = 60;
    let of = |of: &Table| {
        let head: Vec<(String, bool)> =
            of.columns.iter().enumerate().map(|(number, name)| (text(name), number > 1)).collect();
        let rows: String = of
            .rows
            .iter()
            .take(ROWS)
            .map(|row| format!("<tr>{}", row.iter().map(cell).collect::<String>()))
            .collect();
        let more = of.rows.len().saturating_sub(ROWS);
        let more = if more > 0 {
            format!("<p class=how>and {more} more in <code>groups.csv</code></p>")
        } else {
            String::new()
        };
        format!("{}{more}", table("", "", &head, &rows))
    };
    let html = by_stage(material, "groups", "", |exhibit| match exhibit {
        Exhibit::Table(table) => Some(of(table)),
        _ => None,
    })?;
    let whose = material.whose();
    let html = format!("<p>Scores of the texts that have something in common.{whose}</p>{html}");
    Some(Section { id: "groups", title: "Groups", html })
}

pub fn mistakes(material: &Material<'_>) -> Option<Section> {
    let html = by_stage(material, "mistakes", "", |exhibit| match exhibit {
        Exhibit::Mistakes(mistakes) => Some(mistakes_html(mistakes)),
        _ => None,
    })?;
    let html = format!(
        "<p>The worst first: most wrong parts, and the surest of the wrong answers. <span class=\"m ok\">agreed</span> <span class=\"m miss\">missed</span> <span class=\"m made\">invented</span>{}</p>{html}",
        material.whose()
    );
    Some(Section { id: "mistakes", title: "Mistakes", html })
}

fn mistakes_html(mistakes: &Mistakes) -> String {
    let Mistakes { texts, wrong, by_label, shown } = mistakes;
    if *wrong == 0 {
        return format!("<p>No mistake in {} texts.</p>", format::grouped(*texts as u64));
    }
    let place = |label: &str| by_label.iter().position(|(known, _)| known == label);
    let mut out = format!(
        "<p>{} of {} texts have a mistake; {} of them are shown, some of every label.</p>",
        format::grouped(*wrong as u64),
        format::grouped(*texts as u64),
        shown.len()
    );
    let option = |(number, (label, count)): (usize, &(String, usize))| {
        format!("<option value={number}>{} ({count})", brief_plain(label))
    };
    let options: String = by_label.iter().enumerate().map(option).collect();
    write!(
        out,
        "<div class=mistakes><label class=control hidden>Only mistakes in <select><option value=\"\">all labels ({wrong}){options}</select></label><p class=\"how count\" role=status></p>"
    )
    .expect("a string");
    let one = |mistake: &Mistake| {
        let places = mistake.labels.iter().filter_map(|label| place(label));
        one(mistake, &places.map(|it| it.to_string()).collect::<Vec<_>>().join(" "))
    };
    let (first, others) = shown.split_at(shown.len().min(AT_ONCE));
    first.iter().for_each(|mistake| out += &one(mistake));
    if !others.is_empty() {
        let rest: String = others.iter().map(one).collect();
        let count = others.len();
        write!(out, "<details class=more><summary>{count} more</summary>{rest}</details>")
            .expect("a string");
    }
    out + "</div>"
}

/// An option holds no markup.
fn brief_plain(label: &str) -> String {
    text(&label.chars().take(40).collect::<String>())
}

fn one(mistake: &Mistake, labels: &str) -> String {
    let mut out = format!("<article data-l=\"{labels}\">");
    if !mistake.name.is_empty() {
        write!(out, "<span class=id>{}</span>", brief(&mistake.name, 40)).expect("a string");
    }
    out += &mistake.answers.iter().map(answer).collect::<String>();
    let has_spans = !(mistake.truth.is_empty() && mistake.predicted.is_empty());
    if mistake.text.is_empty() {
        for (who, spans) in [("true", &mistake.truth), ("predicted", &mistake.predicted)] {
            let spans: Vec<String> = spans
                .iter()
                .map(|span| format!("{} {}\u{2013}{}", text(&span.label), span.start, span.end))
                .collect();
            if !spans.is_empty() {
                write!(out, "<p><i>{who}</i> {}", spans.join(", ")).expect("a string");
            }
        }
        return out + "</article>";
    }
    if has_spans {
        out += &row("true", mistake, &mistake.truth, Mark::Missed);
        out += &row("predicted", mistake, &mistake.predicted, Mark::Invented);
    } else {
        out += &row("", mistake, &[], Mark::Missed);
    }
    out + "</article>"
}

fn row(who: &str, mistake: &Mistake, spans: &[crate::engine::stage::Span], wrong: Mark) -> String {
    let [before, behind] = mistake.left_out.map(|count| {
        if count > 0 {
            format!("<span class=cut>[{} characters]</span>", format::grouped(count as u64))
        } else {
            String::new()
        }
    });
    let who = if who.is_empty() { String::new() } else { format!("<i>{who}</i> ") };
    format!("<p class=text dir=auto>{who}{before}{}{behind}", marked(&mistake.text, spans, wrong))
}

fn answer(answer: &Answer) -> String {
    let Answer { question, truth, predicted, score } = answer;
    let score = if score.is_finite() {
        format!(" <span class=unit>score {}</span>", format::number(*score))
    } else {
        String::new()
    };
    let question = brief(question, 30);
    if truth.is_empty() {
        return format!("<span class=answer>{question}: {}{score}</span>", brief(predicted, 30));
    }
    if truth == predicted {
        return format!(
            "<span class=answer>{question}: {} <span class=tick-ok>\u{2713}</span>{score}</span>",
            brief(truth, 30)
        );
    }
    format!(
        "<span class=\"answer bad\">{question}: <b>{}</b> taken for <b>{}</b> \u{2717}{score}</span>",
        brief(truth, 30),
        brief(predicted, 30)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_matrix_shows_the_labels_with_most_mistakes() {
        let size = 40;
        let mut counts = vec![0; size * size];
        (0..size).for_each(|label| counts[label * size + label] = 9);
        counts[3 * size + 5] = 4;
        let labels = (0..size).map(|label| format!("L{label}")).collect();
        let matrix = Matrix { title: "x".to_owned(), noun: "tokens".to_owned(), labels, counts };
        let html = matrix_html(&matrix);
        assert!(html.contains("The 2 of 40 labels with most mistakes."), "{html}");
        assert!(html.contains("<td>L3<td>L5<td class=n data-v=4>4"), "{html}");
        assert!(!html.contains("L7"), "{html}");
    }

    #[test]
    fn a_curve_keeps_its_ends_and_no_two_points_on_one_pixel() {
        let points: Vec<[f64; 2]> = (0..=10_000).map(|it| [f64::from(it) / 1e4; 2]).collect();
        let kept = spaced(&points);
        assert!(kept.len() < 260 && kept[0] == [0.0; 2] && kept.last() == Some(&[1.0; 2]));
    }

    #[test]
    fn wrong_answers_are_told_by_words_and_a_sign() {
        let wrong = Answer {
            question: "kind".to_owned(),
            truth: "<a>".to_owned(),
            predicted: "b".to_owned(),
            score: 0.75,
        };
        assert_eq!(
            answer(&wrong),
            "<span class=\"answer bad\">kind: <b>&lt;a&gt;</b> taken for <b>b</b> \u{2717} <span class=unit>score 0.7500</span></span>"
        );
    }
}
