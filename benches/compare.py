"""Runs both sides in turn, takes medians, and prints Markdown; called by `compare.sh`, which builds what it runs."""
import csv
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
PIPELINE = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release" / "pipeline"
TORCH_STEP = os.environ.get("TORCH_STEP", ROOT / "benches/torch_step.py")
THREADS = len(os.sched_getaffinity(0))


def whole(command, folder):
    """What a process prints, its seconds, and the most memory that it held, in GiB."""
    begun = time.perf_counter()
    process = subprocess.Popen([str(part) for part in command], cwd=folder, stdout=subprocess.PIPE, text=True)
    printed = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"{' '.join(map(str, command))} ended with {status}\n{printed}")
    return printed, time.perf_counter() - begun, usage.ru_maxrss / 2**20


def output(command, folder=ROOT):
    done = subprocess.run([str(part) for part in command], cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


def bench(*arguments):
    return json.loads(output([PIPELINE, "bench", "--json", *arguments]))


def torch(*arguments):
    return json.loads(output([sys.executable, TORCH_STEP, *arguments]))["modes"]


def measure(*sections):
    lines = output(["cargo", "bench", "--quiet", "--bench", "measure", "--", *sections]).splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


def median(values):
    return statistics.median(values)


def table(title, header, rows):
    print(f"\n### {title}\n\n| {' | '.join(header)} |\n|{'---|' * len(header)}")
    for row in rows:
        print(f"| {' | '.join(row)} |")
    sys.stdout.flush()


def step(threads, model="base", rounds=3, modes="dynamic,sorted,infer", padded=True, steps=5):
    """Our step beside that of PyTorch, the rounds of both in turn."""
    ours, theirs, large = [], [], ["--large"] if model == "large" else []
    for _ in range(rounds):
        ours.append(bench("--threads", threads, "--model", model, "--steps", 2 * steps))
        theirs.append(torch("--threads", threads, *large, "--modes", modes, "--steps", steps))
    # Padding costs four times as much, and once is enough to see it.
    alone = torch("--threads", threads, *large, "--modes", "padded", "--steps", 2) if padded else {}
    own = median([found["step_s"] for found in ours])
    own_infer = median([found["inference_texts_per_s"] for found in ours])
    gib = max(found["peak_rss_gib"] or 0 for found in ours)
    rows = [["`pipeline bench` (no padding)", f"{own:.3f}", f"{gib:.2f} GiB", ""]]
    names = {"padded": "PyTorch, padded to 128 tokens", "dynamic": "PyTorch, padded to the longest of the batch", "sorted": "PyTorch, the same, sorted by length"}
    for mode in [*alone, *modes.split(",")]:
        found = [alone[mode]] if mode in alone else [round[mode] for round in theirs]
        seconds = median([mode["step_s"] for mode in found])
        if mode == "infer":
            texts = 16 / seconds
            rows.append(["texts per second without gradients: ours", f"{own_infer:.1f}", "", f"{own_infer / texts:.2f} times"])
            rows.append(["the same, PyTorch", f"{texts:.1f}", "", ""])
        else:
            rows.append([names[mode], f"{seconds:.3f}", f"{max(mode['peak_rss_gib'] for mode in found):.2f} GiB", f"{seconds / own:.2f} times"])
    floor, rate = median([found["floor_s"] for found in ours]), median([found["matmul_gflops"] for found in ours])
    ratios = sorted(found["floor_ratio"] for found in ours)
    rows.append([f"floor: matrix products at {rate:.0f} GFLOP/s", f"{floor:.3f}", "", f"ours takes {ratios[0]:.2f} to {ratios[-1]:.2f} times that"])
    table(f"ModernBERT-{model}, {threads} thread{'s' * (threads > 1)}", ["", "seconds per step", "peak memory", "ours is faster"], rows)


def composed():
    own = bench("--steps", 5)
    rows = [["`pipeline bench`", f"{own['step_s']:.3f}", f"{own['peak_rss_gib'] or 0:.2f} GiB", ""]]
    for section, name in [("composed", "composed candle operations, our AdamW"), ("composed_candle_adamw", "the same, `candle_nn::AdamW`")]:
        # Each in a process of its own, for its memory.
        [found] = measure(section)
        rows.append([name, f"{found['step_s']:.3f}", f"{found['peak_rss_gib'] or 0:.2f} GiB", f"{found['step_s'] / own['step_s']:.1f} times"])
    table("Composed candle operations, base, all threads", ["", "seconds per step", "peak memory", "ours is faster"], rows)


def checkpoint(size, folder, tokenizer):
    """A checkpoint of the published shape with random weights, as `fetch_model` reads one."""
    import transformers

    sizes = dict(hidden_size=1024, num_hidden_layers=28, num_attention_heads=16, intermediate_size=2624) if size == "large" else {}
    transformers.ModernBertForMaskedLM(transformers.ModernBertConfig(**sizes)).save_pretrained(folder / size)
    shutil.copy(tokenizer, folder / size / "tokenizer.json")


def recipe():
    """One epoch of `small.toml`, and some steps of `large.toml`, each from a checkpoint to its figures."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        measure("tokenize", folder)
        for size, file, samples, extra in [("base", "small", 5000, ""), ("large", "large", 320, 'checkpoint_every = 1\nkeep_best = "loss"\n')]:
            checkpoint(size, folder, folder / "tokenizer.json")
            text = f"""extends = "{ROOT}/experiments/{file}.toml"
name = "{size}-recipe"
unset = ["stage.fetch_model"]
[stage.fetch_model]
path = "{size}"
[stage.corpus]
samples = {samples}
[stage.train]
epochs = 1
{extra}"""
            (folder / f"{size}.toml").write_text(text)
            events, seconds, gib = whole([PIPELINE, "run", f"{size}.toml", "--json"], folder)
            events = [json.loads(line) for line in events.splitlines()]
            took = {event["stage"]: event["elapsed_ms"] / 1e3 for event in events if event.get("event") == "stage_finished" and event.get("elapsed_ms")}
            with open(folder / f"outputs/{size}-recipe/timing.csv", newline="") as file:
                steps = [float(row["seconds"]) for row in csv.DictReader(file)]
            rest = took["train"] - sum(steps)
            others = ", ".join(f"{stage} {value:.1f}" for stage, value in took.items() if stage != "train")
            rows.append([f"{size}, {len(steps)} steps", f"{seconds:.0f}", f"{took['train']:.1f}", f"{sum(steps):.1f}", f"{rest:.1f}", others, f"{gib:.2f} GiB"])
            shutil.rmtree(folder / size)
            shutil.rmtree(folder / "outputs")
    header = ["", "seconds in all", "`train`", "of it steps", "of it the rest, evaluation included", "other stages", "peak memory"]
    table("The recipe, one epoch, from a checkpoint on the disk to its figures", header, rows)


def memory():
    """A step on 16 texts of 512 tokens, in the ways that bound its memory."""
    ways = [
        ("one batch of 16", 16, 1, False),
        ("one batch of 16, `activation_checkpointing`", 16, 1, True),
        ("4 batches of 4 accumulated", 4, 4, False),
        ("16 batches of 1 accumulated", 1, 16, False),
        ("16 batches of 1, `activation_checkpointing`", 1, 16, True),
    ]
    text = f"""extends = "{ROOT}/experiments/small.toml"
unset = ["stage.fetch_model"]
[stage.fetch_model]
kind = "init_model"
corpus = "@corpus"
vocab_size = 50368
hidden_size = 768
num_hidden_layers = 22
num_attention_heads = 12
intermediate_size = 1152
"""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder, "base.toml")
        file.write_text(text)
        for name, size, batches, again in ways:
            settings = [f"stage.train.batch_size={size}", f"stage.train.gradient_accumulation={batches}", f"stage.train.activation_checkpointing={str(again).lower()}"]
            own = bench(file, "--length", 512, "--steps", 1, *(part for setting in settings for part in ("--set", setting)))
            rows.append([name, f"{own['step_s']:.1f}", f"{own['peak_rss_gib'] or 0:.2f} GiB"])
    table("16 texts of 512 tokens in a step, base", ["", "seconds per step", "peak memory"], rows)


def curve():
    """The losses of a whole training on both paths of the model."""
    rows = []
    for section in ["curve_tiny", "curve_base"]:
        [found] = measure(section)
        columns = [f"{found['first']:.4f} to {found['last']:.4f}", f"{found['largest_loss_difference']:.1e}", f"{found['largest_norm_difference']:.1e}"]
        rows.append([found["what"], str(found["steps"]), *columns, f"{found['weights_difference']:.1e}"])
    header = ["", "steps", "loss", "largest difference of a loss", "of a gradient's norm, relative", "of the last weights, relative"]
    table("The loss curve of our kernels beside that of composed candle operations", header, rows)


def long():
    rows = []
    for length in [512, 2048, 8192]:
        own = bench("--length", length, "--batch-size", 1, "--steps", 2)
        thousands = own["tokens_per_step"] / 1000
        part = lambda name: f"{sum(own['profile_s'][of].get(name, 0) for of in ('forward', 'backward')) / thousands:.3f}"
        theirs = ""
        if length < 8192:
            found = torch("--modes", "dynamic", "--length", length, "--batch-size", 1, "--steps", 2, "--threads", THREADS)["dynamic"]
            theirs = f"{found['step_s']:.2f}"
        columns = [f"{own['step_s']:.2f}", theirs, f"{own['step_s'] / thousands:.3f}", part("local_attention"), part("global_attention")]
        rows.append([f"{length:,}", *columns, f"{own['peak_rss_gib'] or 0:.2f} GiB"])
    header = ["tokens", "seconds per step", "PyTorch", "seconds per 1,000 tokens", "of them local attention", "global attention", "peak memory"]
    table("Long texts, base, batch of 1, all threads", header, rows)


def tokenize():
    with tempfile.TemporaryDirectory() as folder:
        extra = [pathlib.Path(os.environ["TOKENIZER"]).resolve()] if "TOKENIZER" in os.environ else []
        [own] = measure("tokenize", folder, *map(str, extra))
        os.environ["TOKENIZERS_PARALLELISM"] = "true"
        import tokenizers

        tokenizer = tokenizers.Tokenizer.from_file(f"{folder}/tokenizer.json")
        texts = pathlib.Path(folder, "texts.txt").read_text().split("\n")
        seconds, tokens = [], 0
        for _ in range(7):
            begun = time.perf_counter()
            tokens = sum(len(encoding.ids) for encoding in tokenizer.encode_batch(texts))
            seconds.append(time.perf_counter() - begun)
        theirs = len(texts) / median(seconds)
    if tokens != own["tokens"]:
        sys.exit(f"the two made different tokens: {own['tokens']} and {tokens}")
    rows = [["`tokenize`, labels aligned", f"{own['texts_per_s']:,.0f}", f"{own['texts_per_s'] / theirs:.2f} times"], [f"Python's tokenizers {tokenizers.__version__}, `encode_batch`", f"{theirs:,.0f}", ""]]
    table(f"Tokenizing {len(texts):,} texts, all threads", ["", "texts per second", "ours is faster"], rows)


def corpus(count=1_000_000, rounds=3):
    """JSON lines read, divided and tokenized, as whole processes."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        model = f"""version = 1
[stage.corpus]
kind = "generate_corpus"
templates = "{ROOT / 'experiments/data/security_events.toml'}"
samples = 2000
[stage.init_model]
corpus = "@corpus"
vocab_size = 2000
"""
        (folder / "model.toml").write_text(model)
        output([PIPELINE, "run", "model.toml"], folder)
        [model] = [path.parent for path in folder.glob("outputs/store/*/*/tokenizer.json")]
        [texts] = folder.glob("outputs/store/*/*/train.jsonl")
        made = [json.loads(line) for line in texts.read_text().splitlines()]
        with open(folder / "lines.jsonl", "w") as lines:
            for number in range(count):
                line = made[number % len(made)]
                # No two are the same, and a leak report has something to look for.
                text = f"{line['text']} ({number * 7919 % count})"
                lines.write(json.dumps({"id": str(number), "text": text, "entities": line["entities"]}) + "\n")
        size = (folder / "lines.jsonl").stat().st_size / 1e6
        (folder / "corpus.toml").write_text(f"""version = 1
[stage.corpus]
kind = "read_corpus"
path = "lines.jsonl"
split = {{ train = 0.8, validation = 0.2 }}
[stage.model]
kind = "fetch_model"
path = "{model}"
[stage.tokenize]
model = "@model"
corpus = "@corpus"
max_length = 128
""")
        own, theirs = [], []
        for round_ in range(rounds):
            (folder / f"round{round_}").mkdir()
            own.append(whole([PIPELINE, "run", "corpus.toml", "--root", folder / f"round{round_}"], folder))
            shutil.rmtree(folder / f"round{round_}")
            theirs += [whole([sys.executable, ROOT / "benches/datasets_corpus.py", folder / "lines.jsonl", model, 128, processes], folder) for processes in {1, THREADS}]
        said = json.loads(theirs[0][0].splitlines()[-1])
    best = min(median(side[1] for side in theirs[way::len(theirs) // rounds]) for way in range(len(theirs) // rounds))
    ours = median(side[1] for side in own)
    rows = [
        ["`read_corpus` and `tokenize`: leaks sought, labels aligned", f"{ours:.1f}", f"{max(side[2] for side in own):.2f}", f"{best / ours:.2f} times"],
        [f"`datasets` {said['datasets']}, fast tokenizer, `num_proc` of 1 or {THREADS}, the better", f"{best:.1f}", f"{min(side[2] for side in theirs):.2f} and more", ""],
    ]
    table(f"{count:,} lines ({size:.0f} MB), read, divided and tokenized, {THREADS} threads", ["", "seconds", "GiB", "ours is faster"], rows)


def tiny():
    with tempfile.TemporaryDirectory() as folder:
        own = json.loads(output([PIPELINE, "bench", ROOT / "experiments/tiny.toml", "--steps", 200, "--json"], folder))
    parts = [(seconds, of, name) for of, parts in own["profile_s"].items() for name, seconds in parts.items()]
    total = sum(seconds for seconds, _, _ in parts)
    rows = [[f"{of}: {name.replace('_', ' ')}", f"{seconds * 1e3:.3f}", f"{seconds / total:.0%}"] for seconds, of, name in sorted(parts, reverse=True)]
    title = f"A step of `tiny.toml`: {own['step_s'] * 1e3:.2f} ms, {own['floor_ratio']:.2f} times its floor"
    table(title, ["part", "ms", "share"], rows)


def other():
    rows = []
    [digest, plan] = measure("digest", "plan")
    rows.append(["digest of a file in the page cache", f"{digest['file_gb_per_s']:.2f} GB/s; BLAKE3 in memory {digest['memory_gb_per_s']:.2f} GB/s"])
    rows.append([f"planning {plan['trials']:,} trials", f"{plan['plan_s'] * 1e3:.0f} ms"])
    with tempfile.TemporaryDirectory() as folder:
        run = [PIPELINE, "run", ROOT / "experiments/tiny.toml"]
        begun = time.perf_counter()
        output(run, folder)
        rows.insert(0, ["`tiny.toml` from nothing", f"{time.perf_counter() - begun:.1f} s"])
        before, repeats, begun = os.times(), 20, time.perf_counter()
        for _ in range(repeats):
            output(run, folder)
        after, elapsed = os.times(), time.perf_counter() - begun
        cpu = after.children_user + after.children_system - before.children_user - before.children_system
        rows.append(["the same again: nothing to do", f"{cpu / repeats * 1e3:.1f} ms of CPU, {elapsed / repeats * 1e3:.1f} ms in all"])
        events = [json.loads(line) for line in output([*run, "--rerun", "plot", "--json"], folder).splitlines()]
        figures = [event["elapsed_ms"] for event in events if event.get("event") == "stage_finished" and event.get("stage") == "plot" and event.get("elapsed_ms")]
        rows.append(["stage `plot`: all figures", f"{figures[0]} ms" if figures else json.dumps(events)])
    table("Other work", ["", ""], rows)


SECTIONS = {
    "step": lambda: step(THREADS),
    "thread": lambda: step(1, steps=3),
    "composed": composed,
    "large": lambda: step(THREADS, "large", modes="dynamic", padded=False, steps=3),
    "long": long,
    "memory": memory,
    "recipe": recipe,
    "curve": curve,
    "tokenize": tokenize,
    "corpus": corpus,
    "tiny": tiny,
    "other": other,
    "divan": lambda: print(f"\n```text\n{output(['cargo', 'bench', '--quiet', '--bench', 'pipeline'])}```"),
}

if __name__ == "__main__":
    chosen = sys.argv[1:] or list(SECTIONS)
    unknown = [name for name in chosen if name not in SECTIONS]
    if unknown:
        sys.exit(f"there is no section `{unknown[0]}`; expected some of {', '.join(SECTIONS)}")
    begun = time.perf_counter()
    for name in chosen:
        SECTIONS[name]()
    print(f"\nIn {(time.perf_counter() - begun) / 60:.0f} minutes, {THREADS} threads, load {os.getloadavg()[2]:.1f} over the last 15 of them.")
