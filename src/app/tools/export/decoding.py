import json, pathlib, sys

import numpy as np
import regex
from tokenizers import Tokenizer


class Reader:
    """Reads what the heads of a model say of a text as `pipeline predict` does. `said` gives the logits of a head for the ids of some tokens."""

    def __init__(self, description, tokenizer):
        self.__dict__ |= json.loads(pathlib.Path(description).read_text(encoding="utf-8"))
        self.tokenizer = Tokenizer.from_file(str(tokenizer))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(self.max_length, stride=self.overlap)

    def read(self, text, said):
        first = self.tokenizer.encode(text)
        windows = [first, *first.overflowing] if self.overlap else [first]
        answer = {}
        for head in self.heads:
            if not regex.search(r"\P{White_Space}", text):
                answer |= {"entities": []} if head["task"] == "tagging" else self.answer(head, None, None)
            elif head["task"] == "tagging":
                answer["entities"] = self.entities(text, head, *self.merged(windows, said, head["name"]))
            else:
                score = likelihood(np.mean([said(head["name"], window.ids) for window in windows], axis=0))
                label = score.argmax()
                if len(score) == 2 and head["threshold"] is not None:
                    label = int(score[1] >= head["threshold"])
                answer |= self.answer(head, head["labels"][label], float(score[1] if len(score) == 2 else score.max()))
        return answer | ({"truncated": True} if first.overflowing and not self.overlap else {})

    def answer(self, head, label, score):
        return {head["name"]: label, head["name"] + "_score": score}

    def merged(self, windows, said, name):
        """Offsets and logits of a text's tokens: those of the window that has the most tokens on both sides of it."""
        seen, offsets, logits, begin = [], [], [], 0
        for window in windows:
            inside = [token for token, special in enumerate(window.special_tokens_mask) if not special]
            rows = said(name, window.ids)[inside]
            for place, token in enumerate(inside):
                around, at = min(place, len(inside) - 1 - place), begin + place
                if at == len(seen):
                    seen.append(-1), offsets.append(window.offsets[token]), logits.append(None)
                if around > seen[at]:
                    seen[at], logits[at] = around, rows[place]
            begin += len(inside) - self.overlap
        return offsets, np.array(logits)

    def entities(self, text, head, offsets, logits):
        if not len(offsets):
            return []
        shown = [visible(text, *token) for token in offsets]
        likely = np.log(likelihood(logits))
        labels = self.told(head["labels"], likely, units(text, shown) if self.decoding == "words" else [[t] for t in range(len(shown))])
        scores = np.exp(likely[np.arange(len(labels)), labels])
        found, opened, past = [], False, 0
        for (start, end), label in zip(shown, (head["labels"][label] for label in labels)):
            tag, _, kind = label.partition("-")
            if tag == "B":
                opened = start >= past
                found += [[start, end, kind]] if opened else []
            elif tag == "I" and opened and found[-1][2] == kind:
                if start < end:
                    found[-1][0] = start if found[-1][0] == found[-1][1] else found[-1][0]
                    found[-1][1] = max(found[-1][1], end)
            else:
                opened = False
            past = found[-1][1] if opened else past
        spans = [span for span in found if span[0] < span[1]]
        mean = lambda span: float(np.mean([score for score, (start, end) in zip(scores, shown) if span[0] <= start and end <= span[1]]))
        entities = [{"start": span[0], "end": span[1], "label": span[2], "score": mean(span)} for span in spans]
        return [entity for entity in entities if head["threshold"] is None or entity["score"] >= head["threshold"]]

    def told(self, names, likely, units):
        """The label of each token: the tokens of a unit go on with what its first one begins."""
        types = len(names) // 2
        inside = np.array([label + types if label < types else label for label in range(len(names))])
        scores = np.array([likely[unit[0]] + likely[unit[1:]][:, inside].sum(0) for unit in units])
        best = sequence(scores, types) if self.viterbi else scores.argmax(1)
        return np.concatenate([[label, *[inside[label]] * (len(unit) - 1)] for unit, label in zip(units, best)]).astype(int)


def likelihood(logits):
    shifted = np.exp(logits.astype(np.float64) - logits.max(-1, keepdims=True))
    return shifted / shifted.sum(-1, keepdims=True)


def visible(text, start, end):
    """The characters of a token without white space at its ends."""
    at = [at for at in range(start, end) if not regex.match(r"\p{White_Space}", text[at])]
    return (at[0], at[-1] + 1) if at else (start, start)


def units(text, shown):
    """The tokens of each word, as Unicode's UAX 29 has words."""
    begins, found, past = {word.start() for word in regex.finditer(r"(?w)\b", text)}, [], 0
    for token, (start, end) in enumerate(shown):
        if start == end or (start >= past and start in begins) or not found:
            found.append([])
        found[-1].append(token)
        past = max(past, end)
    return found


def sequence(scores, types):
    """The most likely labels in which every `I-X` follows `B-X` or `I-X`."""
    sums, before = np.zeros(scores.shape[1]), []
    for unit, score in enumerate(scores):
        come = np.full(len(sums), sums.argmax())
        for label in range(types, 2 * types):
            come[label] = label if sums[label] > sums[label - types] else label - types
        sums = sums[come] + score
        sums[types : 2 * types] = -np.inf if unit == 0 else sums[types : 2 * types]
        before.append(come)
    labels = [sums.argmax()]
    for come in before[:0:-1]:
        labels.append(come[labels[-1]])
    return labels[::-1]
