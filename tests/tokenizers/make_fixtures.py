"""Tokenizers of each model that encoders are published with, and what they make of texts: `<kind>.json` and `expected.json`.

    pip install tokenizers
    python tests/tokenizers/make_fixtures.py

Made with tokenizers 0.23; needs neither a model nor the network. Each file asks for padding and truncation, as many published ones do, and
`expected.json` is what the library says without either: ids, and the characters of every token that belongs to the text.
"""

import json
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

HERE = Path(__file__).parent

TEXTS = [
    "a",
    "Ann Lee logged in from 192.0.2.1 at noon",
    "Backup of DB-07 finished at 04:40, and web-12 was restarted as planned.",
    "Jose\u0301 Müller 🦀 wrote: «les caisses sont à Zürich» — fe80::1",
    "  spaces   between\tand\nlines  ",
    "日本語 text",
]
LEARNED = TEXTS[:3] + ["the crates that left the old port of Lyon on day 7, and nobody knew where they had gone since", "les caisses sont a zurich"]


def template(made, first, last):
    return processors.TemplateProcessing(single=f"{first} $A {last}", special_tokens=[(token, made.token_to_id(token)) for token in (first, last)])


def wordpiece():
    """BERT's."""
    made = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.decoder = decoders.WordPiece()
    made.train_from_iterator(LEARNED, trainers.WordPieceTrainer(vocab_size=160, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], show_progress=False))
    made.post_processor = template(made, "[CLS]", "[SEP]")
    return made


def unigram():
    """XLM-RoBERTa's."""
    made = Tokenizer(models.Unigram())
    made.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(" {2,}", " ")])
    made.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    made.decoder = decoders.Metaspace()
    made.train_from_iterator(LEARNED, trainers.UnigramTrainer(vocab_size=90, unk_token="<unk>", special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"], show_progress=False))
    made.post_processor = template(made, "<s>", "</s>")
    return made


def bpe():
    """Gemma's, which mmBERT has: spaces are a letter, and what is not known is bytes."""
    made = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>"))
    made.normalizer = normalizers.Replace(" ", "▁")
    made.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    made.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    made.train_from_iterator(LEARNED, trainers.BpeTrainer(vocab_size=340, special_tokens=special, show_progress=False))
    # Bytes are entries of the vocabulary like any other, not special tokens.
    whole = json.loads(made.to_str())
    whole["added_tokens"] = [token for token in whole["added_tokens"] if not token["content"].startswith("<0x")]
    made = Tokenizer.from_str(json.dumps(whole))
    made.post_processor = template(made, "<bos>", "<eos>")
    return made


def byte_level():
    """RoBERTa's."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.train_from_iterator(LEARNED, trainers.BpeTrainer(vocab_size=330, special_tokens=["<s>", "<pad>", "</s>", "<unk>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    made.add_special_tokens([AddedToken("<mask>", lstrip=True)])
    made.post_processor = processors.RobertaProcessing(("</s>", made.token_to_id("</s>")), ("<s>", made.token_to_id("<s>")), add_prefix_space=False)
    return made


def main():
    expected = {}
    for make in (wordpiece, unigram, bpe, byte_level):
        made = make()
        cases = []
        for text in TEXTS:
            found = made.encode(text)
            inner = [offsets for offsets, special in zip(found.offsets, found.special_tokens_mask) if not special]
            cases.append({"ids": found.ids, "offsets": inner})
        expected[make.__name__] = cases
        padding = next(token for token in ("[PAD]", "<pad>") if made.token_to_id(token) is not None)
        made.enable_padding(length=16, pad_token=padding, pad_id=made.token_to_id(padding))
        made.enable_truncation(8)
        made.save(str(HERE / f"{make.__name__}.json"), pretty=False)
    (HERE / "expected.json").write_text(json.dumps({"texts": TEXTS, "cases": expected}, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
