#!/usr/bin/env python3
"""Make the fixtures of masked-language modelling from transformers' classes for it.

    python -m venv venv && venv/bin/pip install torch transformers numpy safetensors
    venv/bin/python tests/parity/make_masked.py

Writes next to itself `masked/<model_type>.safetensors`: every parameter by our names, `ids`, `bounds` and `masked` (the places of the tokens to tell,
packed) with their `targets`, and what float64 says: `loss` and `gradient.<parameter>`. And `masked/<model_type>.json`, the configuration.
"""
import pathlib

import numpy as np
import torch
import transformers as t
from safetensors.torch import save_file

from make_families import VOCABULARY, make_whole

HERE = pathlib.Path(__file__).parent / "masked"
LENGTHS = [9, 1, 14]


def make(model_class, config, seed, first=3, last=4, mask=5):
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    model = make_whole(model_class(config), None).double()
    width = max(LENGTHS)
    ids, attended, labels = (torch.full((len(LENGTHS), width), fill) for fill in (config.pad_token_id, 0, -100))
    packed, masked, targets = [], [], []
    for row, length in enumerate(LENGTHS):
        text = np.concatenate([[first], random.integers(6, VOCABULARY, max(length - 2, 0)), [last]])[:length]
        hidden = [place for place in range(1, length - 1) if random.random() < 0.4]
        for place in hidden:
            masked.append(len(packed) + place)
            targets.append(int(text[place]))
            labels[row, place] = int(text[place])
            text[place] = mask if random.random() < 0.8 else random.integers(6, VOCABULARY)
        ids[row, :length], attended[row, :length] = torch.from_numpy(text), 1
        packed.extend(text.tolist())
    # Not the class's own loss, which some of them round to float32.
    logits = model(input_ids=ids, attention_mask=attended).logits
    loss = torch.nn.functional.cross_entropy(logits.view(-1, VOCABULARY), labels.view(-1))
    loss.backward()
    prefix = f"{model.base_model_prefix}."
    found = {"loss": loss.detach()}
    for name, parameter in model.named_parameters():
        name = name.removeprefix(prefix)
        found[name] = parameter.detach().float().clone().contiguous()
        found[f"gradient.{name}"] = parameter.grad.float().clone().contiguous()
    numbers = dict(ids=packed, bounds=np.concatenate([[0], np.cumsum(LENGTHS)]), masked=masked, targets=targets)
    found |= {name: torch.from_numpy(np.array(values, dtype=np.uint32)) for name, values in numbers.items()}
    HERE.mkdir(exist_ok=True)
    save_file(found, HERE / f"{config.model_type}.safetensors")
    (HERE / f"{config.model_type}.json").write_text(config.to_json_string())


if __name__ == "__main__":
    sizes = dict(vocab_size=VOCABULARY, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24)
    of_bert = dict(max_position_embeddings=24, type_vocab_size=2, pad_token_id=0)
    of_fairseq = dict(max_position_embeddings=26, type_vocab_size=1, pad_token_id=1, layer_norm_eps=1e-5)
    modern = dict(pad_token_id=0, bos_token_id=3, eos_token_id=4, cls_token_id=3, sep_token_id=4, local_attention=8, max_position_embeddings=24)
    make(t.ModernBertForMaskedLM, t.ModernBertConfig(**sizes, **modern), 1)
    make(t.BertForMaskedLM, t.BertConfig(**sizes, **of_bert), 2)
    make(t.RobertaForMaskedLM, t.RobertaConfig(**sizes, **of_fairseq), 3, first=0, last=2)
    distil = t.DistilBertConfig(vocab_size=VOCABULARY, dim=18, n_layers=2, n_heads=3, hidden_dim=23, max_position_embeddings=24, pad_token_id=0)
    make(t.DistilBertForMaskedLM, distil, 4)
    make(t.ElectraForMaskedLM, t.ElectraConfig(**sizes | dict(embedding_size=12), **of_bert), 5)
