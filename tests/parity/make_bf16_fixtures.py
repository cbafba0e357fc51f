#!/usr/bin/env python3
"""Measure how far PyTorch's mixed precision takes the fixtures of `make_fixtures.py` from float64.

    venv/bin/python tests/parity/make_bf16_fixtures.py        # the environment of `make_fixtures.py`

Reads what that has written, runs the same batches under `torch.autocast("cpu", dtype=torch.bfloat16)`, and writes next to itself

    bf16.json    relative errors in Euclidean norms, autocast against float64: for each parity fixture of `hidden` and every `gradient.<parameter>`,
                 and for the twenty steps of `training/` the largest of the losses and the gradient's norm, and those of the final weights

The products of the encoder's linear layers and of attention are then in bf16, and so are those of the heads. `torch` is said as well.
"""
import json

import numpy as np
import torch
from safetensors.torch import load_file
from transformers import ModernBertConfig

from make_fixtures import HERE, Joint, losses, pad

torch.set_num_threads(1)


def load(name):
    folder = HERE / name
    tensors = load_file(folder / "model.safetensors")
    config = ModernBertConfig(**json.loads((folder / "config.json").read_text()))
    config._attn_implementation = "sdpa"
    model = Joint(config, len(tensors["ner_classifier.bias"]))
    with torch.no_grad():
        for key, parameter in model.named().items():
            parameter.copy_(tensors[key])
    return model, load_file(folder / "expected.safetensors")


def unpacked(tensors, prefix=""):
    ids, bounds, labels, anomaly = (tensors[prefix + name].numpy().astype(np.int64) for name in ("ids", "bounds", "labels", "anomaly"))
    parts = [slice(*pair) for pair in zip(bounds, bounds[1:])]
    return [ids[part] for part in parts], [labels[part] for part in parts], anomaly


def error(found, expected):
    found, expected = found.double(), expected.double()
    return float((found - expected).norm() / expected.norm())


def forward(model, batch):
    ids, mask, labels, anomaly = pad(batch)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        hidden, ner_logits, anomaly_logits = model(ids, mask)
    return hidden[mask.bool()], losses(ner_logits.float(), anomaly_logits.float(), labels, anomaly)


def parity(name):
    model, expected = load(name)
    hidden, (ner, classes) = forward(model, unpacked(load_file(HERE / name / "batch.safetensors")))
    (ner + classes).backward()
    errors = {"hidden": error(hidden, expected["hidden"])}
    errors |= {f"gradient.{key}": error(parameter.grad, expected[f"gradient.{key}"]) for key, parameter in model.named().items()}
    return errors


def training():
    model, expected = load("training")
    settings = json.loads((HERE / "training/settings.json").read_text())
    batches, steps = load_file(HERE / "training/batches.safetensors"), settings["steps"]
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings["learning_rate"], weight_decay=settings["weight_decay"])
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: max(0.0, (steps - step) / steps))
    worst = dict(ner=0.0, anomaly=0.0, norm=0.0)
    for step in range(steps):
        optimizer.zero_grad()
        _, (ner, classes) = forward(model, unpacked(batches, f"{step}."))
        (ner + classes).backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), settings["max_grad_norm"])
        row = expected["history"][step]
        for key, found, should in (("ner", ner, row[0]), ("anomaly", classes, row[1]), ("norm", norm, row[3])):
            worst[key] = max(worst[key], abs(found.item() / should.item() - 1))
        optimizer.step()
        schedule.step()
    weights = {key: error(parameter.detach(), expected[key]) for key, parameter in model.named().items()}
    return worst | {"weights": weights}


if __name__ == "__main__":
    found = dict(torch=torch.__version__, small=parity("small"), uneven=parity("uneven"), training=training())
    (HERE / "bf16.json").write_text(json.dumps(found, indent=1) + "\n")
