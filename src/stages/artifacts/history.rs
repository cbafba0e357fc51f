//! `history.csv`: the numbers of a training, a column of losses for each task.

use std::path::{Path, PathBuf};

use super::files;
use crate::engine::stage::{Line, LineStyle, Plot, StageError};
use crate::tasks;
use crate::training::{History, Row, RowSplit};

/// The columns before the losses of the tasks, and those behind them.
const BEFORE: [&str; 5] = ["split", "step", "epoch", "learning_rate", "loss"];
const BEHIND: [&str; 2] = ["grad_norm", "watched"];

/// What the name of a task's column ends with.
const LOSS: &str = "_loss";

/// The column of a task's loss.
#[must_use]
pub fn loss_column(task: &str) -> String {
    format!("{task}{LOSS}")
}

pub(super) fn write(path: PathBuf, history: &History) -> Result<(), StageError> {
    let mut file = files::CsvFile::create(path)?;
    let losses = history.tasks.iter().map(|task| loss_column(task));
    let before = BEFORE.map(str::to_owned).into_iter();
    file.record(before.chain(losses).chain(BEHIND.map(str::to_owned)))?;
    for row in &history.rows {
        let Row { split, step, epoch, learning_rate, loss, losses, grad_norm, watched } = row;
        file.row(&((split, step, epoch, learning_rate, loss), losses, (grad_norm, watched)))?;
    }
    file.finish()
}

pub(super) fn read(path: &Path) -> Result<History, StageError> {
    let wrong = || StageError::new(format!("`{}` is no history of a training", path.display()));
    let (header, rows) = files::read_csv_with_header::<Vec<String>>(path)?;
    let behind = header.len().checked_sub(BEHIND.len()).ok_or_else(wrong)?;
    let names = header.get(BEFORE.len()..behind).ok_or_else(wrong)?;
    let tasks = names.iter().map(|name| Some(name.strip_suffix(LOSS)?.to_owned()));
    let tasks: Vec<String> = tasks.collect::<Option<_>>().ok_or_else(wrong)?;
    let rows: Option<Vec<Row>> = rows.iter().map(|cells| row(cells, tasks.len())).collect();
    Ok(History { tasks, rows: rows.ok_or_else(wrong)? })
}

fn row(cells: &[String], tasks: usize) -> Option<Row> {
    let optional = |cell: &String| match cell.as_str() {
        "" => Some(None),
        number => number.parse().ok().map(Some),
    };
    let [split, step, epoch, learning_rate, loss, others @ ..] = cells else { return None };
    let (losses, [grad_norm, watched]) = others.split_at_checked(tasks)? else { return None };
    Some(Row {
        split: match split.as_str() {
            "train" => RowSplit::Train,
            "validation" => RowSplit::Validation,
            _ => return None,
        },
        step: step.parse().ok()?,
        epoch: epoch.parse().ok()?,
        learning_rate: optional(learning_rate)?,
        loss: loss.parse().ok()?,
        losses: losses.iter().map(optional).collect::<Option<_>>()?,
        grad_norm: optional(grad_norm)?,
        watched: optional(watched)?,
    })
}

/// The columns over steps: the loss, those of single tasks where there are several, and what else was measured.
pub(super) fn plots(history: &History) -> Vec<Plot> {
    let plot = |title: &str, y: &str, value: &dyn Fn(&Row) -> Option<f64>| {
        let line = |split: RowSplit, name: &str, style| {
            let rows = history.rows.iter().filter(|row| row.split == split);
            let points = rows.filter_map(|row| Some([row.step as f64, value(row)?]));
            Line { name: name.to_owned(), style, points: points.collect() }
        };
        let train = line(RowSplit::Train, "training", LineStyle::Line);
        let validation = line(RowSplit::Validation, "validation", LineStyle::Dots);
        let lines = [train, validation].into_iter().filter(|line| !line.points.is_empty());
        let (x, y) = ("step".to_owned(), y.to_owned());
        Plot { title: title.to_owned(), x, y, is_of_shares: false, lines: lines.collect() }
    };
    let mut plots = vec![plot("Loss", "nats", &|row| Some(row.loss))];
    let parts = history.tasks.iter().enumerate().filter(|_| history.tasks.len() > 1);
    plots.extend(parts.map(|(task, name)| {
        plot(&format!("{} loss", tasks::title(name)), "nats", &|row| row.losses[task])
    }));
    plots.push(plot("Watched metric", "", &|row| row.watched));
    plots.push(plot("Learning rate", "", &|row| row.learning_rate));
    plots.push(plot("Gradient norm", "before clipping", &|row| row.grad_norm));
    plots.retain(|plot| !plot.lines.is_empty());
    plots
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(tasks: &[&str]) -> History {
        let row = Row {
            split: RowSplit::Train,
            step: 1,
            epoch: 1,
            learning_rate: Some(2e-5),
            loss: 1.5,
            losses: vec![None; tasks.len()],
            grad_norm: Some(f64::INFINITY),
            watched: None,
        };
        let later = Row {
            split: RowSplit::Validation,
            losses: vec![Some(0.25); tasks.len()],
            learning_rate: None,
            grad_norm: None,
            watched: Some(1.0),
            ..row.clone()
        };
        let tasks = tasks.iter().map(|task| (*task).to_owned()).collect();
        History { tasks, rows: vec![row, later] }
    }

    #[test]
    fn every_task_has_a_column_and_a_file_that_was_written_is_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("history.csv");
        write(path.clone(), &history(&["ner", "severity"])).expect("written");
        assert_eq!(
            std::fs::read_to_string(&path).expect("readable"),
            "split,step,epoch,learning_rate,loss,ner_loss,severity_loss,grad_norm,watched\n\
             train,1,1,0.00002,1.5,,,inf,\nvalidation,1,1,,1.5,0.25,0.25,,1.0\n"
        );
        for tasks in [&["ner", "severity"][..], &["anomaly"], &[]] {
            write(path.clone(), &history(tasks)).expect("written");
            assert_eq!(read(&path).expect("a history"), history(tasks));
        }
    }
}
