#!/usr/bin/env python3
"""Make the fixtures of the parity tests from transformers' ModernBertModel.

    python -m venv venv && venv/bin/pip install torch transformers numpy safetensors
    venv/bin/python tests/parity/make_fixtures.py

Writes next to itself, for each tiny configuration, `<name>/` with

    config.json                 as transformers 5 spells it
    config.published.json       as the published checkpoints spell it
    model.safetensors           the encoder as `ModernBertModel.save_pretrained` writes it, and the two heads beside it
    batch.safetensors           ids, bounds, labels (4294967295 where ignored), anomaly: packed, as our models take them
    expected.safetensors        what float64 says: `hidden` (tokens, hidden), `ner_logits`, `anomaly_logits`, `losses` (ner, anomaly,
                                total, and the anomaly loss with class weights), and `gradient.<parameter>` of the total
    float32.safetensors         the same hidden states and gradients by torch in float32: how far rounding alone takes them

and, for the training test, `training/` with batches, the loss of each of 20 AdamW steps and the final weights.

Everything is computed on padded batches with a mask; padding is dropped before it is written. In float32 attention is `eager`; in float64
it is `sdpa`, because `eager` rounds its softmax to float32 and there turns the smallest float64, its mask, into an infinity.
"""
import json, pathlib

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from transformers import ModernBertConfig, ModernBertModel

HERE = pathlib.Path(__file__).parent
IGNORE = 2**32 - 1
CLASS_WEIGHTS = (0.5, 2.0)


class Joint(torch.nn.Module):
    def __init__(self, config, labels):
        super().__init__()
        self.encoder = ModernBertModel(config)
        self.ner_classifier = torch.nn.Linear(config.hidden_size, labels)
        self.anomaly_classifier = torch.nn.Linear(config.hidden_size, 2)

    def forward(self, ids, mask):
        hidden = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        return hidden, self.ner_classifier(hidden), self.anomaly_classifier(hidden[:, 0])

    def named(self):
        """Parameters by the names of our checkpoints."""
        return {name.removeprefix("encoder."): parameter for name, parameter in self.named_parameters()}


def published(config):
    """The spelling of the published checkpoints."""
    old = json.loads(config.to_json_string())
    ropes, types = old.pop("rope_parameters"), old.pop("layer_types")
    old["global_rope_theta"] = ropes["full_attention"]["rope_theta"]
    old["local_rope_theta"] = ropes["sliding_attention"]["rope_theta"]
    old["global_attn_every_n_layers"] = next(n for n in range(1, 99) if all((kind == "full_attention") == (i % n == 0) for i, kind in enumerate(types)))
    old["layer_norm_eps"], old["position_embedding_type"], old["torch_dtype"] = old["norm_eps"], "absolute", "float32"
    return old


def make_model(seed, labels, **sizes):
    torch.manual_seed(seed)
    config = ModernBertConfig(vocab_size=120, pad_token_id=0, bos_token_id=1, eos_token_id=2, cls_token_id=1, sep_token_id=2, global_attn_every_n_layers=3,
                              max_position_embeddings=512, attn_implementation="eager", **sizes)
    model = Joint(config, labels)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            # Weights as they come would be so small that attention is flat and norms are all 1: nothing would be tested.
            if name.endswith("norm.weight"):
                parameter.copy_(1 + 0.2 * torch.randn_like(parameter))
            elif "classifier" not in name:
                parameter.mul_(6)
    return config, model


def in_float64(model):
    model.encoder.set_attn_implementation("sdpa")
    return model.double()


def make_batch(random, lengths, labels, vocabulary=120):
    ids = [np.concatenate([[1], random.integers(3, vocabulary, max(length - 2, 0)), [2]])[:length] for length in lengths]
    tags = []
    for length in lengths:
        tag = np.where(random.random(length) < 0.6, random.integers(0, labels, length), IGNORE)
        tag[0] = tag[-1] = IGNORE
        tags.append(tag)
    return ids, tags, random.integers(0, 2, len(lengths))


def pad(batch):
    ids, tags, anomaly = batch
    width = max(map(len, ids))
    padded, mask, labels = (np.full((len(ids), width), fill, dtype=np.int64) for fill in (0, 0, -100))
    for row, (these, tag) in enumerate(zip(ids, tags)):
        padded[row, : len(these)], mask[row, : len(these)] = these, 1
        labels[row, : len(these)] = np.where(tag == IGNORE, -100, tag)
    return [torch.from_numpy(array) for array in (padded, mask, labels, anomaly)]


def packed(batch):
    ids, tags, anomaly = batch
    bounds = np.concatenate([[0], np.cumsum([len(these) for these in ids])])
    arrays = dict(ids=np.concatenate(ids), bounds=bounds, labels=np.concatenate(tags), anomaly=anomaly)
    return {name: torch.from_numpy(array.astype(np.uint32)) for name, array in arrays.items()}


def losses(ner_logits, anomaly_logits, labels, anomaly):
    ner = torch.nn.functional.cross_entropy(ner_logits.reshape(-1, ner_logits.shape[-1]), labels.view(-1), ignore_index=-100)
    return ner, torch.nn.functional.cross_entropy(anomaly_logits, anomaly)


def run(model, batch):
    ids, mask, labels, anomaly = pad(batch)
    model.zero_grad()
    hidden, ner_logits, anomaly_logits = model(ids, mask)
    ner, classes = losses(ner_logits, anomaly_logits, labels, anomaly)
    weighted = torch.nn.CrossEntropyLoss(weight=torch.tensor(CLASS_WEIGHTS, dtype=hidden.dtype))(anomaly_logits, anomaly)
    (ner + classes).backward()
    real = mask.bool()
    result = dict(hidden=hidden[real], ner_logits=ner_logits[real], anomaly_logits=anomaly_logits, losses=torch.stack([ner, classes, ner + classes, weighted]))
    result |= {f"gradient.{name}": parameter.grad for name, parameter in model.named().items()}
    return {name: tensor.detach().clone().contiguous() for name, tensor in result.items()}


def save_model(folder, config, model):
    folder.mkdir(exist_ok=True)
    model.encoder.save_pretrained(folder)
    (folder / "config.published.json").write_text(json.dumps(published(config), indent=2) + "\n")
    tensors = load_file(folder / "model.safetensors")
    tensors |= {name: parameter.detach().clone() for name, parameter in model.named().items() if "classifier" in name}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def make_parity(name, seed, labels, lengths, **sizes):
    folder = HERE / name
    config, model = make_model(seed, labels, **sizes)
    save_model(folder, config, model)
    batch = make_batch(np.random.default_rng(seed), lengths, labels)
    save_file(packed(batch), folder / "batch.safetensors")
    single = run(model, batch)
    save_file({key: value for key, value in single.items() if key == "hidden" or key.startswith("gradient.")}, folder / "float32.safetensors")
    # What float64 says fits into float32 to 6e-8, far below every tolerance; the losses stay in float64.
    double = run(in_float64(model), batch)
    save_file({key: value if key == "losses" else value.float() for key, value in double.items()}, folder / "expected.safetensors")


def make_training(seed=5, labels=7, steps=20, learning_rate=1e-3):
    folder = HERE / "training"
    config, model = make_model(seed, labels, hidden_size=32, intermediate_size=48, num_hidden_layers=4, num_attention_heads=2, local_attention=8)
    save_model(folder, config, model)
    random = np.random.default_rng(seed)
    batches = [make_batch(random, random.integers(5, 25, 4), labels) for _ in range(steps)]
    save_file({f"{step}.{name}": tensor for step, batch in enumerate(batches) for name, tensor in packed(batch).items()}, folder / "batches.safetensors")
    model = in_float64(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: max(0.0, (steps - step) / steps))
    history = []
    for batch in batches:
        ids, mask, tags, anomaly = pad(batch)
        optimizer.zero_grad()
        _, ner_logits, anomaly_logits = model(ids, mask)
        ner, classes = losses(ner_logits, anomaly_logits, tags, anomaly)
        (ner + classes).backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        history.append([ner.item(), classes.item(), (ner + classes).item(), norm.item(), schedule.get_last_lr()[0]])
        optimizer.step()
        schedule.step()
    final = {name: parameter.detach().float().clone() for name, parameter in model.named().items()}
    # `history`: a row per step of ner loss, anomaly loss, their sum, the gradient's norm before clipping, the learning rate.
    save_file(final | {"history": torch.tensor(history, dtype=torch.float64)}, folder / "expected.safetensors")
    settings = dict(steps=steps, learning_rate=learning_rate, weight_decay=0.01, betas=[0.9, 0.999], eps=1e-8, max_grad_norm=1.0, schedule="linear", warmup_steps=0)
    (folder / "settings.json").write_text(json.dumps(settings, indent=2) + "\n")


if __name__ == "__main__":
    # Windows of 4 on either side, so most pairs of tokens in a local layer do not see each other; one sequence of a single token.
    make_parity("small", 1, 7, [24, 1, 9, 17], hidden_size=32, intermediate_size=48, num_hidden_layers=4, num_attention_heads=2, local_attention=8)
    # Widths that fill no vector, an odd window, and a sequence of several blocks of queries.
    make_parity("uneven", 2, 5, [70, 3, 13], hidden_size=36, intermediate_size=22, num_hidden_layers=5, num_attention_heads=3, local_attention=6)
    make_training()
