#!/usr/bin/env bash
# Reruns the tables of BENCHMARKS.md and prints them as Markdown, in about an hour on 2 cores. It needs a quiet machine.
#
#     PYTHON=venv/bin/python benches/compare.sh                        # a Python with torch, transformers, tokenizers and numpy
#     PYTHON=venv/bin/python benches/compare.sh step long              # some of the sections, which compare.py lists last
#     TORCH_STEP=other.py benches/compare.sh step                       # another script for PyTorch's side
#     TOKENIZER=tokenizer.json benches/compare.sh tokenize             # with this tokenizer instead of one trained on the texts
set -euo pipefail
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}
cargo build --release --quiet
cargo bench --quiet --no-run
exec "$PYTHON" benches/compare.py "$@"
