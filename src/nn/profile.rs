//! Where the time of a step goes: laps of a clock between the parts of a pass.

use std::time::Instant;

/// What a training step consists of, besides the reading of its batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    Embedding,
    Norms,
    /// The four linear maps of a layer.
    Linear,
    LocalAttention,
    GlobalAttention,
    /// The gated activation of the MLP.
    Activation,
    /// Both classifiers and the losses.
    Heads,
    GradientNorm,
    Optimiser,
}

/// What a part is done for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pass {
    Forward,
    /// With layers that it computes again, if it does.
    Backward,
    Update,
}

impl Part {
    pub const ALL: [Self; 9] = [
        Self::Embedding,
        Self::Norms,
        Self::Linear,
        Self::LocalAttention,
        Self::GlobalAttention,
        Self::Activation,
        Self::Heads,
        Self::GradientNorm,
        Self::Optimiser,
    ];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Embedding => "embedding",
            Self::Norms => "norms",
            Self::Linear => "linear_layers",
            Self::LocalAttention => "local_attention",
            Self::GlobalAttention => "global_attention",
            Self::Activation => "activation",
            Self::Heads => "heads_and_losses",
            Self::GradientNorm => "gradient_norm",
            Self::Optimiser => "optimiser",
        }
    }
}

impl Pass {
    pub const ALL: [Self; 3] = [Self::Forward, Self::Backward, Self::Update];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Backward => "backward",
            Self::Update => "update",
        }
    }
}

/// Seconds by pass and part, added up over the steps since it was started. One that was never started reads no clock.
#[derive(Debug, Default)]
pub struct Profile {
    seconds: [[f64; Part::ALL.len()]; Pass::ALL.len()],
    /// The pass that runs, and when its latest part ended.
    running: Option<(Pass, Instant)>,
    started: bool,
}

impl Profile {
    /// Counts from zero from now on.
    pub(crate) fn start(&mut self) {
        *self = Self { started: true, ..Self::default() };
    }

    /// A pass begins.
    pub(crate) fn begin(&mut self, pass: Pass) {
        self.running = self.started.then(|| (pass, Instant::now()));
    }

    /// Since the latest lap, or the beginning of the pass, the time went into `part`.
    pub(crate) fn lap(&mut self, part: Part) {
        if let Some((pass, since)) = &mut self.running {
            let now = Instant::now();
            self.seconds[*pass as usize][part as usize] += (now - *since).as_secs_f64();
            *since = now;
        }
    }

    #[must_use]
    pub fn seconds(&self, pass: Pass, part: Part) -> f64 {
        self.seconds[pass as usize][part as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_up_to_a_lap_belongs_to_its_part_and_pass() {
        let mut profile = Profile::default();
        profile.start();
        profile.begin(Pass::Backward);
        std::thread::sleep(std::time::Duration::from_millis(2));
        profile.lap(Part::Norms);
        profile.lap(Part::Linear);
        assert!(profile.seconds(Pass::Backward, Part::Norms) >= 2e-3);
        assert!(
            profile.seconds(Pass::Backward, Part::Linear)
                < profile.seconds(Pass::Backward, Part::Norms)
        );
        assert_eq!(profile.seconds(Pass::Forward, Part::Norms), 0.0);
    }

    #[test]
    fn nothing_is_counted_before_it_is_started() {
        let mut profile = Profile::default();
        profile.begin(Pass::Forward);
        profile.lap(Part::Heads);
        assert_eq!(profile.seconds(Pass::Forward, Part::Heads), 0.0);
    }

    #[test]
    fn parts_and_passes_are_listed_in_the_order_of_their_numbers() {
        assert!(Part::ALL.iter().enumerate().all(|(place, part)| *part as usize == place));
        assert!(Pass::ALL.iter().enumerate().all(|(place, pass)| *pass as usize == place));
    }
}
