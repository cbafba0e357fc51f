#!/usr/bin/env python3
"""Check that a model which we save loads in transformers and gives the same hidden states.

    venv/bin/python tests/parity/load_saved.py

Runs the ignored test that saves a random model with its configuration and what it computes, loads the folder as a `ModernBertModel` and
compares. Exits with 1 when the hidden states differ by more than rounding, or when a tensor is missing.
"""
import os, pathlib, subprocess, sys, tempfile

import torch
from safetensors.torch import load_file
from transformers import ModernBertModel

with tempfile.TemporaryDirectory() as folder:
    command = ["cargo", "test", "--test", "parity", "a_model_for_transformers", "--", "--ignored"]
    subprocess.run(command, check=True, env=dict(os.environ, SAVED_MODEL=folder))
    model, report = ModernBertModel.from_pretrained(folder, output_loading_info=True)
    expected = load_file(pathlib.Path(folder) / "computed.safetensors")
    heads = {"ner_classifier.weight", "ner_classifier.bias", "anomaly_classifier.weight", "anomaly_classifier.bias"}
    bounds = expected["bounds"].tolist()
    with torch.no_grad():
        sequences = [expected["ids"][start:end].long() for start, end in zip(bounds, bounds[1:])]
        hidden = torch.cat([model(input_ids=ids[None]).last_hidden_state[0] for ids in sequences])
error = ((hidden - expected["hidden"]).norm() / hidden.norm()).item()
print(f"missing {sorted(report['missing_keys'])}, not used {sorted(report['unexpected_keys'])}, hidden states differ by {error:.1e}")
sys.exit(bool(report["missing_keys"]) or set(report["unexpected_keys"]) != heads or error > 2e-6)
