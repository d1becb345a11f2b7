#!/bin/sh
# The environment of `make compat`: a torch and a torchvision that match, apart from the environment of the project,
# where torchvision must not be. Some 5.5 GB, as the matching builds on the package index are those for CUDA.
#   sh tools/compat_env.sh FOLDER
set -eu
venv=${1:?the folder of the environment}
stamp="$venv/.ready"
[ -f "$stamp" ] && [ ! pyproject.toml -nt "$stamp" ] && [ ! tools/compat_env.sh -nt "$stamp" ] && exit 0
need_gb=8
free_gb=$(($(df -Pk . | awk 'NR == 2 {print $4}') / 1048576))
if [ ! -d "$venv" ] && [ "$free_gb" -lt "$need_gb" ]; then
  echo "$free_gb GB are free; the environment takes $need_gb GB while it is installed. Free some, or name another folder: make compat COMPAT_VENV=DIR" >&2
  exit 2
fi
[ -x "$venv/bin/python" ] || { echo "making $venv"; ${PYTHON:-python3} -m venv "$venv"; }
{ grep -v '^torch' constraints.txt; echo "torch==2.14.1"; echo "torchvision==0.29.1"; } > "$venv/constraints.txt"
echo "installing packages into $venv (some minutes the first time)"
"$venv/bin/python" -m pip install -q -c "$venv/constraints.txt" -e '.[serve]' torch torchvision num2words httpx pytest 2>&1 |
  grep -v -e '^WARNING: Location' -e 'notice' || true
"$venv/bin/python" -c 'import torch, torchvision, transformers; print("torch", torch.__version__, "torchvision", torchvision.__version__, "transformers", transformers.__version__)'
touch "$stamp"
