import torch
from transformers import AutoModelForSequenceClassification, AutoModelForTokenClassification

HERE = pathlib.Path(__file__).parent
CLASSES = {"tagging": AutoModelForTokenClassification, "classification": AutoModelForSequenceClassification}

if __name__ == "__main__":
    names = [head["name"] for head in json.loads((HERE / "decoding.json").read_text(encoding="utf-8"))["heads"]]
    reader = Reader(HERE / "decoding.json", HERE / names[0] / "tokenizer.json")
    models = {head["name"]: CLASSES[head["task"]].from_pretrained(HERE / head["name"]).eval() for head in reader.heads}

    @torch.no_grad()
    def said(head, ids):
        return models[head](input_ids=torch.tensor([ids])).logits[0].numpy()

    for line in sys.stdin:
        text = line.rstrip("\r\n")
        print(json.dumps({"text": text, **reader.read(text, said)}, ensure_ascii=False), flush=True)
