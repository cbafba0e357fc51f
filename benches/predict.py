"""Lines per second of `pipeline predict` beside other ways to run the same model on the same CPU.

    python benches/predict.py MODEL LOG.jsonl [--program target/release/pipeline] [--lines 20000] [--threads 2] [--rounds 2]

MODEL is a folder that `run` published, such as `outputs/tiny/model`; LOG.jsonl has a `text` in each line, whose digits are drawn anew, so that no line
comes twice. The others are transformers' `pipeline` in batches of 64, a loop by hand (sorted by length, batches of 64, most likely label of each token
and nothing more) in f32 and bf16, and onnxruntime on what `pipeline export --onnx` writes. Where a stock class would need another head than ours, its
own is drawn at random: it takes the same time. Ours counts from the start of the program to the last line written; the others have their model loaded.
The sides take turns, and the best round of each counts. Needs torch, transformers, numpy; onnxruntime where it is there.
"""
import argparse
import json
import os
import pathlib
import random
import re
import resource
import subprocess
import sys
import tempfile
import time

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("model", type=pathlib.Path)
parser.add_argument("log", type=pathlib.Path)
parser.add_argument("--program", default="target/release/pipeline")
parser.add_argument("--lines", type=int, default=20_000)
parser.add_argument("--threads", type=int, default=os.cpu_count())
parser.add_argument("--rounds", type=int, default=2)
arguments = parser.parse_args()
os.environ.update(TOKENIZERS_PARALLELISM="true", RAYON_NUM_THREADS=str(arguments.threads), OMP_NUM_THREADS=str(arguments.threads), HF_HUB_OFFLINE="1")

import numpy
import torch
import transformers

BATCH = 64
torch.set_num_threads(arguments.threads)
transformers.logging.set_verbosity_error()


def lines():
    """Lines of the log in turn, with other digits in each."""
    draw = random.Random(0)
    texts = [json.loads(line)["text"] for line in arguments.log.read_text().splitlines()]
    anew = lambda text: re.sub(r"\d", lambda _: draw.choice("0123456789"), text)
    return [anew(texts[index % len(texts)]) for index in range(arguments.lines)]


TEXTS = lines()
HEADS = json.loads((arguments.model / "heads.json").read_text())
LABELS = sum(len(head["labels"]) for head in HEADS["heads"])
TAGS = next((head["labels"] for head in HEADS["heads"] if head["task"] == "tagging"), ["O"])
tokenizer = transformers.PreTrainedTokenizerFast(
    tokenizer_file=str(arguments.model / "tokenizer.json"), pad_token="[PAD]", model_max_length=HEADS["max_length"],
    model_input_names=["input_ids", "attention_mask"])


def ours(*options):
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(TEXTS) + "\n")
        file.flush()
        command = [arguments.program, "predict", str(arguments.model), file.name, "--threads", str(arguments.threads), *options]
        begun = time.monotonic()
        answered = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.count(b"\n")
        elapsed = time.monotonic() - begun
    assert answered == len(TEXTS), f"{answered} answers to {len(TEXTS)} lines"
    return elapsed


class ByHand(torch.nn.Module):
    """The encoder with a matrix for all labels of all heads."""

    def __init__(self):
        super().__init__()
        self.encoder = transformers.AutoModel.from_pretrained(arguments.model)
        self.head = torch.nn.Linear(self.encoder.config.hidden_size, LABELS)

    def forward(self, **batch):
        return self.head(self.encoder(**batch).last_hidden_state).argmax(-1)


def sorted_batches():
    """Encoded texts, the shortest first, padded to the longest of their batch."""
    encoded = tokenizer(TEXTS, truncation=True)["input_ids"]
    order = sorted(range(len(encoded)), key=lambda index: len(encoded[index]))
    for first in range(0, len(order), BATCH):
        rows = [encoded[index] for index in order[first:first + BATCH]]
        yield tokenizer.pad({"input_ids": rows}, return_tensors="np")


def by_hand(dtype):
    model = ByHand().to(dtype).eval()

    @torch.inference_mode()
    def run():
        begun = time.monotonic()
        for batch in sorted_batches():
            model(**{name: torch.from_numpy(values) for name, values in batch.items()}).tolist()
        return time.monotonic() - begun
    return run


def stock():
    config = transformers.AutoConfig.from_pretrained(arguments.model)
    config.id2label = dict(enumerate(TAGS))
    config.label2id = {label: number for number, label in enumerate(TAGS)}
    model = transformers.AutoModelForTokenClassification.from_pretrained(arguments.model, config=config, ignore_mismatched_sizes=True)
    pipe = transformers.pipeline("token-classification", model=model, tokenizer=tokenizer, aggregation_strategy="simple", batch_size=BATCH)

    def run():
        begun = time.monotonic()
        count = len(pipe(TEXTS))
        assert count == len(TEXTS)
        return time.monotonic() - begun
    return run


def onnx():
    try:
        import onnxruntime
    except ImportError as error:
        return f"skipped: {error}"
    path = pathlib.Path(tempfile.mkdtemp()) / "model.onnx"
    made = subprocess.run([arguments.program, "export", str(arguments.model), "--onnx", str(path)], capture_output=True, text=True)
    if made.returncode != 0:
        return "skipped: this `pipeline` has no `export --onnx`"
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = arguments.threads
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = {given.name for given in session.get_inputs()}

    def run():
        begun = time.monotonic()
        for batch in sorted_batches():
            batch = {name: values.astype(numpy.int64) for name, values in batch.items() if name in names}
            [logits.argmax(-1).tolist() for logits in session.run(None, batch)]
        return time.monotonic() - begun
    return run


SIDES = {
    "predict": lambda: ours("--cache", "0"),
    "predict, bf16": lambda: ours("--cache", "0", "--dtype", "bf16"),
    "transformers' pipeline, batches of 64": stock(),
    "by hand, f32": by_hand(torch.float32),
    "by hand, bf16": by_hand(torch.bfloat16),
    "onnxruntime": onnx(),
}
best = {name: side if isinstance(side, str) else float("inf") for name, side in SIDES.items()}
for _ in range(arguments.rounds):
    for name, side in SIDES.items():
        if not isinstance(side, str):
            best[name] = min(best[name], side())
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024

print(f"{len(TEXTS):,} lines, {arguments.threads} threads, torch {torch.__version__}, transformers {transformers.__version__}\n")
print("| | lines/s | `predict` takes less time by |\n|---|---|---|")
for name, seconds in best.items():
    if isinstance(seconds, str):
        print(f"| {name} | {seconds} | |")
        print(f"{name}: {seconds}", file=sys.stderr)
    else:
        print(f"| {name} | {len(TEXTS) / seconds:,.0f} | {seconds / best['predict']:.2f} |")
print(f"\nPeak memory of `predict`: {peak:.0f} MiB")
