"""A row per setting and seed of `surface.toml`, with the span F1 after half an epoch, one and two, from the results of its run."""

import csv
import os
import sys

AXES = ["learning_rate", "batch_size", "warmup_ratio"]


def scores(trial):
    """Of all evaluations, in their order."""
    with open(os.path.join(sys.argv[1], "trials", trial, "history.csv")) as history:
        return [row["watched"] for row in csv.DictReader(history) if row["split"] == "validation"]


rows = {}
for trial in csv.DictReader(open(os.path.join(sys.argv[1], "trials.csv"))):
    if trial["status"] == "done":
        setting = (*(float(trial[f"train.{axis}"]) for axis in AXES), int(trial["train.seed"]))
        rows.setdefault(setting, {})[float(trial["train.stop_after"])] = scores(trial["trial"])

out = csv.writer(sys.stdout, lineterminator="\n")
out.writerow([*AXES, "seed", "span_f1_0.5", "span_f1_1.0", "span_f1_2.0"])
for setting, by_stop in sorted(rows.items()):
    if len(by_stop) == 2:
        found = [*by_stop[0.5], *by_stop[2.0]]
        assert len(found) == 3, (setting, found)
        out.writerow([*(f"{value:g}" for value in setting), *(f"{float(score):.4f}" for score in found)])
