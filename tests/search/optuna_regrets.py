"""Regrets of Optuna's samplers on the functions of `functions.rs` and the trainings of `surface.csv`, written to `regrets.json`.

    python -m venv venv && venv/bin/pip install optuna torch scipy
    OMP_NUM_THREADS=1 venv/bin/python tests/search/optuna_regrets.py tests/search/regrets.json

A regret is f(chosen) - min f as a share of the function's range over its domain, where the chosen point is the one
with the best value seen and f is without noise. What is in the file already is not run again. A method and functions
after the file's name run only those.
"""

import csv
import json
import math
import os
import sys
import warnings

import numpy
import optuna

REPEATS = 30
BUDGETS = [20, 50]
NOISE_SD, NOISE_SEEDS = 0.2, 3

A3 = [[3.0, 10, 30], [0.1, 10, 35], [3.0, 10, 30], [0.1, 10, 35]]
P3 = [[0.3689, 0.1170, 0.2673], [0.4699, 0.4387, 0.7470], [0.1091, 0.8732, 0.5547], [0.0381, 0.5743, 0.8828]]
A6 = [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
P6 = [
    [0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886],
    [0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991],
    [0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650],
    [0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381],
]
C = [1.0, 1.2, 3.0, 3.2]


def hartmann(x, a, p):
    return -sum(c * math.exp(-sum(aj * (xj - pj) ** 2 for aj, xj, pj in zip(ai, x, pi))) for c, ai, pi in zip(C, a, p))


def branin(x):
    u, v = x
    return (v - 5.1 / (4 * math.pi**2) * u * u + 5 / math.pi * u - 6) ** 2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(u) + 10


def rosenbrock(x):
    return sum(100 * (b - a * a) ** 2 + (1 - a) ** 2 for a, b in zip(x, x[1:]))


def ackley(x):
    n = len(x)
    return (
        -20 * math.exp(-0.2 * math.sqrt(sum(v * v for v in x) / n))
        - math.exp(sum(math.cos(2 * math.pi * v) for v in x) / n)
        + 20
        + math.e
    )


def hartmann_with_a_choice(x, choice):
    a, b, c = x
    if choice == 0:
        return hartmann([a, b, c], A3, P3)
    if choice == 1:
        return 0.9 * hartmann([c, a, b], A3, P3)
    if choice == 2:
        return 0.7 * hartmann([1 - a, 1 - b, 1 - c], A3, P3)
    return 0.4 * hartmann([b, c, a], A3, P3)


# name: (function, bounds, lowest value, range, has a choice of four, is noisy)
H3 = lambda x: hartmann(x, A3, P3)
FUNCTIONS = {
    "branin": (branin, [(-5, 10), (0, 15)], 0.397887, 307.7312, False, False),
    "hartmann_3": (H3, [(0, 1)] * 3, -3.862780, 3.8628, False, False),
    "hartmann_6": (lambda x: hartmann(x, A6, P6), [(0, 1)] * 6, -3.322368, 3.3224, False, False),
    "rosenbrock_4": (rosenbrock, [(-2.048, 2.048)] * 4, 0.0, 11717.78, False, False),
    "ackley_5": (ackley, [(-32.768, 32.768)] * 5, 0.0, 22.3203, False, False),
    "hartmann_3_choice": (hartmann_with_a_choice, [(0, 1)] * 3, -3.862780, 3.8628, True, False),
    "hartmann_3_noise": (H3, [(0, 1)] * 3, -3.862780, 3.8628, False, True),
}
TRAININGS = "tiny_trainings"


def trainings():
    """The values of each axis, and by their numbers the mean over seeds of the F1 after the last epoch."""
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "surface.csv")) as file:
        rows = [[float(cell) for cell in row] for row in csv.reader(file) if row[0] != "learning_rate"]
    axes = [sorted({row[axis] for row in rows}) for axis in range(3)]
    scores = {}
    for row in rows:
        scores.setdefault(tuple(values.index(value) for values, value in zip(axes, row)), []).append(row[-1])
    return axes, {numbers: sum(of) / len(of) for numbers, of in sorted(scores.items())}


SAMPLERS = {
    "random": lambda seed: optuna.samplers.RandomSampler(seed=seed),
    "tpe": lambda seed: optuna.samplers.TPESampler(seed=seed, multivariate=True),
    "gp": lambda seed: optuna.samplers.GPSampler(seed=seed),
}


def regrets(method, name, repeat):
    if name == TRAININGS:
        axes, means = trainings()
        lowest, span, is_noisy = -max(means.values()), max(means.values()) - min(means.values()), False
    else:
        f, bounds, lowest, span, has_choice, is_noisy = FUNCTIONS[name]
    noise = numpy.random.RandomState(1000 + repeat)
    true, seen = [], []

    def worth(trial):
        if name == TRAININGS:
            # Values of an axis lie about as far from each other in the scale of a search, so that their numbers stand for them.
            return -means[tuple(trial.suggest_int(f"x{i}", 0, len(values) - 1) for i, values in enumerate(axes))]
        x = [trial.suggest_float(f"x{i}", low, high) for i, (low, high) in enumerate(bounds)]
        return f(x, trial.suggest_categorical("choice", [0, 1, 2, 3])) if has_choice else f(x)

    def objective(trial):
        value = worth(trial)
        true.append(value)
        seen.append(value + (noise.normal(0, NOISE_SD, NOISE_SEEDS).mean() if is_noisy else 0.0))
        return seen[-1]

    study = optuna.create_study(direction="minimize", sampler=SAMPLERS[method](repeat))
    study.optimize(objective, n_trials=max(BUDGETS))
    chosen = [true[min(range(budget), key=seen.__getitem__)] for budget in BUDGETS]
    return [float(f"{max(value - lowest, 0.0) / span:.4g}") for value in chosen]


def probes():
    """Values at one point each, so that the functions over there can be held against these."""
    out = {}
    for name, (f, bounds, _, _, has_choice, _) in FUNCTIONS.items():
        x = [low + (high - low) * share for (low, high), share in zip(bounds, [0.2, 0.7, 0.4, 0.9, 0.1, 0.6])]
        out[name] = [f(x, choice) for choice in range(4)] if has_choice else [f(x)]
    out[TRAININGS] = [-mean for mean in trainings()[1].values()]
    return out


def main():
    warnings.filterwarnings("ignore")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    path = sys.argv[1]
    try:
        table = json.load(open(path))
    except FileNotFoundError:
        table = {"optuna": optuna.__version__, "probes": probes(), "regrets": {}}
    table["probes"] = probes()
    # Repeat after repeat, so that a run that was ended early has as many of every function.
    methods, names = sys.argv[2:3] or list(SAMPLERS), sys.argv[3:] or [*FUNCTIONS, TRAININGS]
    for method in methods:
        for repeat in range(REPEATS):
            for name in names:
                columns = table["regrets"].setdefault(method, {}).setdefault(name, {str(b): [] for b in BUDGETS})
                if len(columns[str(BUDGETS[0])]) > repeat:
                    continue
                for budget, regret in zip(BUDGETS, regrets(method, name, repeat)):
                    columns[str(budget)].append(regret)
                with open(path + ".new", "w") as file:
                    json.dump(table, file, indent=None, separators=(",", ":"))
                os.replace(path + ".new", path)


main()
