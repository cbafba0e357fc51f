//! A line that says what is being done.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A line on standard error, where that is a terminal, that says what is being done. It goes when this is dropped.
pub struct Status(ProgressBar);

impl Status {
    pub fn begin() -> Self {
        let style = ProgressStyle::with_template("{msg}").expect("the template is well-formed");
        Self(ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_style(style))
    }

    pub fn say(&self, text: &str) {
        self.0.set_message(crate::base::visible::line(text).into_owned());
    }
}

impl Drop for Status {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
