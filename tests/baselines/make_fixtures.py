"""Probabilities of scikit-learn's logistic regression on n-grams, to hold `method = "linear"` of `baseline` against.

    pip install scikit-learn
    python tests/baselines/make_fixtures.py
"""

import json
import pathlib

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline, make_union

TRAIN = [
    ("disk sda failed on node7", "high"), ("Disk sdb failed on node9", "high"),
    ("node7 rebooted, all well", "low"), ("backup of node9 done", "low"),
    ("fan 3 slows down", "middle"), ("fan 12 slows down a bit", "middle"),
    ("kernel panic: not syncing", "high"), ("user_a logged in", "low"),
    ("temperature of cpu0 rises to 81°C", "middle"), ("Grüße vom Knoten, alles gut", "low"),
]
TEST = ["disk sdc failed", "fan 7 slows", "all well on node7", "nothing like it", "", "é", "kernel kernel panic"]


def model():
    words = TfidfVectorizer(ngram_range=(1, 2))
    characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4))
    return make_pipeline(make_union(words, characters), LogisticRegression(tol=1e-8, max_iter=10_000))


def probabilities(train):
    texts, classes = zip(*train)
    fitted = model().fit(texts, classes)
    return {"train": train, "classes": list(fitted.classes_), "test": TEST,
            "probabilities": fitted.predict_proba(TEST).tolist()}


two = [(text, name if name == "high" else "other") for text, name in TRAIN]
fixture = {"three": probabilities(TRAIN), "two": probabilities(two)}
path = pathlib.Path(__file__).with_name("linear.json")
path.write_text(json.dumps(fixture, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
