"""The other side of `compare.py corpus`: JSON lines read, divided and tokenized by `datasets` and the fast tokenizer of a model's folder.

    python benches/datasets_corpus.py LINES.jsonl MODEL MAX_LENGTH PROCESSES

Prints how many tokens there are, as JSON. Labels are not aligned, which ours does.
"""
import json
import sys
import tempfile

import datasets
from tokenizers import Tokenizer

lines, model, max_length, processes = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
datasets.disable_progress_bars()
tokenizer = Tokenizer.from_file(f"{model}/tokenizer.json")
tokenizer.no_padding()
tokenizer.enable_truncation(max_length)


def tokenize(batch):
    return {"input_ids": [encoding.ids for encoding in tokenizer.encode_batch(batch["text"])]}


with tempfile.TemporaryDirectory() as cache:
    whole = datasets.load_dataset("json", data_files=lines, split="train", cache_dir=cache)
    parts = whole.train_test_split(test_size=0.2, seed=42)
    parts = parts.map(tokenize, batched=True, num_proc=processes if processes > 1 else None, remove_columns=["text", "entities", "id"])
    counted = {name: sum(len(row) for batch in part.iter(10_000) for row in batch["input_ids"]) for name, part in parts.items()}
    print(json.dumps({"tokens": sum(counted.values()), "texts": len(whole), "datasets": datasets.__version__}))
