#!/usr/bin/env bash
# Reruns every measurement of BENCHMARKS.md: ours and PyTorch's in turn, three times, on 2 threads and on 1, then `cargo bench`.
#
#     PYTHON=venv/bin/python benches/compare.sh        # a Python with torch, transformers and numpy
set -euo pipefail
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}
cargo build --release --quiet
for threads in 2 1; do
  for round in 1 2 3; do
    echo "== $threads threads, round $round"
    target/release/pipeline bench --json --steps 10 --threads "$threads"
    "$PYTHON" benches/torch_step.py --threads "$threads"
  done
done
echo "== large"
target/release/pipeline bench --json --model large --steps 3
"$PYTHON" benches/torch_step.py --model large --modes dynamic --steps 3
cargo bench
