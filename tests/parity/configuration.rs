//! Both spellings of `config.json`, and what is refused.

use pipeline::nn::configs::{Attention, ModernBertConfig};
use pipeline::nn::{ConfigError, Dropout, EncoderSpec, Positions};

use crate::fixture::{NAMES, config, folder, spec};

fn refused(change: &str) -> String {
    let mut fields: serde_json::Map<_, _> =
        serde_json::from_str(&ModernBertConfig::base().spec().unwrap().to_json()).unwrap();
    fields.extend(serde_json::from_str::<serde_json::Map<_, _>>(change).unwrap());
    EncoderSpec::from_json(&serde_json::to_string(&fields).unwrap()).unwrap_err().to_string()
}

#[test]
fn both_spellings_say_the_same() {
    for name in NAMES {
        let published =
            std::fs::read_to_string(folder(name).join("config.published.json")).unwrap();
        assert_eq!(ModernBertConfig::from_json(&published).unwrap(), config(name));
    }
}

#[test]
fn the_layers_see_what_the_file_says() {
    let layers = config("small").layer_types;
    assert_eq!(layers, [Attention::Full, Attention::Sliding, Attention::Sliding, Attention::Full]);
    let uneven = spec("uneven").layers;
    assert_eq!([uneven[1].window, uneven[3].window], [Some(3), None]);
    let (global, local) = (config("uneven").global_rope_theta, config("uneven").local_rope_theta);
    assert_eq!(uneven[1].positions, Positions::Rotary { theta: local });
    assert_eq!(uneven[3].positions, Positions::Rotary { theta: global });
    assert!(!uneven[0].attention_norm && uneven[1..].iter().all(|layer| layer.attention_norm));
}

#[test]
fn what_is_written_reads_the_same() {
    let mut irregular = config("small");
    irregular.layer_types.swap(0, 1);
    for config in [ModernBertConfig::base(), ModernBertConfig::large(), config("small"), irregular]
    {
        assert_eq!(ModernBertConfig::from_json(&config.spec().unwrap().to_json()).unwrap(), config);
    }
}

#[test]
fn an_empty_file_has_the_sizes_of_the_base_model() {
    let base = ModernBertConfig::base();
    let read = ModernBertConfig::from_json("{}").unwrap();
    let ids = (
        base.pad_token_id,
        base.bos_token_id,
        base.eos_token_id,
        base.cls_token_id,
        base.sep_token_id,
    );
    let (pad_token_id, bos_token_id, eos_token_id, cls_token_id, sep_token_id) = ids;
    assert_eq!(
        ModernBertConfig {
            pad_token_id,
            bos_token_id,
            eos_token_id,
            cls_token_id,
            sep_token_id,
            ..read
        },
        base
    );
}

#[test]
fn dropout_is_read_for_every_place_and_written_again() {
    let text = r#"{"attention_dropout": 0.1, "embedding_dropout": 0.2, "mlp_dropout": 0.3, "classifier_dropout": 0.4}"#;
    let spec = EncoderSpec::from_json(text).unwrap();
    let expected = Dropout {
        embeddings: 0.2,
        attention: 0.1,
        attention_output: 0.1,
        mlp: 0.3,
        mlp_output: 0.0,
        distances: 0.0,
        heads: 0.4,
    };
    assert_eq!(spec.dropout, expected);
    assert_eq!(EncoderSpec::from_json(&spec.to_json()).unwrap(), spec);
    for name in ["attention_dropout", "embedding_dropout", "mlp_dropout", "classifier_dropout"] {
        let message = refused(&format!(r#"{{"{name}": 1.0}}"#));
        let reason = "is 1, expected 0 or more and less than 1";
        assert_eq!(message, format!("unsupported configuration: `{name}` {reason}"));
    }
}

#[test]
fn every_reason_is_given_at_once() {
    let message =
        refused(r#"{"hidden_activation": "relu", "norm_bias": true, "num_attention_heads": 7}"#);
    for part in [
        "`hidden_activation` is `relu`",
        "`norm_bias` is true",
        "`hidden_size` 768 is not a multiple of `num_attention_heads` 7",
    ] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn other_models_and_other_arithmetic_are_refused() {
    for (change, part) in [
        (
            r#"{"model_type": "gpt2"}"#,
            "`model_type` is `gpt2`, expected `modernbert`, `bert`, `roberta`, `xlm-roberta`, `camembert`, `distilbert`, `electra` or `deberta-v2`",
        ),
        (r#"{"attention_bias": true}"#, "`attention_bias` is true"),
        (r#"{"mlp_bias": true}"#, "`mlp_bias` is true"),
        (r#"{"rope_scaling": {"type": "linear"}}"#, "`rope_scaling` is set"),
        (
            r#"{"rope_parameters": {"full_attention": {"rope_type": "yarn"}}}"#,
            "`rope_parameters.full_attention.rope_type` is `yarn`",
        ),
        (r#"{"num_attention_heads": 256}"#, "is odd; rotary embeddings turn pairs"),
        (r#"{"vocab_size": 0}"#, "`vocab_size` is 0, expected 1 to"),
        (r#"{"vocab_size": 100}"#, "`pad_token_id` is 50283, but `vocab_size` is 100"),
        (
            r#"{"num_hidden_layers": 99999999999}"#,
            "`num_hidden_layers` is 99999999999, expected 1 to 1024",
        ),
        (r#"{"global_attn_every_n_layers": 0}"#, "`global_attn_every_n_layers` is 0"),
        (
            r#"{"layer_types": ["full_attention"]}"#,
            "`layer_types` names 1 layers, but `num_hidden_layers` is 22",
        ),
        (r#"{"norm_eps": 0}"#, "`norm_eps` is 0, expected a number above 0"),
    ] {
        let message = refused(change);
        assert!(message.contains(part), "{change}: {message}");
    }
}

#[test]
fn a_file_that_is_not_json_is_an_error_with_its_place() {
    let error = EncoderSpec::from_json("{\"vocab_size\": -1}").unwrap_err();
    assert!(matches!(&error, ConfigError::Json { line: 1, .. }), "{error}");
}

#[test]
fn published_sizes_are_known_by_repository_and_by_short_name() {
    for (short, repo, config) in [
        ("base", "answerdotai/ModernBERT-base", ModernBertConfig::base()),
        ("large", "answerdotai/ModernBERT-large", ModernBertConfig::large()),
    ] {
        let spec = config.spec().unwrap();
        assert_eq!([short, repo].map(EncoderSpec::published), [Some(spec.clone()), Some(spec)]);
    }
    assert_eq!(EncoderSpec::published("somebody/something"), None);
}

#[test]
fn another_number_of_tokens_is_written_too() {
    let spec = spec("small").with_vocab_size(4_321);
    assert_eq!(EncoderSpec::from_json(&spec.to_json()).unwrap(), spec);
    assert_eq!(spec.vocab_size, 4_321);
}
