"""transformers' side of `trainer.py`, which calls it: one training with Trainer, the answers of a model, or the time of a step. Prints JSON.

    trainer_torch.py train TASK ENCODED MODEL RECIPE     # answers on the test split, the seconds of `train`, and the most memory until its end
    trainer_torch.py read TASK ENCODED MODEL RECIPE      # answers of a model as it is
    trainer_torch.py step TASK ENCODED MODEL RECIPE      # the median seconds of a step, by how batches are made

TASK is `tags` or `classes`, ENCODED what the stage `tokenize` left, MODEL a folder in Hugging Face layout, and RECIPE a JSON object: names of `train`
and `threads`, `batching` (`random`, or `sorted` by length), `steps` and `warm_up_steps` of which no time counts.
"""
import json
import os
import pathlib
import random
import resource
import statistics
import sys
import tempfile
import time

MODE, TASK, ENCODED, MODEL = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3]), sys.argv[4]
RECIPE = json.loads(sys.argv[5])
os.environ.update(OMP_NUM_THREADS=str(RECIPE["threads"]), MKL_NUM_THREADS=str(RECIPE["threads"]), HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false")

import torch
import transformers
from safetensors.numpy import load_file

torch.set_num_threads(RECIPE["threads"])
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()
IGNORE, NOT_COUNTED = 0xFFFF_FFFF, -100
LABELS = json.loads((ENCODED / "encoding.json").read_text())["labels"]
CLASSES = {"tags": transformers.AutoModelForTokenClassification, "classes": transformers.AutoModelForSequenceClassification}


def texts(split):
    """Tokens and labels of each text, the special tokens not counted, and the characters that tokens show."""
    arrays = load_file(ENCODED / f"{split}.safetensors")
    bounds = arrays["bounds"].tolist()
    found = []
    for number, (begin, end) in enumerate(zip(bounds, bounds[1:])):
        tags = [NOT_COUNTED if label == IGNORE else label for label in arrays["labels"][begin:end].tolist()]
        label = tags if TASK == "tags" else int(arrays["anomaly"][number])
        places = list(zip(arrays["starts"][begin:end].tolist(), arrays["ends"][begin:end].tolist()))
        found.append({"input_ids": arrays["ids"][begin:end].tolist(), "labels": label, "length": end - begin, "places": places})
    return found


def collate(rows):
    """Texts padded to the longest."""
    width = max(len(row["input_ids"]) for row in rows)
    pad = lambda values, value: values + [value] * (width - len(values))
    batch = {"input_ids": [pad(row["input_ids"], 0) for row in rows], "attention_mask": [pad([1] * len(row["input_ids"]), 0) for row in rows]}
    batch["labels"] = [pad(row["labels"], NOT_COUNTED) if TASK == "tags" else row["labels"] for row in rows]
    return {name: torch.tensor(values) for name, values in batch.items()}


def load():
    return CLASSES[TASK].from_pretrained(MODEL, num_labels=len(LABELS) if TASK == "tags" else 2)


def train(model, rows):
    """The training alone: nothing is evaluated, saved or reported on the way."""
    with tempfile.TemporaryDirectory() as folder:
        settings = transformers.TrainingArguments(
            output_dir=folder, use_cpu=True, seed=RECIPE["seed"], num_train_epochs=RECIPE["epochs"],
            per_device_train_batch_size=RECIPE["batch_size"], learning_rate=RECIPE["learning_rate"], lr_scheduler_type="linear",
            warmup_steps=RECIPE["warmup_steps"], weight_decay=RECIPE["weight_decay"], adam_beta1=RECIPE["betas"][0], adam_beta2=RECIPE["betas"][1],
            adam_epsilon=RECIPE["eps"], max_grad_norm=RECIPE["max_grad_norm"], max_steps=RECIPE.get("steps", -1),
            train_sampling_strategy="group_by_length" if RECIPE["batching"] == "sorted" else "random",
            eval_strategy="no", save_strategy="no", logging_strategy="no", report_to=[], disable_tqdm=True, remove_unused_columns=False)
        done = transformers.Trainer(model=model, args=settings, train_dataset=rows, data_collator=collate).train()
    return done.metrics["train_runtime"], done.global_step


def spans(tags, places):
    """Entities of tags token by token: `B-X` begins one, `I-X` behind one of its type goes on with it and begins none."""
    found, inside = [], None
    for tag, (begin, end) in zip(tags, places):
        kind = tag[2:]
        if tag.startswith("B-"):
            found.append([begin, end, kind])
        elif tag.startswith("I-") and inside == kind:
            found[-1][1] = end
        inside = kind if tag.startswith("B-") or inside == kind else None
    return found


def answers(model):
    """What the model says of each text of the test split: its entities, or its score of the second class."""
    rows = texts("test")
    said = [None] * len(rows)
    order = sorted(range(len(rows)), key=lambda row: rows[row]["length"])
    model.eval()
    for first in range(0, len(order), 32):
        batch = order[first:first + 32]
        inputs = collate([rows[row] for row in batch])
        del inputs["labels"]
        with torch.inference_mode():
            logits = model(**inputs).logits
        for row, of_text in zip(batch, logits):
            if TASK == "tags":
                # The first and the last token are the special ones.
                inner = slice(1, rows[row]["length"] - 1)
                said[row] = spans([LABELS[label] for label in of_text.argmax(-1).tolist()[inner]], rows[row]["places"][inner])
            else:
                said[row] = of_text.double().softmax(-1)[1].item()
    return said


def step(model, rows):
    """Steps by hand, on the texts that `pipeline bench` takes: the first ones warm up, and those after them are measured."""
    size, warm_up, steps = RECIPE["batch_size"], RECIPE["warm_up_steps"], RECIPE["steps"]
    taken = [rows[row % len(rows)] for row in range(size * (warm_up + steps))]
    warm_up_rows, measured = taken[:size * warm_up], taken[size * warm_up:]
    seconds = {}
    for batching in ["random", "sorted"]:
        optimizer = torch.optim.AdamW(model.parameters(), lr=RECIPE["learning_rate"], weight_decay=RECIPE["weight_decay"], fused=True)
        model.train()
        random.Random(0).shuffle(measured)
        if batching == "sorted":
            measured.sort(key=lambda row: row["length"])
        clocks = []
        for first in range(0, size * (warm_up + steps), size):
            begun = time.perf_counter()
            loss = model(**collate((warm_up_rows + measured)[first:first + size])).loss
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), RECIPE["max_grad_norm"])
            optimizer.step()
            loss.item()
            clocks.append(time.perf_counter() - begun)
        seconds[batching] = statistics.mean(clocks[warm_up:])
    return seconds


def peak_gib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


transformers.set_seed(RECIPE["seed"])
model = load()
if MODE == "read":
    found = {"answers": answers(model)}
elif MODE == "step":
    found = step(model, texts("train"))
else:
    seconds, steps = train(model, texts("train"))
    found = {"seconds": seconds, "steps": steps, "peak_gib": peak_gib(), "answers": answers(model)}
print(json.dumps({"torch": torch.__version__, "transformers": transformers.__version__, **found}))
