"""`make ask`: the embedded model on the example pictures, each answer beside the known right one."""

import sys
from pathlib import Path

from nunbit.cli import main

sys.argv = ["nunbit", "ask", "--batch", str(Path(__file__).parents[1] / "examples" / "questions.jsonl"), "--readable"]
main()
