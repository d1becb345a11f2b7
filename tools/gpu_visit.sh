#!/usr/bin/env bash
# The tests and the benchmark that need a GPU, on a machine that has one but no network, and whose python3 has torch.
#
#   tools/gpu_visit.sh pack    here: the packages that such a machine may lack, or have in older versions, as wheels in .wheels
#   tools/gpu_visit.sh run     there, in a copy of this folder with .wheels: at most ten minutes; results on stdout and in $OUT
#
# PYTHON names the machine's interpreter, TARGET (3.12) its version for `pack`, PACKAGES what is packed, VLLM a python with
# vLLM if there is one. The folder with its wheels is as large as `pack` says.
set -euo pipefail
cd "$(dirname "$0")/.."
WHEELS=.wheels PYTHON=${PYTHON:-python3} TARGET=${TARGET:-3.12}
PACKAGES=${PACKAGES:-transformers tokenizers huggingface_hub pytest pluggy iniconfig}
case "${1:-}" in
  pack)
    rm -rf "$WHEELS" && mkdir "$WHEELS" && echo '*' > "$WHEELS/.gitignore"
    platforms=$(for n in 17 24 27 28 31 34 35; do echo "--platform manylinux_2_${n}_x86_64"; done)
    pinned=$(for p in $PACKAGES; do grep -m 1 -ix "$p==[^ ]*" constraints.txt || echo "$p"; done)
    # shellcheck disable=SC2086  # words, each an argument
    ${PIP:-python3 -m pip} download -q --no-deps --only-binary=:all: --python-version "$TARGET" --implementation cp $platforms \
      --platform manylinux2014_x86_64 -d "$WHEELS" $pinned
    { git ls-files -z --cached --others --exclude-standard; printf '%s\0' "$WHEELS"/*.whl; } | xargs -0 stat -c %s |
      awk '{ n += $1 } END { printf "%.1f MiB to carry\n", n / 1048576 }' ;;
  run)
    site=$(mktemp -d) && trap 'rm -rf "$site"' EXIT
    "$PYTHON" -m pip install -q --no-index --no-deps --no-compile --no-cache-dir --target "$site" "$WHEELS"/*.whl
    export PYTHONPATH="$site:$PWD/src:$PWD" PYTHONUNBUFFERED=1 OMP_NUM_THREADS=4 HF_HUB_OFFLINE=1
    "$PYTHON" -c 'import torch, transformers; print("torch", torch.__version__, "transformers", transformers.__version__, torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU")'
    timeout 120 "$PYTHON" -m pytest -q -p no:cacheprovider tests/engine/test_cuda.py || echo "the tests on CUDA did not pass"
    exec_for=$((580 - SECONDS))
    "$PYTHON" -W ignore -m benchmarks.gpu --seconds "$exec_for" ${VLLM:+--vllm "$VLLM"} ${REHEARSE:+--rehearse} ;;
  *) sed -n '2,8s/^# \{0,1\}//p' "$0" && exit 2 ;;
esac
