"""`make ask`: the default model on the example pictures, each answer beside the known right one, with its evidence."""

import os
import sys
from pathlib import Path

os.environ |= {"TRANSFORMERS_VERBOSITY": "error", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}

from nunbit.cli import main
from nunbit.errors import UserError
from nunbit.models import hub
from nunbit.models.loading import SMALL, TINY

try:
    hub.get(SMALL, lambda line: print(line, file=sys.stderr, flush=True))
except UserError as e:
    print(f"{SMALL} could not be fetched, so {TINY} answers, which knows drawings only: {e}", file=sys.stderr)

questions = Path(__file__).parents[1] / "examples" / "questions.jsonl"
sys.argv = ["nunbit", "ask", "--batch", str(questions), "--readable", "--evidence"]
main()
