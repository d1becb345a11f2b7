"""`make ask`: the default model on the example pictures, each answer beside the known right one."""

import sys
from pathlib import Path

from nunbit.cli import main
from nunbit.errors import UserError
from nunbit.models import hub
from nunbit.models.loading import SMALL, TINY

try:
    hub.get(SMALL, lambda line: print(line, file=sys.stderr, flush=True))
except UserError as e:
    print(f"{SMALL} could not be fetched, so {TINY} answers, which knows drawings only: {e}", file=sys.stderr)

sys.argv = ["nunbit", "ask", "--batch", str(Path(__file__).parents[1] / "examples" / "questions.jsonl"), "--readable"]
main()
