#!/usr/bin/env python3
"""Hold what `pipeline export --hf` and `--onnx` wrote against the model that they were written from.

    python tests/export/check.py PIPELINE MODEL TEXTS TOLERANCE hf FOLDER
    python tests/export/check.py PIPELINE MODEL TEXTS TOLERANCE onnx FILE

Needs torch, transformers, safetensors and regex, and for `onnx` onnxruntime. On every line of TEXTS it compares

- the logits of each head of what was written with those of the encoder in MODEL, as transformers computes it, and the head's own parameters there:
  the label of every token must be the same, and no probability may differ by more than TOLERANCE;
- what `transformers.pipeline` says with these (`hf`);
- what the example says with what `pipeline predict MODEL` says: the same entities and classes, and scores within TOLERANCE.

Prints how far they are apart at most. Exits with 1 at the first difference.
"""
import json, pathlib, subprocess, sys

import torch
from safetensors.torch import load_file
from transformers import AutoModel, AutoModelForSequenceClassification, AutoModelForTokenClassification, AutoTokenizer, pipeline

PROGRAM, MODEL, TEXTS, TOLERANCE, FORM, WRITTEN = sys.argv[1:]
MODEL, TEXTS, TOLERANCE, WRITTEN = pathlib.Path(MODEL), pathlib.Path(TEXTS), float(TOLERANCE), pathlib.Path(WRITTEN)
HEADS = json.loads((MODEL / "heads.json").read_text())
if FORM == "hf":
    HEADS["heads"] = [head for head in HEADS["heads"] if (WRITTEN / head["name"]).is_dir()]
texts = TEXTS.read_text(encoding="utf-8").removesuffix("\n").split("\n")
tokenizer = AutoTokenizer.from_pretrained(MODEL)
CLASSES = {"tagging": AutoModelForTokenClassification, "classification": AutoModelForSequenceClassification}
TASKS = {"tagging": "token-classification", "classification": "text-classification"}


def reference():
    """Logits of each head by the encoder that transformers loads, and the head's own parameters."""
    encoder, tensors = AutoModel.from_pretrained(MODEL).eval(), load_file(MODEL / "model.safetensors")
    model_type = encoder.config.model_type
    activation = {"modernbert": torch.nn.GELU(), "electra": torch.nn.GELU(), "deberta-v2": torch.nn.GELU(), "distilbert": torch.nn.ReLU()}.get(model_type, torch.nn.Tanh())
    epsilon = getattr(encoder.config, "norm_eps", 0)

    def head(hidden, head):
        name = head["name"]
        if head["task"] == "classification":
            hidden = hidden[:, 0]
        if f"{name}_dense.weight" in tensors:
            hidden = activation(torch.nn.functional.linear(hidden, tensors[f"{name}_dense.weight"], tensors.get(f"{name}_dense.bias")))
        if f"{name}_norm.weight" in tensors:
            hidden = torch.nn.functional.layer_norm(hidden, hidden.shape[-1:], tensors[f"{name}_norm.weight"], eps=epsilon)
        logits = torch.nn.functional.linear(hidden, tensors[f"{name}_classifier.weight"], tensors[f"{name}_classifier.bias"])
        return logits / (head["temperature"] if head["task"] == "classification" else 1.0)

    return lambda ids, of: head(encoder(input_ids=ids).last_hidden_state, of)


def written():
    """Logits of each head by what was written."""
    if FORM == "hf":
        models = {head["name"]: CLASSES[head["task"]].from_pretrained(WRITTEN / head["name"]).eval() for head in HEADS["heads"]}
        return lambda ids, of: models[of["name"]](input_ids=ids).logits
    import onnxruntime

    session = onnxruntime.InferenceSession(WRITTEN)

    def logits(ids, of):
        # A row of padding beneath, and two behind: neither may change anything.
        padded = torch.nn.functional.pad(ids, (0, 2, 0, 1))
        mask = torch.nn.functional.pad(torch.ones_like(ids), (0, 2, 0, 1))
        said = session.run([of["name"] + "_logits"], {"input_ids": padded.numpy(), "attention_mask": mask.numpy()})[0]
        said = torch.from_numpy(said[:1])
        return said[:, : ids.shape[1]] if of["task"] == "tagging" else said

    return logits


@torch.no_grad()
def compare_logits():
    ours, theirs, worst = reference(), written(), 0.0
    for text in filter(str.strip, texts):
        ids = tokenizer(text, truncation=True, max_length=HEADS["max_length"], return_tensors="pt").input_ids
        for head in HEADS["heads"]:
            one, other = ours(ids, head), theirs(ids, head)
            assert one.argmax(-1).equal(other.argmax(-1)), f"{head['name']} says something else of {text!r}"
            worst = max(worst, (one.softmax(-1) - other.softmax(-1)).abs().max().item())
    assert worst <= TOLERANCE, f"probabilities differ by {worst}"
    return worst


def compare_pipelines(predicted):
    worst = 0.0
    for head in HEADS["heads"]:
        options = {"top_k": None} if head["task"] == "classification" else {}
        said = pipeline(TASKS[head["task"]], model=str(WRITTEN / head["name"]), **options)
        labels = set(head["labels"])
        for text, answer in zip(texts, predicted):
            if not text.strip():
                continue
            if head["task"] == "tagging":
                assert {token["entity"] for token in said(text)} <= labels, text
            elif not HEADS["overlap"]:
                scores = {label["label"]: label["score"] for label in said([text], truncation=True)[0]}
                wanted = head["labels"][1] if len(head["labels"]) == 2 else max(scores, key=scores.get)
                worst = max(worst, abs(scores[wanted] - answer[head["name"] + "_score"]))
    assert worst <= TOLERANCE, f"scores of pipelines differ by {worst}"
    return worst


def compare_answers(predicted):
    example = WRITTEN / "predict.py" if FORM == "hf" else WRITTEN.with_suffix(".py")
    with TEXTS.open() as lines:
        output = subprocess.run([sys.executable, example], stdin=lines, stdout=subprocess.PIPE, check=True, text=True, encoding="utf-8").stdout
    answers = [json.loads(line) for line in output.splitlines()]
    worst, found = 0.0, 0
    assert len(answers) == len(predicted)
    for one, other in zip(predicted, answers):
        assert one.keys() >= other.keys(), f"{one}\n{other}"
        for name in other:
            if name == "entities":
                places = lambda answer: [(it["start"], it["end"], it["label"]) for it in answer[name]]
                assert places(one) == places(other), f"{one}\n{other}"
                scores = [(it["score"], same["score"]) for it, same in zip(one[name], other[name])]
                found += len(scores)
            elif name.endswith("_score") and one[name] is not None:
                scores = [(one[name], other[name])]
            else:
                assert one[name] == other[name], f"{one}\n{other}"
                scores = []
            worst = max([worst, *(abs(score - same) for score, same in scores)])
    assert worst <= TOLERANCE, f"scores of answers differ by {worst}"
    return worst, found


lines = subprocess.run([PROGRAM, "predict", MODEL, TEXTS], stdout=subprocess.PIPE, check=True, text=True, encoding="utf-8").stdout
predicted = [json.loads(line) for line in lines.splitlines()]
logits = compare_logits()
pipelines = f", of pipelines by {compare_pipelines(predicted):.1e}" if FORM == "hf" else ""
answers, found = compare_answers(predicted)
print(f"{len(texts)} texts, {found} entities: probabilities differ by {logits:.1e}{pipelines}, scores of the same answers by {answers:.1e}")
