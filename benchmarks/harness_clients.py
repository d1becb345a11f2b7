"""Two evaluation harnesses as clients of `nunbit serve`, offline: is their accuracy that of `nunbit eval`?

    make harness-clients                                 lmms-eval, installed with pip
    make harness-clients VLMEVALKIT=DIR                  VLMEvalKit too, from a checkout
    python -m benchmarks.harness_clients --setup-only    only makes the environment .cache/harness

The checkout is one of https://github.com/open-compass/VLMEvalKit. Serves the embedded model, writes yes/no questions
about world pictures in POPE's layout, and asks them three times: with lmms-eval, with VLMEvalKit, and with `nunbit
eval run` under the protocol of each. VLMEvalKit sends every picture as JPEG; the pictures are such that this changes
no pixel.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import csv
import io
import json
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.peers import harness

MODEL = "nunbit-tiny"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--setup-only", action="store_true")
    parser.add_argument("--environment", type=Path, default=harness.ROOT / ".cache" / "harness")
    parser.add_argument("--vlmevalkit", type=Path, help="a checkout; without it VLMEvalKit is left out")
    parser.add_argument("-n", type=int, default=48, help="questions")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    try:
        python = harness.environment(options.environment)
        if not options.setup_only:
            rows = compared(python, options.vlmevalkit, options.n)
            show(rows, options.json)
            sys.exit(not rows or any(differs(r) for r in rows))
    except harness.Missing as e:
        raise SystemExit(f"nothing was compared: {e}") from None


def compared(python: Path, checkout: Path | None, n: int) -> list[dict[str, Any]]:
    """A row for each harness: its accuracy and ours, in hundredths."""
    rows = []
    with tempfile.TemporaryDirectory() as scratch, served(Path(scratch)) as url:
        folder = Path(scratch)
        items = written(folder, n)
        docs = [
            {
                "id": str(k),
                "question_id": str(k),
                "question": i["text"],
                "answer": i["label"],
                "image_source": i["image"],
                "image": {"bytes": i["png"], "path": None},
                "category": "adversarial",
            }
            for k, i in enumerate(items)
        ]
        task = harness.lmms_task(folder, docs, harness.builtin(python, "pope/pope.yaml"))
        theirs = harness.run_lmms(python, folder, task, url, MODEL)
        rows.append(
            {"harness": "lmms-eval", "protocol": "pope@lmms-literal", "theirs": 100 * theirs["pope_accuracy,none"]}
        )
        if checkout:
            table(folder / "LMUData" / "POPE_fixture.tsv", items)
            first = harness.run_vlmevalkit(
                python, checkout.resolve(), folder, "POPE_fixture", "ImageYORNDataset", url, MODEL
            )[0]
            rows.append({"harness": "VLMEvalKit", "protocol": "pope@vlmevalkit", "theirs": float(first["acc"])})
        for row in rows:
            row |= {"n": len(items), "ours": ours(row["protocol"], folder, url)}
    return rows


def ours(protocol: str, folder: Path, url: str) -> float:
    command = [
        sys.executable,
        "-m",
        "nunbit",
        "eval",
        "run",
        protocol,
        "--data",
        str(folder / "pope.jsonl"),
        "--model",
        url,
        "--model-id",
        MODEL,
        "-o",
        str(folder / "runs" / protocol),
        "--json",
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr[-500:])
    return float(json.loads(done.stdout)["figures"]["accuracy"])


def written(folder: Path, n: int) -> list[dict[str, Any]]:
    """Yes/no questions of the procedural suites, half of each, as JSON lines with pictures beside them."""
    from PIL import Image

    from nunbit.evaluation.abilities.layouts import write

    source = write(folder / "source", "pope", count=n)
    rows = [json.loads(line) for line in source.read_text(encoding="utf-8").splitlines()]
    half = [[r for r in rows if r["label"] == label][: n // 2] for label in ("yes", "no")]
    chosen = [r for pair in zip(*half, strict=False) for r in pair]
    (folder / "images").mkdir()
    for r in chosen:
        r["png"] = settled(Image.open(folder / "source" / "images" / r["image"]))
        (folder / "images" / r["image"]).write_bytes(r["png"])
    lines = [
        json.dumps({k: r[k] for k in ("question_id", "image", "text", "label")}, ensure_ascii=False) for r in chosen
    ]
    (folder / "pope.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return chosen


def settled(picture: Any) -> bytes:
    """A PNG whose pixels a JPEG of PIL's default quality gives back unchanged, where repeating it comes to rest."""
    from PIL import Image

    now = picture.convert("RGB")
    for _ in range(40):
        out = io.BytesIO()
        now.save(out, "JPEG")
        after = Image.open(io.BytesIO(out.getvalue())).convert("RGB")
        if after.tobytes() == now.tobytes():
            break
        now = after
    out = io.BytesIO()
    now.save(out, "PNG")
    return out.getvalue()


def table(path: Path, items: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as f:
        rows = csv.writer(f, delimiter="\t")
        rows.writerow(["index", "image", "question", "answer", "category"])
        for k, i in enumerate(items):
            rows.writerow([k, base64.b64encode(i["png"]).decode(), i["text"], i["label"].capitalize(), "adversarial"])


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """The embedded model's server on a free port; its address ends in /v1."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    with (folder / "serve.log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "nunbit", "serve", "--port", str(port), "--no-page"], stdout=log, stderr=log
        )
        try:
            for _ in range(300):
                if server.poll() is not None:
                    raise RuntimeError((folder / "serve.log").read_text()[-500:])
                with contextlib.suppress(OSError):
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/models", timeout=5).close()
                    break
                time.sleep(1)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            server.terminate()
            server.wait(30)


def differs(row: dict[str, Any]) -> bool:
    """Whether a harness and we disagree, or had no item to agree on."""
    return not row["n"] or not abs(row["theirs"] - row["ours"]) < 1e-6


def show(rows: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    print(f"{'client':12}{'protocol':22}{'items':>6}{'theirs':>9}{'nunbit eval':>13}")
    for r in rows:
        same = "DIFFERENT" if differs(r) else "equal"
        print(f"{r['harness']:12}{r['protocol']:22}{r['n']:>6}{r['theirs']:>9.2f}{r['ours']:>13.2f}  {same}")


if __name__ == "__main__":
    main()
