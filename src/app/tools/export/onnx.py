import onnxruntime

HERE, NAME = pathlib.Path(__file__).parent, pathlib.Path(__file__).stem

if __name__ == "__main__":
    reader = Reader(HERE / f"{NAME}.json", HERE / f"{NAME}.tokenizer.json")
    session = onnxruntime.InferenceSession(HERE / f"{NAME}.onnx")

    def said(head, ids):
        ids = np.array([ids])
        return session.run([head + "_logits"], {"input_ids": ids, "attention_mask": np.ones_like(ids)})[0][0]

    for line in sys.stdin:
        text = line.rstrip("\r\n")
        print(json.dumps({"text": text, **reader.read(text, said)}, ensure_ascii=False), flush=True)
