//! A table of coloured cells with labels at its sides and a colour bar: the common form of confusion matrices and of sweeps over two axes.

use plotters::style::RGBColor;
use plotters::style::text_anchor::{HPos, VPos};

use super::PlotError;
use super::canvas::{
    Canvas, Frame, GREY, INK, LABEL, PALE, PAPER, TICK, TITLE, Type, shorten, shorten_title,
    text_width, title_width,
};
use super::chart::MARGIN;
use super::ramp;

/// One cell.
pub(super) struct Cell {
    pub(super) color: RGBColor,
    /// Lines of text, drawn only where cells are large.
    pub(super) text: Vec<String>,
}

/// The scale of the colours.
pub(super) struct Bar<'a> {
    pub(super) ramp: &'a [[u8; 3]],
    pub(super) label: String,
    /// Positions from 0 to 1 with their labels, ascending.
    pub(super) ticks: Vec<(f64, String)>,
}

pub(super) struct Grid<'a> {
    pub(super) title: &'a str,
    pub(super) subtitle: String,
    /// What the columns and the rows are.
    pub(super) x_title: &'a str,
    pub(super) y_title: &'a str,
    /// From left to right.
    pub(super) columns: Vec<String>,
    /// From top to bottom.
    pub(super) rows: Vec<String>,
    /// Row by row.
    pub(super) cells: Vec<Cell>,
    pub(super) bar: Bar<'a>,
    /// Frames the cells from the top left to the bottom right corner.
    pub(super) diagonal: bool,
    /// Rows and columns before which a stronger line is drawn.
    pub(super) separators: Vec<usize>,
}

/// Cells up to this count along a side carry their numbers.
pub(super) const ANNOTATED: usize = 12;
/// Tables with more rows have labels on all four sides.
const LABELLED_TWICE: usize = 30;
/// Longest label, in pixels; more is cut.
const LONGEST: f64 = 330.0;
const LONGEST_TITLE: f64 = 1000.0;
const GAP: f64 = 9.0;
const BAR: f64 = 26.0;
const SEPARATOR: RGBColor = RGBColor(130, 130, 130);

/// Side of a cell and size of its labels.
fn sizes(count: usize) -> (f64, f64) {
    match count {
        0..=2 => (210.0, TICK),
        3..=5 => (128.0, TICK),
        6..=ANNOTATED => (92.0, TICK),
        13..=30 => (44.0, TICK),
        31..=60 => (26.0, 19.0),
        61..=120 => (18.0, 15.0),
        _ => (15.0, 13.0),
    }
}

/// Where everything lies.
struct Layout {
    frame: Frame,
    cell: f64,
    /// Size of the labels' type.
    type_size: f64,
    /// Labels below the columns stand upright.
    upright: bool,
    twice: bool,
    /// Room that the labels of the rows and of the columns take.
    row_room: f64,
    column_room: f64,
    size: (f64, f64),
}

impl Grid<'_> {
    fn layout(&self) -> Layout {
        let (cell, type_size) = sizes(self.columns.len().max(self.rows.len()));
        let widest = |labels: &[String]| {
            labels.iter().map(|label| text_width(label, type_size)).fold(0.0, f64::max).min(LONGEST)
        };
        let upright = widest(&self.columns) > cell - 12.0;
        let row_room = widest(&self.rows);
        let column_room = if upright { widest(&self.columns) } else { type_size };
        let twice = self.rows.len() > LABELLED_TWICE;
        let left = (MARGIN + LABEL + 14.0 + row_room + GAP).round();
        let heading =
            MARGIN + TITLE + 12.0 + if self.subtitle.is_empty() { 0.0 } else { TICK + 10.0 };
        let top = (heading + 6.0 + if twice { column_room + GAP } else { 0.0 }).round();
        let (right, bottom) =
            (left + cell * self.columns.len() as f64, top + cell * self.rows.len() as f64);
        let ticks =
            self.bar.ticks.iter().map(|(_, label)| text_width(label, TICK)).fold(0.0, f64::max);
        let bar_right = right
            + if twice { row_room + GAP } else { 0.0 }
            + 34.0
            + BAR
            + 16.0
            + ticks
            + 14.0
            + LABEL
            + MARGIN;
        let title = left
            + title_width(self.title).min(LONGEST_TITLE).max(text_width(&self.subtitle, TICK))
            + MARGIN;
        let height = bottom + GAP + column_room + 16.0 + LABEL + MARGIN;
        let frame = Frame { left, top, right, bottom };
        Layout {
            frame,
            cell,
            type_size,
            upright,
            twice,
            row_room,
            column_room,
            size: (bar_right.max(title), height),
        }
    }

    pub(super) fn draw(&self, path: &std::path::Path) -> Result<(), PlotError> {
        let layout = self.layout();
        let canvas = Canvas::new(path, layout.size.0, layout.size.1);
        let left = layout.frame.left;
        let title = shorten_title(self.title, LONGEST_TITLE.max(layout.size.0 - left - MARGIN));
        canvas.text(&title, (left, MARGIN), Type::new(TITLE).bold().at(HPos::Left, VPos::Top));
        canvas.text(
            &self.subtitle,
            (left, MARGIN + TITLE + 8.0),
            Type::new(TICK).color(GREY).at(HPos::Left, VPos::Top),
        );
        self.draw_cells(&canvas, &layout);
        self.draw_lines(&canvas, &layout);
        self.draw_labels(&canvas, &layout);
        self.draw_bar(&canvas, &layout);
        canvas.finish()
    }

    fn cell_frame(layout: &Layout, row: usize, column: usize) -> Frame {
        let (left, top) = (
            layout.frame.left + column as f64 * layout.cell,
            layout.frame.top + row as f64 * layout.cell,
        );
        Frame { left, top, right: left + layout.cell, bottom: top + layout.cell }
    }

    fn draw_cells(&self, canvas: &Canvas, layout: &Layout) {
        for (index, cell) in self.cells.iter().enumerate() {
            let frame =
                Self::cell_frame(layout, index / self.columns.len(), index % self.columns.len());
            if cell.color != PAPER {
                canvas.rectangle(frame, cell.color);
            }
        }
    }

    fn draw_text(&self, canvas: &Canvas, layout: &Layout) {
        for (index, cell) in self.cells.iter().enumerate() {
            let frame =
                Self::cell_frame(layout, index / self.columns.len(), index % self.columns.len());
            let color = if ramp::is_dark(cell.color) { PAPER } else { INK };
            let (x, middle) = frame.center();
            let sizes: Vec<_> = (0..cell.text.len())
                .map(|line| (layout.cell * if line == 0 { 0.2 } else { 0.16 }).min(30.0))
                .collect();
            let height: f64 = sizes.iter().sum::<f64>() * 0.714
                + 0.1 * layout.cell * sizes.len().saturating_sub(1) as f64;
            let mut y = middle - height / 2.0;
            for (text, size) in cell.text.iter().zip(sizes) {
                let fitting = size * ((layout.cell - 14.0) / text_width(text, size)).min(1.0);
                canvas.text(
                    text,
                    (x, y + size * 0.714 / 2.0),
                    Type::new(fitting).color(color).at(HPos::Center, VPos::Center),
                );
                y += size * 0.714 + 0.1 * layout.cell;
            }
        }
    }

    fn draw_lines(&self, canvas: &Canvas, layout: &Layout) {
        let Frame { left, top, right, bottom } = layout.frame;
        if layout.cell < 90.0 {
            // Hairlines lead the eye from a label to its cell; each fifth is a little stronger.
            let shade =
                |index: usize| if index.is_multiple_of(5) { RGBColor(205, 205, 205) } else { PALE };
            for row in 1..self.rows.len() {
                canvas.horizontal(left, right, top + row as f64 * layout.cell, shade(row), 1.0);
            }
            for column in 1..self.columns.len() {
                canvas.vertical(
                    left + column as f64 * layout.cell,
                    top,
                    bottom,
                    shade(column),
                    1.0,
                );
            }
        } else {
            for row in 1..self.rows.len() {
                canvas.horizontal(left, right, top + row as f64 * layout.cell, PAPER, 3.0);
            }
            for column in 1..self.columns.len() {
                canvas.vertical(left + column as f64 * layout.cell, top, bottom, PAPER, 3.0);
            }
        }
        if self.diagonal && self.rows.len() > ANNOTATED {
            for index in 0..self.rows.len().min(self.columns.len()) {
                let Frame { left, top, right, bottom } = Self::cell_frame(layout, index, index);
                canvas.outline(
                    Frame {
                        left: left + 0.5,
                        top: top + 0.5,
                        right: right + 0.5,
                        bottom: bottom + 0.5,
                    },
                    SEPARATOR,
                    1.0,
                );
            }
        }
        for &index in &self.separators {
            canvas.horizontal(left, right, top + index as f64 * layout.cell, SEPARATOR, 2.0);
            canvas.vertical(left + index as f64 * layout.cell, top, bottom, SEPARATOR, 2.0);
        }
        canvas.outline(layout.frame, INK, 2.0);
        self.draw_text(canvas, layout);
    }

    fn draw_labels(&self, canvas: &Canvas, layout: &Layout) {
        let Frame { left, top, right, bottom } = layout.frame;
        let style = Type::new(layout.type_size);
        for (index, label) in self.rows.iter().enumerate() {
            let (label, y) = (
                shorten(label, layout.type_size, LONGEST),
                top + (index as f64 + 0.5) * layout.cell,
            );
            canvas.text(&label, (left - GAP, y), style.at(HPos::Right, VPos::Center));
            if layout.twice {
                canvas.text(&label, (right + GAP, y), style.at(HPos::Left, VPos::Center));
            }
        }
        for (index, label) in self.columns.iter().enumerate() {
            let (label, x) = (
                shorten(label, layout.type_size, LONGEST),
                left + (index as f64 + 0.5) * layout.cell,
            );
            match layout.upright {
                true => canvas.text(
                    &label,
                    (x, bottom + GAP),
                    style.at(HPos::Right, VPos::Center).upwards(),
                ),
                false => canvas.text(&label, (x, bottom + GAP), style.at(HPos::Center, VPos::Top)),
            }
            if layout.twice {
                match layout.upright {
                    true => canvas.text(
                        &label,
                        (x, top - GAP),
                        style.at(HPos::Left, VPos::Center).upwards(),
                    ),
                    false => {
                        canvas.text(&label, (x, top - GAP), style.at(HPos::Center, VPos::Bottom))
                    }
                }
            }
        }
        let (x, y) = layout.frame.center();
        let x_title =
            shorten(self.x_title, LABEL, 2.0 * (x - MARGIN).min(layout.size.0 - MARGIN - x));
        let y_title =
            shorten(self.y_title, LABEL, 2.0 * (y - MARGIN).min(layout.size.1 - MARGIN - y));
        canvas.text(
            &x_title,
            (x, bottom + GAP + layout.column_room + 16.0),
            Type::new(LABEL).at(HPos::Center, VPos::Top),
        );
        canvas.text(
            &y_title,
            (left - GAP - layout.row_room - 14.0, y),
            Type::new(LABEL).at(HPos::Center, VPos::Bottom).upwards(),
        );
    }

    fn draw_bar(&self, canvas: &Canvas, layout: &Layout) {
        let left =
            layout.frame.right + if layout.twice { layout.row_room + GAP } else { 0.0 } + 34.0;
        let height = layout.frame.height().min(720.0);
        let top = layout.frame.top;
        let frame = Frame { left, top, right: left + BAR, bottom: top + height };
        let steps = height as usize;
        for step in 0..steps {
            let position = 1.0 - (step as f64 + 0.5) / steps as f64;
            let y = top + height * step as f64 / steps as f64;
            canvas.rectangle(
                Frame { top: y, bottom: y + height / steps as f64, ..frame },
                ramp::color(self.bar.ramp, position),
            );
        }
        canvas.outline(frame, INK, 1.5);
        let mut widest: f64 = 0.0;
        for (position, label) in &self.bar.ticks {
            let y = frame.bottom - position * height;
            canvas.horizontal(frame.right, frame.right + 7.0, y, INK, 2.0);
            canvas.text(
                label,
                (frame.right + 14.0, y),
                Type::new(TICK).at(HPos::Left, VPos::Center),
            );
            widest = widest.max(text_width(label, TICK));
        }
        let style = Type::new(LABEL).at(HPos::Center, VPos::Top).upwards();
        let middle = frame.center().1;
        let label = shorten(
            &self.bar.label,
            LABEL,
            2.0 * (middle - MARGIN).min(layout.size.1 - MARGIN - middle),
        );
        canvas.text(&label, (frame.right + 14.0 + widest + 14.0, middle), style);
    }
}
