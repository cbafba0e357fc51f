#![no_main]

#[path = "../../tests/hostile/targets.rs"]
#[allow(dead_code)]
mod targets;

// The tokenizers library panics on files that contradict themselves, which our reader catches and makes an error: libFuzzer's own hook would
// abort before that. What no one catches still ends the run.
libfuzzer_sys::fuzz_target!(init: std::panic::set_hook(Box::new(|_| {})), |bytes: &[u8]| targets::tokenizer(bytes));
