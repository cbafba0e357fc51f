#!/usr/bin/env python3
"""Make the fixtures of LoRA from `peft`, over models that `make_fixtures.py` and `make_families.py` made.

    python -m venv venv && venv/bin/pip install torch transformers peft numpy safetensors
    venv/bin/python tests/parity/make_lora.py

Writes next to itself `lora/<name>.safetensors` with what float64 says of the model's own batches:

    start.<parameter>     A and B at the beginning, by our names; B is random too, so that A has a gradient
    hidden                the hidden states of the first batch
    gradient.<parameter>  of A and B and of the heads, of the sum of both losses of the first batch
    history               a row per step of AdamW with that sum and the norm of the gradient before clipping
    final.<parameter>     A, B and the heads after twenty steps
    merged.<parameter>    the weights of the encoder with B and A merged into them, after twenty steps
"""
import pathlib

import torch
import transformers as t
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file

from make_fixtures import IGNORE, losses

HERE = pathlib.Path(__file__).parent
STEPS, LEARNING_RATE = 20, 1e-3


def ours(name):
    """Our name of a parameter of the wrapped model; none of what PEFT does not train."""
    name = name.removeprefix("encoder.base_model.model.").replace(".default.", ".")
    return name if "lora_" in name or "classifier" in name else None


class Joint(torch.nn.Module):
    def __init__(self, encoder, tensors):
        super().__init__()
        self.encoder = encoder
        for head in ("ner_classifier", "anomaly_classifier"):
            weight, bias = tensors[f"{head}.weight"], tensors[f"{head}.bias"]
            linear = torch.nn.Linear(weight.shape[1], weight.shape[0])
            linear.weight.data, linear.bias.data = weight.clone(), bias.clone()
            setattr(self, head, linear)

    def forward(self, ids, mask):
        hidden = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        return hidden, self.ner_classifier(hidden), self.anomaly_classifier(hidden[:, 0])

    def trained(self):
        named = ((ours(name), parameter) for name, parameter in self.named_parameters())
        return {name: parameter for name, parameter in named if name}


def batch_of(tensors, step, padding):
    parts = [tensors[f"{step}.{name}"].long() for name in ("ids", "bounds", "labels", "anomaly")]
    ids, bounds, labels, anomaly = parts
    lengths = (bounds[1:] - bounds[:-1]).tolist()
    shape = (len(lengths), max(lengths))
    padded, mask, tags = (torch.full(shape, fill) for fill in (padding, 0, -100))
    for row, length in enumerate(lengths):
        place = slice(bounds[row], bounds[row] + length)
        padded[row, :length], mask[row, :length] = ids[place], 1
        tags[row, :length] = torch.where(labels[place] == IGNORE, -100, labels[place])
    return padded, mask, tags, anomaly


def named(prefix, tensors):
    return {f"{prefix}.{name}": tensor.detach().float().clone().contiguous() for name, tensor in tensors.items()}


def make(name, folder, seed, rank, alpha, targets):
    torch.manual_seed(seed)
    tensors = load_file(folder / "model.safetensors")
    config = t.AutoConfig.from_pretrained(folder)
    options = {} if config.model_type == "modernbert" else {"add_pooling_layer": False}
    encoder = t.AutoModel.from_pretrained(folder, attn_implementation="sdpa", **options)
    encoder = get_peft_model(encoder, LoraConfig(r=rank, lora_alpha=alpha, target_modules=targets))
    model = Joint(encoder, tensors).eval()
    with torch.no_grad():
        for parameter_name, parameter in model.trained().items():
            if "lora_B" in parameter_name:
                parameter.copy_(0.1 * torch.randn_like(parameter))
    found = named("start", {name: value for name, value in model.trained().items() if "lora_" in name})
    model = model.double()
    batches = load_file(folder / "batches.safetensors")
    optimizer = torch.optim.AdamW(model.trained().values(), lr=LEARNING_RATE, weight_decay=0.01)
    history = []
    for step in range(STEPS):
        ids, mask, tags, anomaly = batch_of(batches, step, config.pad_token_id)
        optimizer.zero_grad()
        hidden, ner_logits, anomaly_logits = model(ids, mask)
        loss = sum(losses(ner_logits, anomaly_logits, tags, anomaly))
        loss.backward()
        if step == 0:
            found["hidden"] = hidden[mask.bool()].detach().float().clone()
            found |= named("gradient", {name: value.grad for name, value in model.trained().items()})
        norm = torch.nn.utils.clip_grad_norm_(model.trained().values(), 1.0)
        history.append([loss.item(), norm.item()])
        optimizer.step()
    found["history"] = torch.tensor(history, dtype=torch.float64)
    found |= named("final", model.trained())
    merged = dict(model.encoder.merge_and_unload().named_parameters())
    found |= named("merged", {name: value for name, value in merged.items() if any(name.endswith(f"{target}.weight") for target in targets)})
    (HERE / "lora").mkdir(exist_ok=True)
    save_file(found, HERE / "lora" / f"{name}.safetensors")


if __name__ == "__main__":
    # One matrix of queries, keys and values; and of three that are computed as one, two.
    make("modernbert", HERE / "training", 1, 3, 6, ["Wqkv", "attn.Wo", "Wi", "mlp.Wo"])
    make("bert", HERE / "families" / "bert", 2, 4, 2, ["query", "value", "output.dense"])
