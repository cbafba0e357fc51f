#!/usr/bin/env python3
"""Make the fixtures of the families with BERT's layers, and of Ettin and mmBERT, from transformers' models of them.

    python -m venv venv && venv/bin/pip install torch transformers numpy safetensors
    venv/bin/python tests/parity/make_families.py

Writes next to itself, for each tiny configuration, `families/<name>/` with

    config.json             as transformers writes it
    model.safetensors       the encoder as `save_pretrained` writes it, and the two heads beside it
    batches.safetensors     twenty batches: ids, bounds, labels (4294967295 where ignored), anomaly, packed
    expected.safetensors    what float64 says of the first batch: `hidden`, `ner_logits`, `anomaly_logits`, `losses` (ner, anomaly, total) and
                            `gradient.<parameter>` of the total; and of training on all: `history`, a row per step of AdamW with the losses, the
                            norm of the gradient before clipping and the learning rate, and `final.<parameter>`
    checkpoint.safetensors  of Ettin and mmBERT: the same encoder as transformers writes it in a class with a head
    prediction.safetensors  what float64 says of the first batch with the head of transformers' class for whole texts: its parameters by our names,
                            `loss`, and `gradient.<parameter>` of these and of the tokens' embedding; and ModernBERT's, over tokens too

Dropout is off throughout: its random numbers are PyTorch's own. The optimiser is the one of `training/settings.json`.
"""
import json
import pathlib
import shutil
import tempfile

import numpy as np
import torch
import transformers as t
from safetensors.torch import load_file, save_file

from make_fixtures import IGNORE, in_float64, losses, packed

HERE = pathlib.Path(__file__).parent / "families"
LABELS, STEPS, VOCABULARY = 5, 20, 60
# What Ettin's and mmBERT's files have in common; both turn local layers as far as global ones.
PUBLISHED = dict(
    architectures=["ModernBertForMaskedLM"], model_type="modernbert", global_rope_theta=160000, local_rope_theta=160000, global_attn_every_n_layers=3,
    attention_bias=False, attention_dropout=0.0, embedding_dropout=0.0, mlp_bias=False, mlp_dropout=0.0, norm_bias=False, norm_eps=1e-5, layer_norm_eps=1e-5,
    hidden_activation="gelu", classifier_activation="gelu", classifier_bias=False, classifier_dropout=0.0, classifier_pooling="mean", decoder_bias=True,
    initializer_range=0.02, position_embedding_type="sans_pos", tie_word_embeddings=True, torch_dtype="float32",
)


class Joint(torch.nn.Module):
    def __init__(self, encoder):
        super().__init__()
        self.encoder, width = encoder, encoder.config.hidden_size
        self.ner_classifier, self.anomaly_classifier = torch.nn.Linear(width, LABELS), torch.nn.Linear(width, 2)

    def forward(self, ids, mask):
        hidden = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        return hidden, self.ner_classifier(hidden), self.anomaly_classifier(hidden[:, 0])

    def named(self):
        return {name.removeprefix("encoder."): parameter for name, parameter in self.named_parameters()}


def make_model(encoder):
    model = Joint(encoder).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            # As they come norms are all 1, biases 0 and attention is flat: nothing would be tested.
            if "classifier" in name:
                continue
            if parameter.ndim == 1:
                parameter.add_(0.2 * torch.randn_like(parameter))
            else:
                parameter.mul_(8)
    return model


def make_batch(random, lengths, first, last):
    ids = [np.concatenate([[first], random.integers(5, VOCABULARY, max(length - 2, 0)), [last]])[:length] for length in lengths]
    tags = [np.where(random.random(length) < 0.6, random.integers(0, LABELS, length), IGNORE) for length in lengths]
    return ids, tags, random.integers(0, 2, len(lengths))


def pad(batch, padding):
    ids, tags, anomaly = batch
    width = max(map(len, ids))
    padded, mask, labels = (np.full((len(ids), width), fill, dtype=np.int64) for fill in (padding, 0, -100))
    for row, (these, tag) in enumerate(zip(ids, tags)):
        padded[row, : len(these)], mask[row, : len(these)] = these, 1
        labels[row, : len(these)] = np.where(tag == IGNORE, -100, tag)
    return [torch.from_numpy(array) for array in (padded, mask, labels, anomaly)]


def named(prefix, tensors):
    return {f"{prefix}.{name}": tensor.detach().float().clone().contiguous() for name, tensor in tensors.items()}


def make(seed, config, encoder, first=3, last=4, name=None, **arguments):
    torch.manual_seed(seed)
    folder = HERE / (name or config.model_type)
    folder.mkdir(exist_ok=True, parents=True)
    model = make_model(encoder(config, **arguments))
    model.encoder.save_pretrained(folder)
    tensors = load_file(folder / "model.safetensors")
    tensors |= {name: parameter.detach().clone() for name, parameter in model.named().items() if "classifier" in name}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})

    random = np.random.default_rng(seed)
    batches = [make_batch(random, lengths, first, last) for lengths in [[11, 1, 24, 6]] + [random.integers(3, 14, 3) for _ in range(STEPS - 1)]]
    save_file({f"{step}.{name}": tensor for step, batch in enumerate(batches) for name, tensor in packed(batch).items()}, folder / "batches.safetensors")

    model = in_float64(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: max(0.0, (STEPS - step) / STEPS))
    history, expected = [], {}
    for batch in batches:
        ids, mask, tags, anomaly = pad(batch, config.pad_token_id)
        optimizer.zero_grad()
        hidden, ner_logits, anomaly_logits = model(ids, mask)
        ner, classes = losses(ner_logits, anomaly_logits, tags, anomaly)
        (ner + classes).backward()
        if not expected:
            real = mask.bool()
            expected = {"hidden": hidden[real], "ner_logits": ner_logits[real], "anomaly_logits": anomaly_logits}
            expected = {name: tensor.detach().float().clone() for name, tensor in expected.items()}
            expected["losses"] = torch.stack([ner, classes, ner + classes]).detach().clone()
            expected |= named("gradient", {name: parameter.grad for name, parameter in model.named().items()})
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        history.append([ner.item(), classes.item(), (ner + classes).item(), norm.item(), schedule.get_last_lr()[0]])
        optimizer.step()
        schedule.step()
    expected["history"] = torch.tensor(history, dtype=torch.float64)
    save_file(expected | named("final", model.named()), folder / "expected.safetensors")


def of_published(seed, name, whole, first, last, **sizes):
    """A family that is ModernBERT with other numbers: `config.json` in the spelling of its published files, and `checkpoint.safetensors` of a class with a head."""
    written = dict(PUBLISHED, vocab_size=VOCABULARY, hidden_size=16, intermediate_size=24, num_attention_heads=2, max_position_embeddings=24, local_attention=8, **sizes)
    config = t.ModernBertConfig.from_dict(dict(written))
    assert all(rope["rope_theta"] == 160_000 for rope in config.rope_parameters.values())
    make(seed, config, t.ModernBertModel, first=first, last=last, name=name)
    folder = HERE / name
    (folder / "config.json").write_text(json.dumps(written, indent=2) + "\n")
    config.num_labels = LABELS
    model = whole(config)
    encoder = {name: tensor for name, tensor in load_file(folder / "model.safetensors").items() if "classifier" not in name}
    model.base_model.load_state_dict(encoder)
    save_model_file(model, folder / "checkpoint.safetensors")


def save_model_file(model, path):
    """What `save_pretrained` writes, without the configuration of the class."""
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        shutil.copyfile(pathlib.Path(folder) / "model.safetensors", path)


def predict(config, sequences, dense, norm=None, tokens=None, first=3, last=4):
    """With transformers' own heads: `dense` and `norm` are where they are in the class, behind them its `classifier` or `out_proj`."""
    torch.manual_seed(9)
    folder = HERE / config.model_type
    folder.mkdir(exist_ok=True, parents=True)
    classes = {"anomaly": (sequences, 2)} | ({"ner": (tokens, LABELS)} if tokens else {})
    random = np.random.default_rng(9)
    batch = make_batch(random, [7, 1, 12], first, last)
    ids, mask, labels, anomaly = pad(batch, config.pad_token_id)
    found, encoder = {}, None
    for head, (model, count) in classes.items():
        config.num_labels = count
        model = make_whole(model(config), encoder)
        encoder = encoder or {name: parameter.detach().clone() for name, parameter in model.base_model.state_dict().items()}
        model = model.double()
        logits = model(input_ids=ids, attention_mask=mask).logits
        target = anomaly if head == "anomaly" else labels.view(-1)
        loss = torch.nn.functional.cross_entropy(logits.reshape(-1, count), target, ignore_index=-100)
        loss.backward()
        ours = {f"{head}_dense": dense, f"{head}_norm": norm, f"{head}_classifier": "classifier.out_proj" if dense.startswith("classifier") else "classifier"}
        for our_name, name in ours.items():
            for parameter_name, parameter in model.get_submodule(name).named_parameters() if name else ():
                found[f"{our_name}.{parameter_name}"] = parameter.detach().float()
                found[f"gradient.{our_name}.{parameter_name}"] = parameter.grad.float()
        found[f"gradient.{head}.tokens"] = model.get_input_embeddings().weight.grad.float()
        found[f"loss.{head}"] = loss.detach()
    found |= {f"encoder.{name}": tensor.float() for name, tensor in encoder.items() if "pooler" not in name and "_ids" not in name}
    found |= packed(batch)
    save_file({name: tensor.detach().clone().contiguous() for name, tensor in found.items()}, folder / "prediction.safetensors")
    if not (folder / "config.json").exists():
        config.save_pretrained(folder)


def make_whole(model, encoder):
    model = model.eval()
    if hasattr(model, "set_attn_implementation"):
        model.set_attn_implementation("sdpa")
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter)) if parameter.ndim == 1 else parameter.mul_(8)
        if encoder:
            model.base_model.load_state_dict(encoder, strict=False)
    return model


if __name__ == "__main__":
    sizes = dict(vocab_size=VOCABULARY, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24)
    of_bert = dict(max_position_embeddings=24, type_vocab_size=2, pad_token_id=0)
    of_fairseq = dict(max_position_embeddings=26, type_vocab_size=1, pad_token_id=1, layer_norm_eps=1e-5)
    make(1, t.BertConfig(**sizes, **of_bert), t.BertModel, add_pooling_layer=False)
    make(2, t.RobertaConfig(**sizes, **of_fairseq), t.RobertaModel, first=0, last=2, add_pooling_layer=False)
    make(3, t.XLMRobertaConfig(**sizes, **of_fairseq), t.XLMRobertaModel, first=0, last=2, add_pooling_layer=False)
    make(4, t.CamembertConfig(**sizes, **of_fairseq), t.CamembertModel, first=0, last=2, add_pooling_layer=False)
    # Widths that fill no vector; three parts that begin on no cache line.
    distil = t.DistilBertConfig(vocab_size=VOCABULARY, dim=18, n_layers=2, n_heads=3, hidden_dim=23, max_position_embeddings=24, pad_token_id=0)
    make(5, distil, t.DistilBertModel)
    make(6, t.ElectraConfig(**sizes | dict(embedding_size=12), **of_bert), t.ElectraModel)
    # Distances up to 4 one by one, and beyond them four more on either side.
    deberta = t.DebertaV2Config(
        **sizes, max_position_embeddings=24, type_vocab_size=0, pad_token_id=0, layer_norm_eps=1e-7, relative_attention=True, position_buckets=8,
        norm_rel_ebd="layer_norm", share_att_key=True, pos_att_type="p2c|c2p", max_relative_positions=-1, position_biased_input=False,
    )
    make(7, deberta, t.DebertaV2Model)
    predict(t.BertConfig(**sizes, **of_bert), t.BertForSequenceClassification, "bert.pooler.dense")
    predict(t.RobertaConfig(**sizes, **of_fairseq), t.RobertaForSequenceClassification, "classifier.dense", first=0, last=2)
    predict(distil, t.DistilBertForSequenceClassification, "pre_classifier")
    predict(t.ElectraConfig(**sizes | dict(embedding_size=12), **of_bert), t.ElectraForSequenceClassification, "classifier.dense")
    modern = t.ModernBertConfig(**sizes, pad_token_id=0, bos_token_id=3, eos_token_id=4, cls_token_id=3, sep_token_id=4, local_attention=8, max_position_embeddings=24)
    predict(modern, t.ModernBertForSequenceClassification, "head.dense", "head.norm", t.ModernBertForTokenClassification)
    predict(deberta, t.DebertaV2ForSequenceClassification, "pooler.dense")
    # Ettin 17M has seven layers; mmBERT's tokens are Gemma's, whose last one is 1 and whose first one is 2.
    of_published(10, "ettin", t.ModernBertForMaskedLM, 3, 4, num_hidden_layers=7, pad_token_id=0, bos_token_id=3, eos_token_id=4, cls_token_id=3, sep_token_id=4)
    of_published(11, "mmbert", t.ModernBertForTokenClassification, 2, 1, num_hidden_layers=4, pad_token_id=0, bos_token_id=2, eos_token_id=1, cls_token_id=1, sep_token_id=1, mask_token_id=4)
