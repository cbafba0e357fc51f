#!/usr/bin/env python3
"""Weights as PyTorch pickles them, for `gathered.rs`: `pickle/model.bin` with a tensor of each type and one that is a view, `pickle/expected.safetensors`
with the same values, and `pickle/hostile.bin`, which would make the file `ran` if anything in it were run.

    python -m venv venv && venv/bin/pip install torch safetensors
    venv/bin/python tests/parity/make_pickle.py
"""
import pathlib

import torch
from safetensors.torch import save_file

folder = pathlib.Path(__file__).parent / "pickle"
folder.mkdir(exist_ok=True)
torch.manual_seed(1)
values = torch.randn(3, 4)
tensors = {
    "float32": values,
    "float64": values.double(),
    "float16": values.half(),
    "bfloat16": values.bfloat16(),
    "int64": torch.arange(5),
    "rows": torch.randn(6, 4)[2:5],
}
torch.save(tensors, folder / "model.bin")
exact = {name: tensor.double().contiguous() for name, tensor in tensors.items()}
save_file(exact, folder / "expected.safetensors")


class Hostile:
    def __reduce__(self):
        return (open, ("ran", "w"))


torch.save({"float32": values, "more": Hostile()}, folder / "hostile.bin")
