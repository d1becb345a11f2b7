"""Every image-text-to-text type that the engine takes, beside transformers alone: `ask` and `serve`, token by token.

    python -m tests.load.compat [--models Idefics3,Gemma3] [--default PYTHON] [--write docs/compatibility.md]

`make compat` runs it in an environment of its own, with a torchvision. Small random models (`tests.native_types`), 3 to
6 conversations each: pictures of three shapes, and where the type has a chat template two pictures, a second turn
and no picture. `ask` must give the ids that transformers alone gives, the server the same tokens with the same log
probabilities, answered together and again from its caches; a model that the engine does not hold must be refused with a
sentence, and then asked through `generate`. ``--default`` names the Python of another environment, in which each folder
is opened once: it opens, or the sentence says what to install.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tests.native_models import MODELS, Turn, conversations, messages, reference, write

from nunbit.engine.options import CacheOptions
from nunbit.engine.token_bytes import token_bytes

COUNT = 12
CLOSE = 1e-3
"""Log probabilities of two computations of one token differ by less."""
CHAT = "/v1/chat/completions"
BEGIN, END = "<!-- make compat writes from here -->", "<!-- to here -->"
Answers = list[tuple[list[int], list[float]]]


@dataclass(frozen=True, slots=True)
class Row:
    """What one type showed; `ask` and `serve` are sentences, ``default`` is what another environment said."""

    name: str
    model_type: str
    ask: str
    serve: str
    good: bool
    default: str = ""


def main() -> None:
    """Run all, print the table, exit with 1 if any differs or nothing was compared."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--models", default="", help="names of types, separated by commas; all without")
    parser.add_argument("--default", default="", help="Python of an environment in which each folder is opened too")
    parser.add_argument("--write", type=Path, default=None, help="page whose table is replaced")
    parser.add_argument("--open", nargs="*", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.open is not None:
        print(json.dumps([opened(Path(folder)) for folder in options.open]))
        return
    names = [n for n in MODELS if n.replace(" ", "") in options.models.split(",")] if options.models else [*MODELS]
    with tempfile.TemporaryDirectory() as scratch:
        folders = [write(name, Path(scratch) / name.replace(" ", "")) for name in names]
        said = elsewhere(options.default, folders) if options.default else [""] * len(folders)
        rows = [shown(n, f, d) for n, f, d in zip(names, folders, said, strict=True)]
    page = table(rows)
    print(page)
    if options.write is not None:
        replace_table(options.write, page)
    sys.exit(not rows or not all(row.good for row in rows))


def shown(name: str, folder: Path, default: str) -> Row:
    """One type, asked and served."""
    from nunbit.assistant import Assistant
    from nunbit.engine.supported import unsupported

    held = Assistant(folder)
    asked = conversations(held.processor)
    want = [reference(held.model, held.processor, turns, COUNT) for turns in asked]
    depends = len({tuple(round(p, 2) for p in scores) for _, scores in want}) == len(asked)
    got = [list(held.ask(messages(turns), max_new_tokens=COUNT).ids) for turns in asked]
    ask = sum(ids == wanted for ids, (wanted, _) in zip(got, want, strict=True))
    held.close()
    kind = held.model.config.model_type
    why = unsupported(held.model)
    if why:
        serve, good = f"refused: {why}", refused(folder)
    else:
        served = sum(served_equal(folder, asked, want, held.processor.tokenizer))
        serve, good = f"{served} of {2 * len(asked)} equal", served == 2 * len(asked)
    how = f"{ask} of {len(asked)} equal" + (", through `generate`" if why else "")
    row = Row(name, kind, how, serve, good and depends and ask == len(asked), default)
    print(f"{name:16} ask {row.ask:32} serve {row.serve}", file=sys.stderr, flush=True)
    return row


def served_equal(folder: Path, asked: Sequence[list[Turn]], want: Answers, tokenizer: Any) -> list[bool]:
    """Whether the server answers each conversation as transformers alone does: all at once, and once more."""
    from fastapi.testclient import TestClient

    from nunbit.serving.build import ServeOptions, build_app

    app = build_app(ServeOptions(model=str(folder), caches=CacheOptions(4)))
    with TestClient(app) as client, ThreadPoolExecutor(len(asked)) as pool:
        replies = [r for _ in range(2) for r in pool.map(lambda turns: client.post(CHAT, json=body(turns)), asked)]
    return [same(reply, *wanted, tokenizer) for reply, wanted in zip(replies, want * 2, strict=True)]


def same(reply: Any, ids: list[int], scores: list[float], tokenizer: Any) -> bool:
    """Whether a reply has these tokens, with these log probabilities."""
    if reply.status_code != 200:
        print(f"  {reply.status_code} {reply.text[:200]}", file=sys.stderr)
        return False
    given = reply.json()["choices"][0]["logprobs"]["content"]
    spelled = token_bytes(tokenizer)
    near = all(abs(g["logprob"] - score) < CLOSE for g, score in zip(given, scores, strict=False))
    return near and [g["bytes"] for g in given] == [list(spelled.of(i)) for i in ids]


def body(turns: list[Turn]) -> dict[str, Any]:
    """The request for a conversation."""
    said: list[dict[str, Any]] = []
    for question, pictures, answer in turns:
        parts: list[dict[str, Any]] = [{"type": "image_url", "image_url": {"url": uri(p)}} for p in pictures]
        said.append({"role": "user", "content": [*parts, {"type": "text", "text": question}]})
        said += [{"role": "assistant", "content": answer}] if answer else []
    return {"messages": said, "max_tokens": COUNT, "temperature": 0, "logprobs": True}


def uri(picture: Any) -> str:
    """A picture as a data: URI."""
    out = io.BytesIO()
    picture.save(out, "PNG")
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()


def refused(folder: Path) -> bool:
    """Whether the server refuses a folder with a sentence."""
    from nunbit.errors import UserError
    from nunbit.serving.build import ServeOptions, build_app

    try:
        build_app(ServeOptions(model=str(folder)))
    except UserError as e:
        return bool(e.given and e.todo)
    return False


def opened(folder: Path) -> str:
    """Opens a folder here: "opens", or the sentence why it does not."""
    from nunbit.errors import UserError
    from nunbit.models.checkpoint import open_model

    try:
        open_model(folder)
    except UserError as e:
        return e.given.replace(f" '{folder}'", "")
    return "opens"


def elsewhere(python: str, folders: Sequence[Path]) -> list[str]:
    """What `opened` says of each folder in another environment."""
    command = [python, "-m", "tests.load.compat", "--open", *map(str, folders)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{python}: {(done.stderr.strip().splitlines() or ['failed'])[-1]}")
    lines = json.loads(done.stdout.strip().splitlines()[-1])
    return [str(line) for line in lines]


def table(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table, with the releases that they were made with."""
    import torchvision
    import transformers

    made_with = f"torch {torch.__version__}, torchvision {torchvision.__version__}"
    good = f"{sum(r.good for r in rows)} of {len(rows)} types as they should be"
    lines = [f"Last run: {good} ({made_with}, transformers {transformers.__version__}).", ""]
    lines += ["| model | type | `ask` | `serve` | without torchvision |", "|---|---|---|---|---|"]
    return "\n".join(
        lines + [f"| {r.name} | `{r.model_type}` | {r.ask} | {r.serve} | {r.default or 'not tried'} |" for r in rows]
    )


def replace_table(page: Path, text: str) -> None:
    """Put the table between the two marks of a page."""
    before, rest = page.read_text(encoding="utf-8").split(BEGIN)
    _, after = rest.split(END)
    page.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
