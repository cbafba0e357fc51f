//! Whole figures. That nothing is cut off at an edge is asserted wherever a test writes a picture.

use std::path::Path;

use super::*;

/// Draws into a folder of its own and returns the bytes of the PNG.
fn bytes(draw: impl Fn(&Path) -> Result<(), PlotError>) -> Result<Vec<u8>, PlotError> {
    bytes_of("figure.png", draw)
}

/// * `name`: of the file
fn bytes_of(
    name: &str,
    draw: impl Fn(&Path) -> Result<(), PlotError>,
) -> Result<Vec<u8>, PlotError> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join(name);
    draw(&path)?;
    Ok(std::fs::read(&path).expect("the picture was written"))
}

fn drawn(draw: impl Fn(&Path) -> Result<(), PlotError>) -> Vec<u8> {
    bytes(draw).expect("the figure is drawn")
}

fn picture(draw: impl Fn(&Path) -> Result<(), PlotError>) {
    assert!(drawn(draw).starts_with(b"\x89PNG"));
}

fn row(split: HistorySplit, step: u64, epoch: u64, loss: f64) -> HistoryRow {
    HistoryRow {
        split,
        step,
        epoch,
        learning_rate: 1e-5 / step as f64,
        loss,
        parts: vec![0.75 * loss, 0.25 * loss],
    }
}

/// A falling loss with some noise; every tenth step is validated.
fn history(steps: u64, epochs: u64) -> Vec<HistoryRow> {
    (1..=steps)
        .flat_map(|step| {
            let loss = 3.0 / step as f64 + 0.1 * ((step * 7919 % 101) as f64 / 101.0);
            let epoch = (step - 1) * epochs / steps + 1;
            let validation = step
                .is_multiple_of(10)
                .then(|| row(HistorySplit::Validation, step, epoch, 1.2 * loss));
            std::iter::once(row(HistorySplit::Train, step, epoch, loss)).chain(validation)
        })
        .collect()
}

/// `B-` and `I-` labels and `O`, with most of the counts on the diagonal.
fn table(labels: usize) -> (Vec<String>, Vec<u64>) {
    let name = |index: usize| {
        if index + 1 == labels {
            "O".to_owned()
        } else {
            format!("{}-NAME{index}", ["B", "I"][index % 2])
        }
    };
    let counts = (0..labels * labels)
        .map(|cell| if cell % (labels + 1) == 0 { 100 } else { (cell * 31 % 7) as u64 })
        .collect();
    ((0..labels).map(name).collect(), counts)
}

fn label_confusion(labels: &[String], counts: &[u64], path: &Path) -> Result<(), PlotError> {
    let (title, class, noun) = ("Labels", "label", "tokens");
    confusion(&Confusion { title, class, noun, labels, counts }, path)
}

fn class_confusion(counts: [[u64; 2]; 2], path: &Path) -> Result<(), PlotError> {
    let labels = ["No".to_owned(), "Yes".to_owned()];
    label_confusion(&labels, counts.as_flattened(), path)
}

fn point(label: &str, metrics: &[f64]) -> SweepPoint {
    let (label, metrics) = (label.to_owned(), metrics.to_vec());
    SweepPoint { label, metrics, is_chosen: false, is_fresh: false }
}

fn line(
    axis: &str,
    metric: &str,
    points: &[(f64, SweepPoint)],
    path: &Path,
) -> Result<(), PlotError> {
    sweep_line(axis, Spacing::ByValues, metric, points, path)
}

fn list(points: &[SweepPoint]) -> SweepList {
    SweepList { names: "rate · size".to_owned(), points: points.to_vec(), is_ranked: true }
}

fn grid(width: usize, height: usize, metric: impl Fn(usize) -> Vec<f64>) -> SweepGrid {
    SweepGrid {
        x_name: "train.learning_rate".to_owned(),
        y_name: "train.batch_size".to_owned(),
        x_labels: (0..width).map(|index| format!("{index}e-5")).collect(),
        y_labels: (0..height).map(|index| index.to_string()).collect(),
        metrics: (0..width * height).map(metric).collect(),
        chosen: Some(0),
    }
}

const PARTS: [&str; 2] = ["One", "Other"];

const EXTREMES: [f64; 9] = [0.0, -1.0, 1.0, 5e-324, 1e-9, 1e9, 1e300, f64::INFINITY, f64::NAN];

#[test]
fn the_same_rows_give_the_same_bytes() {
    let (rows, (labels, counts)) = (history(200, 3), table(20));
    assert_eq!(
        drawn(|path| loss_curves(&rows, &PARTS, path)),
        drawn(|path| loss_curves(&rows, &PARTS, path))
    );
    assert_eq!(
        drawn(|path| label_confusion(&labels, &counts, path)),
        drawn(|path| label_confusion(&labels, &counts, path))
    );
}

#[test]
fn a_file_that_is_called_so_is_svg_with_the_words_of_the_figure() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("figure.svg");
    let labels = ["<O>".to_owned(), "B-R&D".to_owned()];
    label_confusion(&labels, &[5, 1, 0, 7], &path).expect("the figure is drawn");
    let svg = std::fs::read_to_string(&path).expect("the picture was written");
    assert!(svg.starts_with("<svg xmlns=") && svg.ends_with("</svg>\n"), "{svg}");
    for words in [">&lt;O&gt;</text>", ">B-R&amp;D</text>", ">Predicted label</text>"] {
        assert!(svg.contains(words), "{words}\n{svg}");
    }
}

#[test]
fn other_rows_give_other_bytes() {
    assert_ne!(
        drawn(|path| loss_curves(&history(200, 3), &PARTS, path)),
        drawn(|path| loss_curves(&history(201, 3), &PARTS, path))
    );
}

#[test]
fn losses_of_many_heads_stand_in_lines_of_three() {
    let size = |heads: usize| {
        let mut rows = history(40, 2);
        rows.iter_mut().for_each(|row| row.parts = vec![row.loss; heads]);
        let png = drawn(|path| loss_curves(&rows, &vec!["One"; heads], path));
        [16, 20].map(|at| u32::from_be_bytes(png[at..at + 4].try_into().expect("four bytes")))
    };
    let ([width, height], [same, taller]) = (size(2), size(4));
    assert!(width == same && height < taller, "{width} x {height}, {same} x {taller}");
}

#[test]
fn histories_of_every_length_are_drawn() {
    for (steps, epochs) in [(1, 1), (2, 1), (5, 5), (29, 2), (40, 40), (3_000, 3), (9_000, 300)] {
        let rows = history(steps, epochs);
        picture(|path| loss_curves(&rows, &PARTS, path));
        picture(|path| learning_rate(&rows, path));
    }
}

#[test]
fn gaps_and_missing_losses_are_drawn_around() {
    let mut rows = history(100, 2);
    rows[30..50].iter_mut().for_each(|row| row.loss = f64::NAN);
    rows[60].loss = f64::INFINITY;
    rows.iter_mut().for_each(|row| row.parts[1] = f64::NAN);
    picture(|path| loss_curves(&rows, &PARTS, path));
}

#[test]
fn a_history_without_training_or_without_validation_is_drawn() {
    for split in [HistorySplit::Train, HistorySplit::Validation] {
        let rows: Vec<_> = history(100, 2).into_iter().filter(|row| row.split == split).collect();
        picture(|path| loss_curves(&rows, &PARTS, path));
    }
}

#[test]
fn extreme_values_are_drawn_or_refused() {
    for (place, first) in EXTREMES.into_iter().enumerate() {
        for (other, second) in EXTREMES.into_iter().enumerate() {
            // Places are found before anything is drawn, and pixels take many times as long as words: neighbours are enough of these.
            let is_next = other == (place + 1) % EXTREMES.len();
            let name = if is_next { "figure.png" } else { "figure.svg" };
            let rows = [
                row(HistorySplit::Train, 1, 1, first),
                row(HistorySplit::Train, u64::MAX, u64::MAX, second),
            ];
            let drawn = [
                bytes_of(name, |path| loss_curves(&rows, &PARTS, path)),
                bytes_of(name, |path| learning_rate(&rows, path)),
            ];
            let refused = |figure: &Result<Vec<u8>, PlotError>| {
                matches!(figure, Ok(_) | Err(PlotError::NoData { .. }))
            };
            assert!(drawn.iter().all(refused));
            let epochs = [EpochRow { epoch: 1, train: first, validation: second }];
            assert!(refused(&bytes_of(name, |path| epoch_losses(&epochs, path))));
            let points = [(first, point("a", &[second, first])), (second, point("b", &[1.0]))];
            assert!(refused(&bytes_of(name, |path| line("axis", "metric", &points, path))));
            let grid = grid(2, 1, |index| vec![[first, 1.0][index], second]);
            bytes_of(name, |path| sweep_grid(&grid, "metric", path)).expect("the figure is drawn");
        }
    }
}

#[test]
fn extreme_scores_of_points_are_drawn() {
    for extreme in EXTREMES {
        let points = [point("a", &[extreme, 0.5, extreme]), point("b", &[1.0])];
        picture(|path| sweep_list(&list(&points), "metric", path));
    }
}

#[test]
fn an_empty_history_is_refused() {
    assert!(matches!(bytes(|path| loss_curves(&[], &PARTS, path)), Err(PlotError::NoData { .. })));
    assert!(matches!(bytes(|path| learning_rate(&[], path)), Err(PlotError::NoData { .. })));
    assert!(matches!(bytes(|path| epoch_losses(&[], path)), Err(PlotError::NoData { .. })));
}

#[test]
fn one_epoch_and_many_are_drawn() {
    for epochs in [1, 2, 8, 9, 500] {
        let rows: Vec<_> = (1..=epochs)
            .map(|epoch| EpochRow { epoch, train: 1.0 / epoch as f64, validation: f64::NAN })
            .collect();
        picture(|path| epoch_losses(&rows, path));
    }
}

#[test]
fn confusions_of_every_size_are_drawn() {
    for size in [1, 2, 3, 6, 12, 13, 31, 93, 200] {
        let (labels, counts) = table(size);
        picture(|path| label_confusion(&labels, &counts, path));
    }
}

#[test]
fn empty_and_huge_counts_are_drawn() {
    for count in [0, 1, u64::MAX] {
        picture(|path| class_confusion([[count; 2]; 2], path));
        picture(|path| class_confusion([[count, 0], [0, 0]], path));
        picture(|path| label_confusion(&table(30).0, &[count; 900], path));
    }
}

#[test]
fn labels_of_any_script_and_length_are_drawn() {
    let long = "LONG_".repeat(200);
    let named = ["", "節點名稱", "عربي", "👩‍🔬", "line\nbreak\ttab", "\u{0}", &long];
    let (mut many, counts) = table(93);
    named.iter().zip(&mut many).for_each(|(label, drawn)| (*label).clone_into(drawn));
    picture(|path| label_confusion(&many, &counts, path));
    for label in named {
        let (mut labels, counts) = table(2);
        labels[0] = label.to_owned();
        picture(|path| label_confusion(&labels, &counts, path));
        let points = [point(label, &[0.5, 0.6]), point("other", &[0.7])];
        picture(|path| {
            sweep_list(&SweepList { names: label.to_owned(), ..list(&points) }, label, path)
        });
        picture(|path| line(label, label, &[(1.0, points[0].clone())], path));
        let named = SweepGrid {
            x_name: label.to_owned(),
            y_name: label.to_owned(),
            x_labels: vec![label.to_owned(); 3],
            ..grid(3, 2, |_| vec![0.5])
        };
        picture(|path| sweep_grid(&named, label, path));
    }
}

#[test]
fn a_confusion_that_does_not_match_its_labels_is_refused() {
    let drawn = bytes(|path| label_confusion(&table(3).0, &[1; 8], path));
    assert!(matches!(drawn, Err(PlotError::Shape { expected: 9, found: 8, .. })), "{drawn:?}");
    assert!(matches!(bytes(|path| label_confusion(&[], &[], path)), Err(PlotError::NoData { .. })));
    assert!(matches!(
        bytes(|path| label_confusion(&vec![String::new(); 301], &[], path)),
        Err(PlotError::TooManyLabels { .. })
    ));
}

#[test]
fn where_o_stands_among_the_labels_does_not_matter() {
    let draw = |labels: [&str; 3], counts: [u64; 9]| {
        drawn(|path| label_confusion(&labels.map(String::from), &counts, path))
    };
    assert_eq!(
        draw(["O", "B-A", "I-A"], [9, 1, 2, 3, 8, 4, 5, 6, 7]),
        draw(["B-A", "I-A", "O"], [8, 4, 3, 6, 7, 5, 1, 2, 9])
    );
}

#[test]
fn curves_may_come_in_either_order_of_thresholds() {
    let points = vec![(0.0, 1.0), (0.5, 1.0), (0.5, 0.5), (1.0, 0.6)];
    let curve = |points: Vec<_>| PrecisionRecall {
        name: "Model",
        points,
        average_precision: Some(0.8),
        prevalence: Some(0.4),
    };
    let reversed = points.iter().rev().copied().collect();
    assert_eq!(
        drawn(|path| precision_recall(&curve(points.clone()), path)),
        drawn(|path| precision_recall(&curve(Vec::clone(&reversed)), path))
    );
}

#[test]
fn undefined_curves_are_pictures_that_say_so() {
    picture(|path| {
        precision_recall(
            &PrecisionRecall {
                name: "Model",
                points: Vec::new(),
                average_precision: None,
                prevalence: Some(1.0),
            },
            path,
        )
    });
    picture(|path| roc(&Roc { name: "Model", points: vec![(f64::NAN, 0.0)], auroc: None }, path));
}

#[test]
fn reliability_is_drawn_to_the_corners_and_without_texts() {
    let point = |score: f64, share: f64, texts: usize| ReliabilityPoint { score, share, texts };
    let before = vec![point(0.0, 0.0, 5000), point(0.4, 0.7, 1), point(1.0, 1.0, 5000)];
    let after = vec![point(0.1, 0.0, 10), point(f64::NAN, 0.5, 3), point(0.9, 1.0, 20)];
    for positive in [Some("a rather long name of a class that is looked for"), None] {
        let figure =
            Reliability { name: "Model", positive, before: before.clone(), after: after.clone() };
        picture(|path| reliability(&figure, path));
    }
    let nothing = Reliability { name: "", positive: None, before: Vec::new(), after: Vec::new() };
    picture(|path| reliability(&nothing, path));
}

#[test]
fn sweeps_with_failed_trials_are_drawn() {
    let points = [
        (1e-5, point("1e-5", &[])),
        (1e-2, point("1e-2", &[0.5, f64::NAN])),
        (1e-3, point("1e-3", &[0.4, 0.6])),
    ];
    picture(|path| line("train.learning_rate", "evaluate.ner.span_f1", &points, path));
    let all = points.map(|(_, point)| point);
    picture(|path| sweep_list(&list(&all), "evaluate.ner.span_f1", path));
    picture(|path| {
        sweep_grid(
            &grid(
                4,
                3,
                |index| if index == 5 { Vec::new() } else { vec![0.1 * index as f64, 0.5] },
            ),
            "f1",
            path,
        )
    });
    picture(|path| sweep_grid(&grid(40, 1, |index| vec![index as f64]), "f1", path));
}

#[test]
fn a_sweep_without_any_metric_is_refused() {
    assert!(matches!(
        bytes(|path| line("a", "m", &[(1.0, point("1", &[f64::NAN]))], path)),
        Err(PlotError::NoData { .. })
    ));
    assert!(matches!(bytes(|path| line("a", "m", &[], path)), Err(PlotError::NoData { .. })));
    assert!(matches!(
        bytes(|path| sweep_list(&list(&[]), "m", path)),
        Err(PlotError::NoData { .. })
    ));
    assert!(matches!(
        bytes(|path| sweep_grid(&grid(2, 2, |_| Vec::new()), "m", path)),
        Err(PlotError::NoData { .. })
    ));
}

#[test]
fn a_folder_that_is_missing_is_named() {
    let error = class_confusion([[1, 0], [0, 1]], Path::new("no/such/folder/figure.png"))
        .expect_err("nothing can be written there");
    assert!(error.to_string().starts_with("cannot write `no/such/folder/figure.png`"), "{error}");
}

#[test]
fn a_picture_in_which_drawing_panics_is_an_error_like_any_other() {
    let error = super::attempt(|| panic!("no room for a tick")).unwrap_err();
    assert!(
        !error.is_of_the_disk() && error.to_string().ends_with("no room for a tick"),
        "{error}"
    );
}

fn label(name: &str, counts: &[usize]) -> LabelCount {
    LabelCount { label: name.to_owned(), counts: counts.to_vec() }
}

#[test]
fn a_corpus_is_drawn_whatever_its_lengths_and_labels() {
    let lengths =
        |counts: &[(usize, usize)]| SplitLengths { split: "train", counts: counts.to_vec() };
    picture(|path| length_shares(&[lengths(&[(1, 3), (7, 2), (4000, 1)])], path));
    picture(|path| length_shares(&[lengths(&[(0, 3)])], path));
    let long = "a label of quite some words, which nobody would give".repeat(3);
    picture(|path| {
        label_counts("Labels", &[label(&long, &[3, 1]), label("PER", &[0, 10_000_000])], path)
    });
    let many: Vec<LabelCount> =
        (0..200).map(|number| label(&format!("L{number}"), &[number])).collect();
    picture(|path| label_counts("Labels", &many, path));
}

#[test]
fn a_corpus_without_texts_or_labels_is_refused() {
    assert!(matches!(bytes(|path| length_shares(&[], path)), Err(PlotError::NoData { .. })));
    let none = [label("PER", &[0, 0])];
    assert!(matches!(
        bytes(|path| label_counts("Labels", &none, path)),
        Err(PlotError::NoData { .. })
    ));
}
