"""Makes spans.json, classification.json, ranking.json and calibration.json: what scikit-learn, scipy and seqeval say of random predictions.

    pip install scikit-learn==1.9.1 seqeval==1.2.2 numpy
    python tests/metrics/make_fixtures.py

Floats are written with repr, so that they read back as the same numbers; undefined scores are null.
"""

import json
import pathlib
import warnings

import numpy
from seqeval.metrics.v1 import classification_report as span_report
from seqeval.metrics.v1 import precision_recall_fscore_support as span_scores
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from seqeval.scheme import IOB2
from sklearn import metrics
from sklearn.calibration import calibration_curve

warnings.filterwarnings("ignore")
HERE = pathlib.Path(__file__).parent
RANDOM = numpy.random.default_rng(20261124)


def spans_case(types, sequences, longest, noise):
    """Random labels: half of the sequences well-formed, the others anything at all, `I-` without `B-` included."""
    names = sorted([f"{prefix}-{kind}" for kind in types for prefix in "BI"] + ["O"])
    truth, predicted = [], []
    for sequence in range(sequences):
        length = int(RANDOM.integers(0, longest + 1))
        row = []
        for _ in range(length):
            previous = names[row[-1]] if row else "O"
            if sequence % 2 == 0:
                go_on = previous != "O" and RANDOM.random() < 0.5
                name = f"I-{previous[2:]}" if go_on else ("O" if RANDOM.random() < 0.4 else f"B-{RANDOM.choice(types)}")
                row.append(names.index(name))
            else:
                row.append(int(RANDOM.integers(len(names))))
        truth.append(row)
        predicted.append([int(RANDOM.integers(len(names))) if RANDOM.random() < noise else label for label in row])
    def named(rows):
        return [[names[label] for label in row] for row in rows if row]
    arguments = dict(scheme=IOB2, zero_division=0)
    case = {"names": names, "truth": truth, "predicted": predicted}
    try:
        precision, recall, f1, support = span_scores(named(truth), named(predicted), average="micro", **arguments)
        case["micro"] = [float(precision), float(recall), float(f1), int(support)]
        case["per_label"] = [[float(value) for value in row] for row in zip(*span_scores(named(truth), named(predicted), **arguments))]
        case["report"] = span_report(named(truth), named(predicted), digits=4, **arguments)
    except (TypeError, ValueError):  # seqeval takes neither no tokens nor no entity
        case["micro"], case["per_label"], case["report"] = [0.0, 0.0, 0.0, 0], [], None
    return case


def classification_case(classes, count, noise, labels, missing=()):
    names = [f"class {index}" + "x" * (3 * index) for index in range(classes)]
    present = [index for index in range(classes) if index not in missing]
    truth = RANDOM.choice(present, count)
    predicted = numpy.where(RANDOM.random(count) < noise, RANDOM.integers(classes, size=count), truth)
    listed = labels if labels is not None else sorted(set(truth) | set(predicted))
    report = metrics.classification_report(
        truth, predicted, labels=labels, target_names=[names[index] for index in listed], digits=4, zero_division=0
    )
    case = {
        "names": names,
        "truth": truth.tolist(),
        "predicted": predicted.tolist(),
        "labels": labels,
        "report": report,
        "confusion": metrics.confusion_matrix(truth, predicted, labels=range(classes)).tolist(),
        "accuracy": float(metrics.accuracy_score(truth, predicted)),
    }
    if classes == 2:
        undefined = float("nan")
        case["binary"] = [
            float(score(truth, predicted, zero_division=undefined))
            for score in (metrics.precision_score, metrics.recall_score, metrics.f1_score)
        ]
        case["binary"] = [None if value != value else value for value in case["binary"]]
    return case


def ranking_case(count, levels, share):
    """`levels` distinct scores at most, so that ties occur; 0 for scores of single precision without."""
    truth = (RANDOM.random(count) < share).astype(int)
    scores = RANDOM.random(count) + 0.3 * truth
    scores = scores.astype(numpy.float32).astype(float) if levels == 0 else numpy.floor(scores * levels) / levels
    case = {"truth": truth.tolist(), "scores": scores.tolist(), "auroc": None, "average_precision": None, "roc": None, "curve": None}
    if truth.any():
        case["average_precision"] = float(metrics.average_precision_score(truth, scores))
        case["curve"] = [values.tolist() for values in metrics.precision_recall_curve(truth, scores)]
        if not truth.all():
            case["auroc"] = float(metrics.roc_auc_score(truth, scores))
            false_positive, true_positive, thresholds = metrics.roc_curve(truth, scores)
            case["roc"] = [false_positive.tolist(), true_positive.tolist(), thresholds[1:].tolist()]
    return case


def expected_error(right, confidences):
    """The bins are scikit-learn's, which leaves out how many lie in each: upper edges belong to a bin."""
    shares, means = calibration_curve(right, confidences, n_bins=15, strategy="uniform")
    counts = numpy.bincount(numpy.searchsorted(numpy.linspace(0.0, 1.0, 16)[1:-1], confidences))
    counts = counts[counts > 0]
    return float((counts * numpy.abs(shares - means)).sum() / counts.sum())


def calibration_case(classes, count, sharpness, noise):
    """Logits that are `sharpness` times as sure as they may be, more or less; the temperature is where scipy finds the least cross-entropy."""
    logits = RANDOM.normal(size=(count, classes))
    truth = numpy.array([RANDOM.choice(classes, p=row) for row in softmax(logits, axis=1)])
    logits = (sharpness * logits + noise * RANDOM.normal(size=logits.shape)).astype(numpy.float32)
    wide = logits.astype(float)
    rows = numpy.arange(count)
    found = minimize_scalar(
        lambda scale: -log_softmax(wide * scale, axis=1)[rows, truth].mean(), bounds=(0.05, 20.0), method="bounded", options={"xatol": 1e-12}
    )
    temperature = 1.0 / found.x
    case = {"classes": classes, "truth": truth.tolist(), "logits": logits.flatten().tolist(), "temperature": temperature}
    for name, divisor in (("before", 1.0), ("after", temperature)):
        scores = softmax(wide / divisor, axis=1)
        of_second = scores[:, 1] if classes == 2 else scores.max(axis=1)
        right = truth if classes == 2 else scores.argmax(axis=1) == truth
        case[name] = {"scores": of_second.tolist(), "predicted": scores.argmax(axis=1).tolist(), "error": expected_error(right, of_second)}
    if classes == 2:
        scores = numpy.array(case["after"]["scores"])
        precision, recall, thresholds = metrics.precision_recall_curve(truth, scores)
        precision, recall = precision[:-1], recall[:-1]
        f1 = 2 * precision * recall / numpy.maximum(precision + recall, 1e-300)
        counted = lambda best: (scores >= thresholds[best]).tolist()
        case["f1"] = counted(numpy.flatnonzero(f1 == f1.max()).max())
        good = numpy.flatnonzero(precision >= 0.7)
        case["precision"] = counted(good[recall[good] == recall[good].max()].max()) if len(good) else None
        answers = numpy.array([(scores >= threshold).sum() for threshold in thresholds])
        few = numpy.flatnonzero(answers <= count // 5)
        case["alerts"] = counted(few.min()) if len(few) else None
        first = numpy.argsort(-scores, kind="stable")[: count // 5]
        case["at_budget"] = float(truth[first].mean())
    return case


def write(name, cases):
    lines = ",\n".join(json.dumps(case) for case in cases)
    (HERE / name).write_text(f"[\n{lines}\n]\n")


many = [f"T{index:02}" for index in range(46)]
write(
    "spans.json",
    [spans_case(["PER"], 6, 9, 0.3), spans_case(["LOC", "PER"], 1, 0, 0.0), spans_case(["A-B", "DEV", "DEV_ID", "PER"], 30, 20, 0.2)]
    + [spans_case(["LOC", "ORG", "PER"], 20, 15, noise) for noise in (0.0, 0.05, 0.3, 1.0)]
    + [spans_case(many, 40, 34, 0.1), spans_case(many, 4, 10, 1.0)]
    + [spans_case(["X", "Y"], 2, 6, 0.5) for _ in range(12)],
)
write(
    "classification.json",
    [classification_case(2, count, noise, None) for count, noise in ((40, 0.2), (33, 0.0), (100, 1.0), (1, 0.0))]
    + [classification_case(2, 30, 0.5, [0, 1], missing=[1]), classification_case(2, 20, 0.0, [0, 1], missing=[1])]
    + [classification_case(2, 10, 0.6, [1]), classification_case(2, 10, 0.0, [0, 1], missing=[0])]
    + [classification_case(5, 80, 0.4, labels, missing) for labels, missing in
       ((None, ()), ([0, 1, 2, 3, 4], (2,)), ([4, 0], ()), ([1, 2, 3], (0, 4)), (None, (1, 3)))]
    + [classification_case(93, 900, 0.15, None, missing=(7, 90)), classification_case(93, 900, 0.15, list(range(92)))]
    + [classification_case(4, 7, 0.7, None) for _ in range(10)],
)
write(
    "ranking.json",
    [ranking_case(count, levels, share) for count in (1, 2, 5, 60) for levels in (0, 1, 3, 10) for share in (0.3, 0.9)]
    + [ranking_case(20, 5, 0.0), ranking_case(20, 5, 1.0), ranking_case(300, 0, 0.1), ranking_case(300, 40, 0.5)]
    + [ranking_case(count, 0, 0.4) for count in (30, 200, 300)],
)
# Their own stream, so that what was there before stays as it is.
RANDOM = numpy.random.default_rng(20261129)
write(
    "calibration.json",
    [calibration_case(classes, count, sharpness, 0.3) for classes in (2, 3, 6) for count, sharpness in ((40, 1.0), (150, 3.0), (150, 0.4))],
)
