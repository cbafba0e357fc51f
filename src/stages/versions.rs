//! Versions of the code on which results depend. A version is raised by hand when results may differ: a reworded comment retrains nothing,
//! and a changed formula never serves stale results. `tests/code_lock.rs` knows which files stand behind each, and asks.

use crate::engine::stage::CodeVersion;

pub const ALIGNMENT: CodeVersion = CodeVersion { part: "alignment", version: 3 };
pub const AUGMENT: CodeVersion = CodeVersion { part: "augment", version: 1 };
pub const BASELINE: CodeVersion = CodeVersion { part: "baseline", version: 2 };
pub const CAVEATS: CodeVersion = CodeVersion { part: "caveats", version: 1 };
pub const COMMAND: CodeVersion = CodeVersion { part: "command", version: 1 };
pub const EVALUATION: CodeVersion = CodeVersion { part: "evaluation", version: 6 };
pub const INITIAL_WEIGHTS: CodeVersion = CodeVersion { part: "initial_weights", version: 1 };
pub const JSONL: CodeVersion = CodeVersion { part: "jsonl", version: 8 };
pub const METRICS: CodeVersion = CodeVersion { part: "metrics", version: 4 };
pub const MODEL: CodeVersion = CodeVersion { part: "model", version: 1 };
pub const PLOTS: CodeVersion = CodeVersion { part: "plots", version: 4 };
pub const PRETRAINING: CodeVersion = CodeVersion { part: "pretraining", version: 1 };
pub const SPLIT: CodeVersion = CodeVersion { part: "split", version: 4 };
pub const TEMPLATES: CodeVersion = CodeVersion { part: "templates", version: 1 };
pub const TOKENIZER_TRAINING: CodeVersion = CodeVersion { part: "tokenizer_training", version: 2 };
pub const TRAINING: CodeVersion = CodeVersion { part: "training", version: 6 };

/// Every version, for the test that watches them.
pub const ALL: &[CodeVersion] = &[
    ALIGNMENT,
    AUGMENT,
    BASELINE,
    CAVEATS,
    COMMAND,
    EVALUATION,
    INITIAL_WEIGHTS,
    JSONL,
    METRICS,
    MODEL,
    PLOTS,
    PRETRAINING,
    SPLIT,
    TEMPLATES,
    TOKENIZER_TRAINING,
    TRAINING,
];
