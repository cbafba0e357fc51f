"""The windows of long texts as transformers makes them: `windows.json` and the tokenizer that they were made with, `tokenizer.json`.

    pip install tokenizers transformers
    python tests/windows/make_fixtures.py

Made with tokenizers 0.23 and transformers 5; needs neither a model nor the network.
"""

import json
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

HERE = Path(__file__).parent

TEXTS = [
    "",
    "Ann",
    "Backup of db-07 finished at 04:40, and web-12 was restarted as planned.",
    "Bea called about the crates that left the old port of Lyon on day 7, and nobody knew where they had gone since.",
    "Jose\u0301 Müller 🦀 wrote: «les caisses sont à Zürich» — 192.0.2.1, 10.0.0.255, fe80::1 and /srv/run/p1/q2/r3.",
    "  spaces   between\tand\nlines\n\n  " * 3,
]
SETTINGS = [(8, 2), (8, 5), (16, 4), (7, 1), (64, 32)]


def tokenizer() -> Tokenizer:
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=330,
        special_tokens=["[UNK]", "[PAD]", "[CLS]", "[SEP]"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator(TEXTS, trainer)
    ends = [(token, made.token_to_id(token)) for token in ("[CLS]", "[SEP]")]
    made.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    return made


def main() -> None:
    path = HERE / "tokenizer.json"
    tokenizer().save(str(path), pretty=False)
    fast = PreTrainedTokenizerFast(tokenizer_file=str(path), cls_token="[CLS]", sep_token="[SEP]", pad_token="[PAD]")
    cases = []
    for max_length, overlap in SETTINGS:
        found = fast(TEXTS, truncation=True, max_length=max_length, stride=overlap, return_overflowing_tokens=True)
        windows = [[] for _ in TEXTS]
        for text, ids in zip(found["overflow_to_sample_mapping"], found["input_ids"], strict=True):
            windows[text].append(ids)
        cases.append({"max_length": max_length, "overlap": overlap, "windows": windows})
    content = {"texts": TEXTS, "cases": cases}
    (HERE / "windows.json").write_text(json.dumps(content, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
