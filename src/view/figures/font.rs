//! The compiled-in typeface: Noto Sans (SIL Open Font License 1.1), so that a picture is the same on every machine.
//!
//! Glyphs are placed with their side bearings and kerning at fractional positions. plotters' own `ab_glyph` text drops both, which shows as
//! uneven letter spacing at the sizes of tick labels.

use std::sync::LazyLock;

use ab_glyph::OutlineCurve::{Cubic, Line, Quad};
use ab_glyph::{Font, FontRef, GlyphId, Point, PxScale, PxScaleFont, ScaleFont};
use tiny_skia::{Path, PathBuilder};

static REGULAR: LazyLock<FontRef<'static>> = LazyLock::new(|| {
    FontRef::try_from_slice(notosans::REGULAR_TTF)
        .expect("the compiled-in regular font is well formed")
});
static BOLD: LazyLock<FontRef<'static>> = LazyLock::new(|| {
    FontRef::try_from_slice(notosans::BOLD_TTF).expect("the compiled-in bold font is well formed")
});

/// Height of a capital letter over the size of the em: what text is centred by.
pub(super) const CAP_HEIGHT: f32 = 0.714;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weight {
    Regular,
    Bold,
}

/// The font at a size of the em, as everywhere in typography. `PxScale` counts from the lowest descender to the highest ascender.
fn face(weight: Weight, size: f32) -> PxScaleFont<&'static FontRef<'static>> {
    let font: &'static FontRef<'static> = match weight {
        Weight::Regular => &REGULAR,
        Weight::Bold => &BOLD,
    };
    let em = font.units_per_em().expect("the compiled-in fonts have an em");
    font.into_scaled(PxScale::from(size * font.height_unscaled() / em))
}

/// Size of a raised digit and its height above the baseline, in ems.
const RAISED_SIZE: f32 = 0.66;
const RAISE: f32 = 0.38;

/// The ordinary form of a superscript. The font has raised digits, but no raised minus sign, so that all are made from ordinary ones.
fn lowered(character: char) -> Option<char> {
    Some(match character {
        '⁻' => '−',
        '⁰' => '0',
        '¹' => '1',
        '²' => '2',
        '³' => '3',
        '⁴'..='⁹' => char::from(b'4' + (character as u32 - '⁴' as u32) as u8),
        _ => return None,
    })
}

/// Calls `place` with each glyph and where its origin lies from the start of the line; returns the width of the line.
fn lay_out(
    text: &str,
    size: f32,
    weight: Weight,
    mut place: impl FnMut(&PxScaleFont<&'static FontRef<'static>>, GlyphId, f32, f32),
) -> f32 {
    let (normal, raised) = (face(weight, size), face(weight, size * RAISED_SIZE));
    let (mut pen, mut previous) = (0.0, None);
    for character in text.chars() {
        let (face, character, height) = match lowered(character) {
            Some(character) => (&raised, character, size * RAISE),
            None => (&normal, character, 0.0),
        };
        // A line break or a tab in a label would have no glyph of its own.
        let glyph = face.glyph_id(if character.is_control() { ' ' } else { character });
        if let Some((before, at)) = previous
            && at == height
        {
            pen += face.kern(before, glyph);
        }
        place(face, glyph, pen, height);
        pen += face.h_advance(glyph);
        previous = Some((glyph, height));
    }
    pen
}

/// The width of one line of text, in pixels.
pub(super) fn width(text: &str, size: f32, weight: Weight) -> f32 {
    lay_out(text, size, weight, |_, _, _, _| ())
}

/// The outlines of a line of text whose baseline begins at the origin, in pixels and downwards. `None` where nothing is to be seen.
pub(super) fn outline(text: &str, size: f32, weight: Weight) -> Option<Path> {
    let mut path = PathBuilder::new();
    lay_out(text, size, weight, |face, id, pen, height| {
        let scale = face.v_scale_factor();
        let at = |to: Point| (pen + to.x * scale, -height - to.y * scale);
        let mut end = None;
        for curve in face.font.outline(id).into_iter().flat_map(|outline| outline.curves) {
            let (Line(start, _) | Quad(start, ..) | Cubic(start, ..)) = curve;
            if end != Some(start) {
                let (x, y) = at(start);
                path.move_to(x, y);
            }
            match curve {
                Line(_, to) => {
                    let (x, y) = at(to);
                    path.line_to(x, y);
                    end = Some(to);
                }
                Quad(_, by, to) => {
                    let ((x1, y1), (x, y)) = (at(by), at(to));
                    path.quad_to(x1, y1, x, y);
                    end = Some(to);
                }
                Cubic(_, by, near, to) => {
                    let ((x1, y1), (x2, y2), (x, y)) = (at(by), at(near), at(to));
                    path.cubic_to(x1, y1, x2, y2, x, y);
                    end = Some(to);
                }
            }
        }
    });
    path.finish()
}

/// `text`, or as much of its beginning as fits into `limit` pixels with an ellipsis.
pub(super) fn shorten(text: &str, size: f32, weight: Weight, limit: f32) -> String {
    if width(text, size, weight) <= limit {
        return text.to_owned();
    }
    let room = limit - width("…", size, weight);
    let mut kept = String::new();
    for character in text.chars() {
        kept.push(character);
        if width(&kept, size, weight) > room {
            kept.pop();
            break;
        }
    }
    kept.push('…');
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_that_the_figures_write_themselves_has_a_glyph() {
        let face = face(Weight::Regular, 20.0);
        let missing: String = "⁰¹²³⁴⁵⁶⁷⁸⁹⁻−×±–…%<>,."
            .chars()
            .map(|c| lowered(c).unwrap_or(c))
            .filter(|&c| face.glyph_id(c).0 == 0)
            .collect();
        assert_eq!(missing, "");
    }

    #[test]
    fn a_shortened_text_fits() {
        let short = shorten(&"B-VERY_LONG_LABEL".repeat(20), 20.0, Weight::Regular, 200.0);
        assert!(short.ends_with('…') && width(&short, 20.0, Weight::Regular) <= 200.0, "{short}");
    }
}
