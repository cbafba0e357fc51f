"""Corpora as their own ecosystems write them, and what these read from them: `pip install datasets spacy label-studio-sdk seqeval`.

    python tests/readers/make_fixtures.py

`expected.json` has, for each file, the texts and entities (start, end, label, in characters) that the library of its format reads.
"""

import gzip
import json
from pathlib import Path

import datasets
import spacy
import srsly
from label_studio_sdk.converter import Converter
from seqeval.metrics.sequence_labeling import get_entities
from spacy.training import Example

HERE = Path(__file__).parent
TEXTS = [
    ("Ada Lovelace wrote to Köln.", [(0, 12, "PER"), (22, 26, "LOC")]),
    ("🚚 left Rome for São Paulo 🚚", [(7, 11, "LOC"), (16, 25, "LOC")]),
    ("nobody is here", []),
    ("IBM hired Ada", [(0, 3, "ORG"), (10, 13, "PER")]),
]
TAGS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG", "I-ORG"]
expected = {}


def entities_of_tokens(tokens, tags):
    """What seqeval, as conlleval, says of tags, in characters of the tokens joined with spaces."""
    starts, at = [], 0
    for token in tokens:
        starts.append(at)
        at += len(token) + 1
    found = get_entities(tags)
    return [[starts[first], starts[last] + len(tokens[last]), kind] for kind, first, last in found]


def of_tokens(rows):
    return [{"text": " ".join(tokens), "entities": entities_of_tokens(tokens, tags)} for tokens, tags in rows]


def tokenized():
    """Our texts with a tag for each of spaCy's tokens."""
    nlp = spacy.blank("xx")
    rows = []
    for text, entities in TEXTS:
        doc = nlp.make_doc(text)
        reference = Example.from_dict(doc, {"entities": entities}).reference
        tags = ["O" if t.ent_iob_ == "O" else f"{t.ent_iob_}-{t.ent_type_}" for t in reference]
        rows.append(([t.text for t in doc], tags))
    return rows


def with_datasets(rows):
    features = datasets.Features({
        "id": datasets.Value("string"),
        "tokens": datasets.Sequence(datasets.Value("string")),
        "ner_tags": datasets.Sequence(datasets.ClassLabel(names=TAGS)),
    })
    columns = {
        "id": [str(number) for number in range(len(rows))],
        "tokens": [tokens for tokens, _ in rows],
        "ner_tags": [[TAGS.index(tag) for tag in tags] for _, tags in rows],
    }
    whole = datasets.Dataset.from_dict(columns, features=features)
    path = HERE / "datasets.jsonl"
    whole.to_json(str(path), force_ascii=False)
    again = datasets.load_dataset("json", data_files=str(path), features=features, split="train")
    names = again.features["ner_tags"].feature.names
    expected["datasets.jsonl"] = of_tokens([(row["tokens"], [names[tag] for tag in row["ner_tags"]]) for row in again])
    with_parquet(columns, features)
    table = datasets.Dataset.from_dict({
        "sentence": [text for text, _ in TEXTS],
        "severity": ["low", "high", None, "low"],
        "note": ["a, b", 'says "x"', "two\nlines", ""],
    })
    table.to_csv(str(HERE / "datasets.csv"))
    again = datasets.load_dataset("csv", data_files=str(HERE / "datasets.csv"), split="train")
    expected["datasets.csv"] = [{"text": row["sentence"], "severity": row["severity"], "note": row["note"]} for row in again]


def with_parquet(columns, features):
    """The same with a class, whose names stand in the file as those of the tags do."""
    severity = [0, 1, None, -1]
    features = datasets.Features({**features, "severity": datasets.ClassLabel(names=["low", "high"])})
    path = HERE / "datasets.parquet"
    datasets.Dataset.from_dict({**columns, "severity": severity}, features=features).to_parquet(str(path))
    again = datasets.load_dataset("parquet", data_files=str(path), split="train")
    names, classes = again.features["ner_tags"].feature.names, again.features["severity"].names
    texts = of_tokens([(row["tokens"], [names[tag] for tag in row["ner_tags"]]) for row in again])
    said = [classes[row["severity"]] if row["severity"] in (0, 1) else None for row in again]
    expected["datasets.parquet"] = [{**text, "severity": name} for text, name in zip(texts, said)]


def with_spacy():
    nlp = spacy.blank("xx")
    pairs = [(text, {"entities": entities}) for text, entities in TEXTS]
    srsly.write_jsonl(HERE / "spacy.jsonl", pairs)
    srsly.write_json(HERE / "spacy.json", pairs)
    read = []
    for text, annotations in srsly.read_jsonl(HERE / "spacy.jsonl"):
        reference = Example.from_dict(nlp.make_doc(text), annotations).reference
        read.append({"text": text, "entities": [[e.start_char, e.end_char, e.label_] for e in reference.ents]})
    expected["spacy.jsonl"] = expected["spacy.json"] = read


def with_conll(rows):
    """Tags of every scheme, with sequences that are none of it."""
    wrong = (["in", "New", "York", "Ada"], ["O", "I-LOC", "I-LOC", "I-PER"])

    def iob1(tags):
        out, before = [], "O"
        for tag in tags:
            begins = tag.startswith("B-") and before[2:] == tag[2:]
            out.append(tag if begins or tag == "O" else "I-" + tag[2:])
            before = tag
        return out

    def iobes(tags):
        out = []
        for tag, after in zip(tags, [*tags[1:], "O"]):
            ends = after == "O" or after.startswith("B-")
            prefix = {"B": "S" if ends else "B", "I": "E" if ends else "I", "O": "O"}[tag[0]]
            out.append("O" if tag == "O" else prefix + tag[1:])
        return out

    files = {
        "iob2.conll": ([*rows, wrong], "{word}\t{tag}\n"),
        "iob1.conll": ([(tokens, iob1(tags)) for tokens, tags in rows], "{word} NN _ {tag}\n"),
        "iobes.txt": ([(tokens, iobes(tags)) for tokens, tags in rows], "{word} {tag}\n"),
    }
    for name, (sentences, line) in files.items():
        text = "-DOCSTART- -X- O O\n\n" if name == "iob1.conll" else ""
        for tokens, tags in sentences:
            text += "".join(line.format(word=word, tag=tag) for word, tag in zip(tokens, tags)) + "\n"
        (HERE / name).write_text(text)
        expected[name] = of_tokens(sentences)
    data = (HERE / "iob2.conll").read_bytes()
    (HERE / "iob2.conll.gz").write_bytes(gzip.compress(data, mtime=0))
    expected["iob2.conll.gz"] = expected["iob2.conll"]


def with_label_studio():
    utf16 = lambda text, at: len(text[:at].encode("utf-16-le")) // 2
    config = """<View><Labels name="label" toName="text"><Label value="PER"/><Label value="LOC"/><Label value="ORG"/></Labels>
    <Choices name="severity" toName="text"><Choice value="low"/><Choice value="high"/></Choices><Text name="text" value="$text"/></View>"""
    tasks = []
    for number, (text, entities) in enumerate(TEXTS):
        result = [
            {"id": f"r{number}{index}", "type": "labels", "from_name": "label", "to_name": "text", "origin": "manual",
             "value": {"start": utf16(text, start), "end": utf16(text, end), "text": text[start:end], "labels": [label]}}
            for index, (start, end, label) in enumerate(entities)
        ]
        result.append({"id": f"c{number}", "type": "choices", "from_name": "severity", "to_name": "text", "origin": "manual",
                       "value": {"choices": ["low" if number % 2 else "high"]}})
        about = {"completed_by": 1, "lead_time": 3.5, "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z"}
        tasks.append({"id": number + 1, "data": {"text": text},
                      "annotations": [{"id": number + 1, "was_cancelled": False, "ground_truth": False, "result": result, **about}]})
    refused = json.loads(json.dumps(tasks[0]))
    refused["id"], refused["annotations"][0]["was_cancelled"] = 9, True
    path = HERE / "label_studio.json"
    path.write_text(json.dumps([*tasks, refused], ensure_ascii=False, indent=1))
    converter = Converter(config=config, project_dir=str(HERE), download_resources=False)
    converter.convert_to_json_min(str(path), str(HERE), is_dir=False)
    (HERE / "result.json").rename(HERE / "label_studio_min.json")
    read = []
    for row in json.loads((HERE / "label_studio_min.json").read_text()):
        units = row["text"].encode("utf-16-le")
        back = lambda at: len(units[: 2 * at].decode("utf-16-le"))
        read.append({"text": row["text"], "severity": row["severity"],
                     "entities": [[back(m["start"]), back(m["end"]), m["labels"][0]] for m in row.get("label", [])]})
    expected["label_studio.json"] = expected["label_studio_min.json"] = read


rows = tokenized()
with_datasets(rows)
with_spacy()
with_conll(rows)
with_label_studio()
lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(texts, ensure_ascii=False)}" for name, texts in sorted(expected.items()))
(HERE / "expected.json").write_text("{\n" + lines + "\n}\n")
