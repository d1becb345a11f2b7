#!/usr/bin/env bash
# Trains nunbit-small on a machine with an accelerator that is reached only for minutes (a limit on the bytes of each visit, no network).
#
#   tools/train_on_accelerator.sh pack BASE [STATE]   here: write .accelerator/parts; BASE is the base model's folder
#   tools/train_on_accelerator.sh visits              here: what to carry and what to run there, visit by visit
#   tools/train_on_accelerator.sh receive             there: keep the part that came (KEPT, a folder that stays while the machine is warm)
#   tools/train_on_accelerator.sh train MINUTES [key=value ...]   there: train, write the result into $OUT
#   tools/train_on_accelerator.sh collect RESULT STATE            here: join what came back into one state file
#   tools/train_on_accelerator.sh rehearse BASE       here: all of it on this processor, with a copied folder for the machine and two tiny steps
#
# LIMIT_MB (64) is what may travel in one visit, the working tree's own files included. PYTHON names the interpreter.
set -euo pipefail
cd "$(dirname "$0")/.."
LIMIT_MB=${LIMIT_MB:-64} PYTHON=${PYTHON:-python3} KEPT=${KEPT:-$HOME/.nunbit-accelerator} PARTS=.accelerator/parts
export PYTHONPATH="$PWD/src${PYTHONPATH:+:$PYTHONPATH}"

step() { # step 'python expression over a = nunbit.recipes.small.accelerator and Path'
  "$PYTHON" -c "from pathlib import Path; from nunbit.recipes.small import accelerator as a; $1"
}

tree_bytes() { git ls-files -z --cached --others --exclude-standard | xargs -0 stat -c %s 2>/dev/null | awk '{ n += $1 } END { print n + 0 }'; }

case "${1:-}" in
  pack)
    room=$((LIMIT_MB * 1024 * 1024 - $(tree_bytes) - 2 * 1024 * 1024))
    state=${3:+Path('$3')}
    mkdir -p .accelerator && echo '*' > .accelerator/.gitignore
    step "print(a.pack(Path('$2'), Path('$PARTS'), $room, ${state:-None}), 'parts')"
    "$0" visits ;;
  visits)
    for part in "$PARTS"/part-*; do
      echo "carry $part, run: CARRIED=$part tools/train_on_accelerator.sh receive"
    done
    echo "carry nothing, run: tools/train_on_accelerator.sh train 7" ;;
  receive)
    carried=$(mktemp -d) && cp -r "${CARRIED:?the folder of the part that was carried}" "$carried/"
    step "print('still missing:', a.receive(Path('$carried'), Path('$KEPT')) or 'nothing')"
    rm -rf "$carried" ;;
  train)
    minutes=$2 && shift 2
    device=$("$PYTHON" -c "import torch; print('cuda' if torch.cuda.is_available() else 'cpu')")
    workers=${WORKERS:-$(($(nproc) > 2 ? $(nproc) - 2 : 0))}
    changes=$(printf "'%s'," "$@") && [ $# -gt 0 ] || changes=""
    step "a.train(Path('$KEPT'), Path('${OUT:?}'), $minutes, ($changes), device='$device', workers=$workers, say=lambda s: print(s, flush=True))" ;;
  collect)
    step "print(a.collect(Path('$2'), Path('$3')))" ;;
  rehearse)
    away=$(mktemp -d) && trap 'rm -rf "$away"' EXIT
    "$0" pack "$2"
    mkdir -p "$away/tree" "$away/out"
    fake() { # a visit: the tree is copied there, then a command runs in it
      git ls-files -z --cached --others --exclude-standard | rsync -a --from0 --files-from=- ./ "$away/tree/" 2>/dev/null ||
        git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t "$away/tree/"
      mkdir -p "$away/tree/$PARTS" && rm -rf "$away/tree/$PARTS"/part-* && { [ -z "$1" ] || cp -r "$1" "$away/tree/$PARTS/"; }
      (cd "$away/tree" && KEPT="$away/kept" OUT="$away/out" WORKERS=0 CARRIED="$1" bash -c "$2")
    }
    for part in "$PARTS"/part-*; do fake "$part" "tools/train_on_accelerator.sh receive"; done
    fake "" "tools/train_on_accelerator.sh train 0.2 scene_text.batch=2 scene_text.micro_batch_size=2"
    "$0" collect "$away/out" .accelerator/state.safetensors
    ls -l "$away/out" .accelerator/state.safetensors ;;
  *)
    sed -n '2,11p' "$0" && exit 2 ;;
esac
