#!/usr/bin/env python3
"""The other side of `BENCHMARKS.md`: a training step of the same joint model in PyTorch and transformers.

    python -m venv venv && venv/bin/pip install torch transformers numpy
    venv/bin/python benches/torch_step.py --threads 2 [--large | --tiny] [--modes padded,dynamic,sorted,infer] [--bf16] [--compile] [--device cuda]

`padded` pads every text to 128 tokens, as the reference recipe does; `dynamic` pads to the longest of the batch; `sorted` also puts texts of
similar length together; `infer` is the forward pass alone on dynamic batches. `--bf16` computes products in bfloat16 (autocast; weights stay f32), `--compile`
compiles the model for any length (`torch.compile(dynamic=True)`, which needs a C++ compiler). Texts have 12 to 34 tokens, uniform, 16 in a batch, unless told; weights are
random, which changes no operation. Prints JSON: for each mode the median seconds of a step, texts a second, and the most memory that the process, or
the device, held so far.
"""
import argparse, json, os, resource, time

parser = argparse.ArgumentParser()
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--large", action="store_true")
parser.add_argument("--tiny", action="store_true", help="the encoder of experiments/tiny.toml")
parser.add_argument("--modes", default="padded,dynamic,sorted,infer")
parser.add_argument("--steps", type=int, default=5)
parser.add_argument("--batch-size", type=int, default=16)
parser.add_argument("--length", type=int, help="tokens of every text, instead of 12 to 34")
parser.add_argument("--bf16", action="store_true")
parser.add_argument("--compile", action="store_true")
parser.add_argument("--device", default="cpu")
arguments = parser.parse_args()
os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(arguments.threads)

import numpy
import torch
from torch.nn.functional import cross_entropy
from transformers import ModernBertConfig, ModernBertModel

torch.set_num_threads(arguments.threads)
torch.manual_seed(0)
BATCH, LABELS, OUTSIDE, WARM_UP = arguments.batch_size, 93, 92, 1 if arguments.length else 2
TEXTS = max(BATCH * (WARM_UP + arguments.steps), 320 if not arguments.length else 0)
sizes = dict(hidden_size=1024, num_hidden_layers=28, num_attention_heads=16, intermediate_size=2624) if arguments.large else {}
if arguments.tiny:
    special = dict(pad_token_id=0, bos_token_id=1, cls_token_id=1, eos_token_id=2, sep_token_id=2)
    sizes = dict(vocab_size=2000, hidden_size=128, num_hidden_layers=4, num_attention_heads=4, intermediate_size=192, **special)
config = ModernBertConfig(attn_implementation="sdpa", **sizes)
ON_GPU = arguments.device != "cpu"


class Joint(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = ModernBertModel(config)
        self.ner, self.anomaly = torch.nn.Linear(config.hidden_size, LABELS), torch.nn.Linear(config.hidden_size, 2)

    def forward(self, ids, mask):
        hidden = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        return self.ner(hidden), self.anomaly(hidden[:, 0])


model = Joint().to(arguments.device)
parameters = list(model.parameters())
run = torch.compile(model, dynamic=True) if arguments.compile else model

draw = numpy.random.default_rng(7)
texts = []
for length in draw.integers(12, 35, TEXTS) if not arguments.length else [arguments.length] * TEXTS:
    labels = numpy.where(draw.random(length) < 0.25, draw.integers(0, OUTSIDE, length), OUTSIDE)
    texts.append((draw.integers(5, min(50_000, config.vocab_size), length), labels, draw.integers(0, 2)))


def batches(mode):
    order = sorted(range(TEXTS), key=lambda text: len(texts[text][0])) if mode == "sorted" else range(TEXTS)
    groups = [list(order)[start : start + BATCH] for start in range(0, TEXTS, BATCH)]
    draw.shuffle(groups)
    for group in groups:
        rows = [texts[text] for text in group]
        width = 128 if mode == "padded" else max(len(ids) for ids, _, _ in rows)
        fill = lambda index, value: torch.tensor(numpy.array([numpy.pad(row[index], (0, width - len(row[0])), constant_values=value) for row in rows]))
        mask = torch.tensor([[1] * len(ids) + [0] * (width - len(ids)) for ids, _, _ in rows])
        batch = fill(0, config.pad_token_id), mask, fill(1, OUTSIDE), torch.tensor([int(row[2]) for row in rows])
        yield [tensor.to(arguments.device) for tensor in batch]


def peak_gib():
    return torch.cuda.max_memory_allocated() / 2**30 if ON_GPU else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


result = {}
for mode in arguments.modes.split(","):
    optimizer = torch.optim.AdamW(parameters, lr=2e-5, weight_decay=0.01)
    model.train(mode != "infer")
    seconds = []
    for _, (ids, mask, labels, classes) in zip(range(WARM_UP + arguments.steps), batches(mode)):
        begun = time.perf_counter()
        with torch.set_grad_enabled(mode != "infer"), torch.autocast(arguments.device, dtype=torch.bfloat16, enabled=arguments.bf16):
            tags, kinds = run(ids, mask)
        if mode != "infer":
            tagging = cross_entropy(tags.float().view(-1, LABELS), labels.view(-1), ignore_index=OUTSIDE)
            loss = tagging + cross_entropy(kinds.float(), classes)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            loss.item()
        if ON_GPU:
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - begun)
    step = float(numpy.median(seconds[WARM_UP:]))
    result[mode] = {"step_s": round(step, 4), "texts_per_s": round(BATCH / step, 1), "peak_rss_gib": round(peak_gib(), 2)}
print(json.dumps({"torch": torch.__version__, "device": arguments.device, "threads": arguments.threads, "large": arguments.large, "bf16": arguments.bf16, "compiled": arguments.compile, "modes": result}, indent=1))
