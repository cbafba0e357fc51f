//! Sequential colours, dark where there is much: perceptually even and safe for every kind of colour vision.

use plotters::style::RGBColor;

/// White to navy: shares.
pub(super) const BLUES: &[[u8; 3]] = &[
    [255, 255, 255],
    [222, 235, 247],
    [198, 219, 239],
    [158, 202, 225],
    [107, 174, 214],
    [66, 146, 198],
    [33, 113, 181],
    [8, 81, 156],
    [8, 48, 107],
];

/// Viridis: metrics, which have no natural zero.
pub(super) const VIRIDIS: &[[u8; 3]] = &[
    [68, 1, 84],
    [71, 44, 122],
    [59, 81, 139],
    [44, 113, 142],
    [33, 144, 141],
    [39, 173, 129],
    [92, 200, 99],
    [170, 220, 50],
    [253, 231, 37],
];

/// The colour at `position`, 0 to 1.
pub(super) fn color(ramp: &[[u8; 3]], position: f64) -> RGBColor {
    let place = position.clamp(0.0, 1.0) * (ramp.len() - 1) as f64;
    let lower = (place as usize).min(ramp.len() - 2);
    let share = place - lower as f64;
    let mix = |channel: usize| {
        let (a, b) = (f64::from(ramp[lower][channel]), f64::from(ramp[lower + 1][channel]));
        (a + (b - a) * share).round() as u8
    };
    RGBColor(mix(0), mix(1), mix(2))
}

/// Whether white text reads better on `color` than dark text.
pub(super) fn is_dark(color: RGBColor) -> bool {
    let RGBColor(red, green, blue) = color;
    0.299 * f64::from(red) + 0.587 * f64::from(green) + 0.114 * f64::from(blue) < 140.0
}
