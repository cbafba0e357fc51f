#!/usr/bin/env bash
# Measures all that needs a GPU, in at most 8 minutes, and leaves it in one file of JSON: parity of every gradient with the fixtures of tests/parity,
# training steps and forward passes of base and large beside PyTorch, the memory that both take, and tiny.toml end to end; in f32 and bf16.
#
#     benches/gpu.sh build                      # beforehand, on any machine: one stripped binary, target/gpu/measure-cuda
#     PYTHON=venv/bin/python benches/gpu.sh     # on the machine with the GPU; a Python with torch, transformers and numpy, or none
#     DEVICE=cpu benches/gpu.sh build           # without CUDA
#     DEVICE=cpu benches/gpu.sh                 # a tiny model and two steps, to see that all of it runs
#
# BINARY is another binary, OUTPUT another file of JSON, MOST_SECONDS another limit. `build` takes CUDA from CUDA_HOME, from an `nvcc` on the PATH, or
# else from PyPI (1 GB). CUDA_COMPUTE_CAP is the oldest GPU that it is for: 80, unless told, which is the first with bf16.
set -euo pipefail
cd "$(dirname "$0")/.."
DEVICE=${DEVICE:-cuda}
BINARY=${BINARY:-target/gpu/measure-$DEVICE}
OUTPUT=${OUTPUT:-target/gpu/$DEVICE.json}
PYPI=target/gpu/cuda

# A toolkit in a folder, as the wheels of PyPI have it.
fetch_cuda() {
  [ -d "$PYPI" ] || python3 -m venv "$PYPI"
  "$PYPI/bin/pip" install --quiet nvidia-cuda-{nvcc,crt,runtime,nvrtc}==13.0.* nvidia-nvvm==13.0.* nvidia-cuda-cccl==13.0.* nvidia-{cublas,curand}
  CUDA_HOME=$(echo "$PWD/$PYPI"/lib/python3*/site-packages/nvidia/cu13)
  for library in "$CUDA_HOME"/lib/lib*.so.*; do
    ln -sf "$(basename "$library")" "${library%%.so.*}.so"
  done
  # The driver's library comes with the driver. To link, its names suffice; more names do no harm.
  grep -ohE 'cu[A-Z][A-Za-z0-9]*(_v[0-9]+)?\b' "$CUDA_HOME"/include/cuda{,ProfilerTypedefs}.h | sort -u |
    sed 's/.*/void &(void) {}/' | cc -shared -w -Wl,-soname,libcuda.so.1 -o "$CUDA_HOME/lib/libcuda.so" -x c -
  ln -sfn lib "$CUDA_HOME/lib64"
}

build() {
  mkdir -p "$(dirname "$BINARY")"
  local features=()
  [ "$DEVICE" = cpu ] || features=(--features "$DEVICE")
  if [ "$DEVICE" = cuda ]; then
    [ -n "${CUDA_HOME:-}" ] || command -v nvcc >/dev/null || fetch_cuda
    if [ -n "${CUDA_HOME:-}" ]; then
      export CUDA_HOME PATH="$CUDA_HOME/bin:$PATH" LIBRARY_PATH="$CUDA_HOME/lib64:$CUDA_HOME/lib64/stubs:${LIBRARY_PATH:-}"
    fi
    export CUDA_COMPUTE_CAP=${CUDA_COMPUTE_CAP:-80}
    # Kernels as PTX alone, which the driver compiles for the card that there is, once one is called: candle brings machine code of its quantised
    # products too, which nothing here calls, and with which the binary would have 74 MB.
    NVCC_APPEND_FLAGS="-arch=compute_$CUDA_COMPUTE_CAP ${NVCC_APPEND_FLAGS:-}"
    ! nvcc --help | grep -q -e --compress-mode || NVCC_APPEND_FLAGS+=" --compress-mode=size"
    export NVCC_APPEND_FLAGS
  fi
  local built
  built=$(cargo build --release --locked ${features[@]+"${features[@]}"} --bench gpu --message-format=json-render-diagnostics |
    sed -nE 's/.*"executable":"([^"]*\/gpu-[0-9a-f]+)".*/\1/p')
  strip -o "$BINARY" "$built"
  echo "$BINARY: $(($(wc -c < "$BINARY") / 1000000)) MB"
}

run() {
  [ -x "$BINARY" ] || { echo "there is no $BINARY: DEVICE=$DEVICE benches/gpu.sh build" >&2; exit 1; }
  mkdir -p "$(dirname "$OUTPUT")"
  # CUDA's libraries, where the system has none: those that PyTorch brings, or those that the build has fetched.
  local wheels='import glob, nvidia; print(*(lib for path in nvidia.__path__ for lib in glob.glob(path + "/*/lib")), sep=":")'
  local libraries
  libraries=$("${PYTHON:-false}" -c "$wheels" 2>/dev/null || echo "$PWD/$PYPI"/lib/python3*/site-packages/nvidia/cu13/lib)
  export LD_LIBRARY_PATH="${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$libraries"
  # The rows of a machine without a driver would all fail at the same, and say less.
  local missing=""
  [ "$DEVICE" != cuda ] || missing=$(ldd "$BINARY" | sed -nE 's/^[[:space:]]*(.*) => not found$/\1/p' | paste -sd ' ')
  if [ -n "$missing" ]; then
    echo "$BINARY needs libraries that are not here: $missing" >&2
    echo "libcuda.so.1 comes with NVIDIA's driver, all others with PyTorch for CUDA 13 (PYTHON), or set LD_LIBRARY_PATH" >&2
    exit 1
  fi
  # A row that failed is told by the last line of its error.
  export RUST_BACKTRACE=0
  COMMIT=${COMMIT:-$(git rev-parse --short HEAD 2>/dev/null || true)}
  export COMMIT
  "$BINARY" measure "$DEVICE" "$OUTPUT" "${MOST_SECONDS:-460}" "${PYTHON:-}"
  echo "all of it: $OUTPUT"
}

case "${1:-run}" in
  build) build ;;
  run) run ;;
  *) echo "expected build, run or nothing, not \`$1\`" >&2; exit 2 ;;
esac
