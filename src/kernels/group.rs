//! What the optimiser does to one parameter and not to another.

/// How the optimiser treats a parameter. By default as the recipe says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Group {
    /// Else it stays as it is, and its gradient counts nowhere.
    pub trainable: bool,
    /// Whether it decays with the recipe's weight decay.
    pub decays: bool,
    /// The recipe's learning rate times this.
    pub rate: f64,
}

impl Default for Group {
    fn default() -> Self {
        Self { trainable: true, decays: true, rate: 1.0 }
    }
}
