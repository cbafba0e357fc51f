"""Latency and throughput of `pipeline serve` on loopback, beside the same model in transformers and in onnxruntime behind FastAPI with dynamic batching.

    python benches/serve.py MODEL LOG.jsonl [--program target/release/pipeline] [--clients 1 8 64] [--seconds 10] [--dtype f32]

Each client asks about one text after the other, on a connection that stays open; every text is another one. It ends after `--seconds` for each number of
clients, or after `--requests`. The program needs the feature `serve`; the other sides need torch, transformers, fastapi and uvicorn, and onnxruntime for
what `pipeline export --onnx` writes (f32); they are left out with `--alone`. Where a stock class would need another head than ours, its own is drawn at
random: it takes the same time. `--soak SECONDS` asks 8 clients' worth for so long, and says how much memory `serve` has on the way.
"""
import argparse
import asyncio
import contextlib
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import time

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("model", type=pathlib.Path)
parser.add_argument("log", type=pathlib.Path)
parser.add_argument("--program", default="target/release/pipeline")
parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 64])
parser.add_argument("--seconds", type=float, default=10)
parser.add_argument("--requests", type=int, default=20_000, help="at most so many for each number of clients")
parser.add_argument("--dtype", choices=["f32", "bf16"], default="f32")
parser.add_argument("--alone", action="store_true", help="leave the other sides out")
parser.add_argument("--soak", type=float, default=0, metavar="SECONDS")
parser.add_argument("--fastapi", nargs=2, metavar=("PORT", "ONNX"), help=argparse.SUPPRESS)
arguments = parser.parse_args()


def in_transformers(heads):
    """From a padded batch to labels and scores of its tokens."""
    import torch
    import transformers

    labels = sum(len(head["labels"]) for head in heads["heads"])
    dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[arguments.dtype]
    encoder = transformers.AutoModel.from_pretrained(arguments.model).to(dtype).eval()
    matrix = torch.nn.Linear(encoder.config.hidden_size, labels).to(dtype)

    @torch.inference_mode()
    def read(batch):
        batch = {name: torch.from_numpy(values) for name, values in batch.items()}
        scores, found = matrix(encoder(**batch).last_hidden_state).float().softmax(-1).max(-1)
        return found.tolist(), scores.tolist()
    return read


def in_onnxruntime(file):
    """The same, of the first head, on a file that `pipeline export --onnx` wrote."""
    import numpy
    import onnxruntime

    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])

    def read(batch):
        logits = session.run(None, {name: values.astype(numpy.int64) for name, values in batch.items()})[0]
        shares = numpy.exp(logits - logits.max(-1, keepdims=True))
        return logits.argmax(-1).tolist(), (shares.max(-1) / shares.sum(-1)).tolist()
    return read


def fastapi(port, file):
    """The other side: what waits is read together, at most 64 texts, and for 2 ms more after the first."""
    import fastapi
    import transformers
    import uvicorn

    heads = json.loads((arguments.model / "heads.json").read_text())
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(arguments.model / "tokenizer.json"), pad_token="[PAD]", model_input_names=["input_ids", "attention_mask"])
    model = in_onnxruntime(file) if file else in_transformers(heads)
    app = fastapi.FastAPI()
    waiting = asyncio.Queue()

    def read(texts):
        batch = tokenizer(texts, truncation=True, max_length=heads["max_length"], padding=True, return_tensors="np")
        found, scores = model(batch)
        lengths = batch["attention_mask"].sum(-1).tolist()
        return [{"labels": row[:length], "scores": said[:length]} for row, said, length in zip(found, scores, lengths)]

    async def work():
        while True:
            asked = [await waiting.get()]
            await asyncio.sleep(0.002)
            while len(asked) < 64 and not waiting.empty():
                asked.append(waiting.get_nowait())
            answers = await asyncio.to_thread(read, [text for text, _ in asked])
            for (_, answer), said in zip(asked, answers):
                answer.set_result(said)

    @app.post("/predict")
    async def predict(body: dict):
        if not hasattr(app.state, "work"):
            app.state.work = asyncio.create_task(work())
        answer = asyncio.get_running_loop().create_future()
        await waiting.put((body["text"], answer))
        return await answer

    @app.get("/health")
    async def health():
        return "ok"

    uvicorn.run(app, host="127.0.0.1", port=port, log_level="error")


def lines(count):
    draw = random.Random(0)
    texts = [json.loads(line)["text"] for line in arguments.log.read_text().splitlines()]
    anew = lambda text: re.sub(r"\d", lambda _: draw.choice("0123456789"), text)
    return [anew(texts[index % len(texts)]) for index in range(count)]


async def exchange(streams, head, body=b""):
    """The status of an answer; its body is read and left."""
    reader, writer = streams
    writer.write(f"{head} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
    answer = await reader.readuntil(b"\r\n\r\n")
    length = int(re.search(rb"content-length: (\d+)", answer.lower())[1])
    await reader.readexactly(length)
    return int(answer.split(b" ", 2)[1])


async def load(port, clients, texts, most_seconds):
    """Seconds of every request, and how long all took."""
    texts, times = iter(texts), []
    begun = time.perf_counter()

    async def client():
        streams = await asyncio.open_connection("127.0.0.1", port)
        for text in texts:
            if time.perf_counter() - begun > most_seconds:
                break
            asked = time.perf_counter()
            status = await exchange(streams, "POST /predict", json.dumps({"text": text}).encode())
            assert status == 200, f"status {status}"
            times.append(time.perf_counter() - asked)
        streams[1].close()

    await asyncio.gather(*(client() for _ in range(clients)))
    return times, time.perf_counter() - begun


async def until_it_lives(port, process):
    for _ in range(600):
        assert process.poll() is None, "the server has ended"
        try:
            if await exchange(await asyncio.open_connection("127.0.0.1", port), "GET /health") == 200:
                return
        except OSError:
            pass
        await asyncio.sleep(0.2)
    sys.exit("the server never came to live")


def resident(process):
    """MiB."""
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{process.pid}/status").read_text())[1]) // 1024


@contextlib.contextmanager
def started(command, port):
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        asyncio.run(until_it_lives(port, process))
        asyncio.run(load(port, 4, lines(200), 60))  # warm
        yield process
    finally:
        process.terminate()
        process.wait()


def measure(name, command, port):
    with started(command, port) as process:
        for clients in arguments.clients:
            times, seconds = asyncio.run(load(port, clients, lines(arguments.requests), arguments.seconds))
            times.sort()
            at = lambda share: 1000 * times[min(int(share * len(times)), len(times) - 1)]
            print(f"| {name} | {clients} | {len(times) / seconds:,.0f} | {at(0.5):.1f} | {at(0.99):.1f} | {resident(process)} |", flush=True)


def soak(command, port):
    with started(command, port) as process:
        begun = time.perf_counter()
        while time.perf_counter() - begun < arguments.soak:
            times, _ = asyncio.run(load(port, 8, lines(arguments.requests), min(10, arguments.soak)))
            print(f"{time.perf_counter() - begun:.0f} s: {len(times)} requests more, {resident(process)} MiB", flush=True)


if arguments.fastapi:
    fastapi(int(arguments.fastapi[0]), arguments.fastapi[1])
    sys.exit()
OURS = [arguments.program, "serve", str(arguments.model), "--port", "8731", "--dtype", arguments.dtype]
if arguments.soak:
    soak(OURS, 8731)
    sys.exit()
print("| | clients | texts/s | p50, ms | p99, ms | MiB |\n|---|---|---|---|---|---|", flush=True)
measure("`serve`", [*OURS, "--cache", "0"], 8731)
if not arguments.alone:
    again = [sys.executable, *sys.argv, "--fastapi", "8732"]
    measure("transformers, FastAPI", [*again, ""], 8732)
    if arguments.dtype == "f32":
        file = str(pathlib.Path(tempfile.mkdtemp()) / "model.onnx")
        subprocess.run([arguments.program, "export", str(arguments.model), "--onnx", file], check=True)
        measure("onnxruntime, FastAPI", [*again, file], 8732)
