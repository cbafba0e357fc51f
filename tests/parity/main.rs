//! Our encoders against transformers': configurations, checkpoints, hidden states, losses and the gradient of every parameter, on tiny
//! models where windows matter. `make_fixtures.py` made the fixtures and says what is in them.

mod bf16;
mod checkpoints;
mod configuration;
mod distances;
mod families;
mod fixture;
mod gathered;
mod lora;
mod masked;
mod numerics;
mod predictions;
mod threads;
