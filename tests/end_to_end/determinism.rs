//! The same file gives the same bytes, whatever the number of threads and of stages at the same time.

use super::support::Project;

/// What must be equal: everything but clocks.
const FILES: [&str; 5] =
    ["model/model.safetensors", "history.csv", "metrics.json", "predictions.csv", "loss.png"];

fn results(arguments: &[&str]) -> Vec<Vec<u8>> {
    let project = Project::new();
    project.run(&[&["run", "experiments/quick.toml"], arguments].concat());
    FILES.map(|file| project.read(&format!("outputs/quick/{file}"))).into()
}

#[test]
fn threads_and_jobs_change_no_byte_of_a_result() {
    let reference = results(&["--threads", "1", "-j", "1"]);
    for arguments in [["--threads", "2", "-j", "4"], ["--threads", "3", "-j", "1"]] {
        for (file, (ours, theirs)) in FILES.iter().zip(reference.iter().zip(results(&arguments))) {
            assert!(*ours == theirs, "{file} differs with {arguments:?}");
        }
    }
}

#[test]
fn bf16_trains_another_model_and_the_same_one_on_any_number_of_threads() {
    const BF16: [&str; 2] = ["--set", "stage.train.dtype=bf16"];
    let with = |arguments: [&'static str; 2]| results(&[&BF16[..], &arguments].concat());
    let one = with(["--threads", "1"]);
    assert!(one == with(["--threads", "3"]));
    assert!(one[0] != results(&[])[0]);
}

#[test]
fn activation_checkpointing_changes_no_byte_of_a_result() {
    let (without, with) =
        (results(&[]), results(&["--set", "stage.train.activation_checkpointing=true"]));
    for (file, (ours, theirs)) in FILES.iter().zip(without.iter().zip(&with)) {
        assert!(ours == theirs, "{file} differs");
    }
}

#[test]
fn another_seed_gives_other_weights() {
    assert!(results(&[])[0] != results(&["--set", "stage.train.seed=7"])[0]);
}

#[test]
fn the_trained_model_saves_its_parameters_as_transformers_names_them() {
    let project = Project::new();
    project.run(&["run", "experiments/quick.toml", "train"]);
    let bytes = project.read("outputs/quick/model/model.safetensors");
    let tensors = safetensors::SafeTensors::deserialize(&bytes).expect("a safetensors file");
    let mut names: Vec<_> = tensors.names();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "anomaly_classifier.bias",
            "anomaly_classifier.weight",
            "embeddings.norm.weight",
            "embeddings.tok_embeddings.weight",
            "final_norm.weight",
            "layers.0.attn.Wo.weight",
            "layers.0.attn.Wqkv.weight",
            "layers.0.mlp.Wi.weight",
            "layers.0.mlp.Wo.weight",
            "layers.0.mlp_norm.weight",
            "layers.1.attn.Wo.weight",
            "layers.1.attn.Wqkv.weight",
            "layers.1.attn_norm.weight",
            "layers.1.mlp.Wi.weight",
            "layers.1.mlp.Wo.weight",
            "layers.1.mlp_norm.weight",
            "ner_classifier.bias",
            "ner_classifier.weight",
        ]
    );
}
