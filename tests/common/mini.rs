//! An experiment for tests: all stages, in a moment.

/// A whole experiment that takes less than half a second.
pub const MINI: &str = r#"version = 1
about = "small enough for a test"
seed = 7

[stage.corpus]
kind = "generate_corpus"
templates = "data/events.toml"
samples = 80

[stage.init_model]
corpus = "@corpus"
vocab_size = 300
hidden_size = 32
num_hidden_layers = 2
num_attention_heads = 2
intermediate_size = 48

[stage.tokenize]
model = "@init_model"
corpus = "@corpus"

[stage.train]
model = "@init_model"
data = "@tokenize"
epochs = 1
learning_rate = 1e-3

[stage.evaluate]
model = "@train"
data = "@tokenize"

[stage.plot]
history = "@train"
evaluation = "@evaluate"
"#;

/// What its corpus is made from: `data/events.toml` beside it.
pub const EVENTS: &str = r#"[templates]
normal = ["backup of {host} finished at {time}", "{host} was restarted at {time} as planned", "routine check of {host} at {time}"]
anomaly = ["attack on {host} since {time}", "{host} crashed at {time}", "unknown process on {host} at {time}"]

[entities.host]
label = "HOST"
values = ["db-07", "web-12", "cache-3", "mail-2"]

[entities.time]
label = "TIME"
values = ["02:15", "04:40", "07:05", "09:30", "11:55"]
"#;
