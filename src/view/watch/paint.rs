//! Lines and their colours.

use ratatui_core::buffer::Buffer;
use ratatui_core::layout::Rect;
use ratatui_core::style::{Color, Modifier, Style};
use ratatui_core::text::Line;
use ratatui_core::widgets::Widget as _;

use super::super::words::Tone;

/// Puts a line into a row of an area, where it has one.
pub(super) fn put(line: Line<'_>, area: Rect, row: usize, buffer: &mut Buffer) {
    if let Ok(row) = u16::try_from(row)
        && row < area.height
    {
        line.render(Rect { y: area.y + row, height: 1, ..area }, buffer);
    }
}

/// How a tone looks, on a terminal with colours and on one without.
pub(super) fn style(tone: Tone, color: bool) -> Style {
    match tone {
        Tone::Bad if !color => Style::new().add_modifier(Modifier::BOLD),
        _ if !color => Style::new(),
        Tone::Plain => Style::new(),
        Tone::Good => Style::new().fg(Color::Green),
        Tone::Quiet => Style::new().add_modifier(Modifier::DIM),
        Tone::Attention => Style::new().fg(Color::Yellow),
        Tone::Bad => Style::new().fg(Color::Red).add_modifier(Modifier::BOLD),
    }
}
