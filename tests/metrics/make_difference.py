"""Makes difference.json: what scipy says of differences between two settings.

    pip install scipy==1.17.1 numpy
    python tests/metrics/make_difference.py

Sign flips are exact, so that ours are theirs to the last digits. Intervals are those of many draws; `blur` is how far apart two lots of 4,000 draws have
their ends (three standard deviations over repeats), which is what ours may differ by. scipy draws from one list, so that seeds with texts inside them
are drawn by the loop below, of which the cases with one seed, and those without texts, are scipy's own.
"""

import json
import pathlib

import numpy
from scipy import stats

HERE = pathlib.Path(__file__).parent
RANDOM = numpy.random.default_rng(20261129)


def sign_flips():
    cases = []
    for count in [1, 2, 3, 5, 6, 8, 10]:
        for shift in [0.0, 0.01, 0.05]:
            a = RANDOM.normal(0.8, 0.02, count).round(4)
            b = (a + RANDOM.normal(shift, 0.02, count)).round(4)
            differences = b - a
            if count == 1:
                p = 1.0
            else:
                mean = lambda x, y, axis: numpy.mean(y - x, axis=axis)
                p = stats.permutation_test(
                    (a, b), mean, permutation_type="samples", n_resamples=numpy.inf, alternative="two-sided", vectorized=True
                ).pvalue
            cases.append({"differences": differences.tolist(), "p": float(p)})
    return cases


def f1(counts):
    """Of (matched, predicted, actual), summed over texts."""
    matched, predicted, actual = (counts[..., part].sum(axis=-1) for part in range(3))
    return 2 * matched / (predicted + actual)


def texts_of(quality, actual):
    predicted = RANDOM.binomial(actual + 1, 0.8)
    return numpy.stack([RANDOM.binomial(numpy.minimum(predicted, actual), quality), predicted, actual], axis=-1)


def drawn(a, b, seeds, texts, paired, draws, generator):
    """Differences of means over drawn seeds, each scored on the drawn texts: a, b (seeds, texts, 3)."""
    found = []
    for _ in range(draws):
        of_a = generator.integers(0, len(a), len(a)) if seeds else numpy.arange(len(a))
        of_b = of_a if paired else generator.integers(0, len(b), len(b))
        chosen = generator.integers(0, a.shape[1], a.shape[1]) if texts else numpy.arange(a.shape[1])
        found.append(f1(b[of_b][:, chosen]).mean() - f1(a[of_a][:, chosen]).mean())
    return found


def ends(values):
    return numpy.quantile(values, [0.025, 0.975])


def interval(a, b, seeds, texts, paired):
    if len(a) == 1 and texts:
        statistic = lambda x, y, axis=-1: f1(b[0][y.astype(int)]) - f1(a[0][x.astype(int)])
        places = numpy.arange(a.shape[1])
        result = stats.bootstrap(
            (places, places), statistic, paired=True, method="percentile", n_resamples=40_000, vectorized=True, batch=500, rng=RANDOM
        )
        low, high = result.confidence_interval
    elif not texts and paired:
        differences = f1(b) - f1(a)
        result = stats.bootstrap((differences,), numpy.mean, method="percentile", n_resamples=100_000, rng=RANDOM)
        low, high = result.confidence_interval
    else:
        low, high = ends(drawn(a, b, seeds, texts, paired, 40_000, RANDOM))
    repeats = numpy.array([ends(drawn(a, b, seeds, texts, paired, 4_000, RANDOM)) for _ in range(12)])
    return [float(low), float(high)], float(3 * repeats.std(axis=0, ddof=1).max())


def intervals():
    cases = []
    for count, texts, paired in [(1, True, True), (3, True, True), (5, True, True), (6, False, True), (4, True, False)]:
        actual = RANDOM.poisson(2, 60)
        of_text = RANDOM.beta(6, 2, 60)
        a = numpy.stack([texts_of(numpy.clip(of_text + RANDOM.normal(0, 0.02), 0, 1), actual) for _ in range(count)])
        b = numpy.stack([texts_of(numpy.clip(of_text + 0.05 + RANDOM.normal(0, 0.02), 0, 1), actual) for _ in range(count)])
        ends_of, blur = interval(a, b, count > 1, texts, paired)
        cases.append({"a": a.tolist(), "b": b.tolist(), "texts": texts, "paired": paired, "interval": ends_of, "blur": blur})
    return cases


def main():
    found = {"sign_flips": sign_flips(), "intervals": intervals()}
    (HERE / "difference.json").write_text(json.dumps(found, separators=(",", ":")) + "\n")


main()
