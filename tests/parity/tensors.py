"""Compare our CoLLaVO and MoAI with tensors and strings that the authors' released modules gave at random weights.

Usage: python -m tests.parity.tensors [FOLDER]      (make parity GOLDEN=FOLDER; default: ../shared/golden)
One line a comparison: what, error, tolerance. Exit code 1 when one fails, when a file of the folder gave none, and when
there was none at all. Sizes come from the files, so that other folders of the same form (seeds, widths, batch sizes)
work; second sizes may stand beside the first as ``NAME_other``. Outputs that a file lacks are named and left out.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from tests.parity.checks import Absent, Checks, Reference
from tests.parity.layers import collavo_layer, mixer_layer
from tests.parity.models import whole_collavo, whole_moai
from tests.parity.strings import strings

from nunbit.connectors.moai_compressor import MoAICompressor
from nunbit.connectors.moai_config import MoAIConfig
from nunbit.connectors.moai_mixer import MoAIExpert
from nunbit.models.importers.fitting import resize_positions
from nunbit.models.importers.layout import MODELS, check_layout

DEFAULT = Path(__file__).resolve().parents[3] / "shared" / "golden"
RESIZE_TOLERANCE = 1e-3
_TABLE = re.compile(r"(?:in|out)\.table_\d+x\d+(.*)")


# ---- single modules


def compressor(file: Path, check: Checks) -> None:
    for end, t in Reference.read(file).sizes().items():
        label, dims, width = file.stem + end, t.dims, t["in.aux"].shape[-1]
        config = MoAIConfig(
            "moai",
            width,
            width,
            latents=dims["num_latents"],
            depth=dims["depth"],
            heads=dims["heads"],
            head_dim=dims["dim_head"],
            ff_mult=dims["ff_mult"],
        )
        module = MoAICompressor(config)
        module.load_state_dict(t.part("weights.moai_compressor."))
        check.output(f"{label} latents", t, "out.latents", lambda m=module, x=t["in.aux"]: m(x))
        swapped = t["in.aux"][:, torch.randperm(t["in.aux"].shape[1], generator=torch.Generator().manual_seed(0))]
        check.output(f"{label} latents, aux rows permuted", t, "out.latents", lambda m=module, x=swapped: m(x))


def expert(file: Path, check: Checks) -> None:
    for end, t in Reference.read(file).sizes().items():
        label, weights = file.stem + end, t.part("weights.")
        width = weights["linear_q.0.weight"].shape[1]
        module = MoAIExpert(width, t.dims["rank"], t.dims["heads"])
        module.load_state_dict(weights)
        for kind, x, source in (("ca", "in.ca_q", "in.ca_kv"), ("sa", "in.sa_x", "in.sa_x")):
            for key, run in ((kind, module), (f"{kind}_branch", module.branch)):
                check.output(
                    f"{label} {key}", t, f"out.{key}", lambda r=run, x=x, s=source, t=t: r(t[x][None], t[s][None])[0]
                )


def positions(file: Path, check: Checks) -> None:
    """CLIP's table in the file, resized to each of the sizes that the file has."""
    t = Reference.read(file)
    sources = {_TABLE.fullmatch(k)[1]: k for k in t if k.startswith("in.table_")}
    for key in [k for k in t if k.startswith("out.table_")]:
        source = sources.get(_TABLE.fullmatch(key)[1], "in.table_*")
        check.output(
            f"{file.stem} {key[4:]}",
            t,
            key,
            lambda k=key, s=source: resize_positions(t[s], len(t[k])),
            tolerance=RESIZE_TOLERANCE,
        )


def layouts(file: Path, check: Checks) -> None:
    record = json.loads(file.read_text(encoding="utf-8"))
    for name, (title, _) in MODELS.items():
        if title not in record:
            check.note(name, f"the file has no {title}")
            continue
        result = check_layout(name, file)
        wrong = len(result["missing"]) + len(result["unexpected"]) + len(result["misshapen"])
        check(f"{name}: names and shapes of {result['tensors']} tensors", wrong, 0)
        check(
            f"{name}: {result['parameters']:,} parameters", abs(result["parameters"] - result["expected_parameters"]), 0
        )


PARTS: dict[str, Callable[[Path, Checks], None]] = {
    "moai_compressor.safetensors": compressor,
    "moai_expert.safetensors": expert,
    "moai_mixer_layer.safetensors": mixer_layer,
    "collavo_layer.safetensors": collavo_layer,
    "clip_position_resize.safetensors": positions,
    "verbaliser_strings.json": strings,
    "meta_counts.json": layouts,
    "moai_tiny": whole_moai,
    "collavo_tiny": whole_collavo,
}


def found_in(folder: Path) -> Iterator[tuple[Path, Callable[[Path, Checks], None]]]:
    """The files and folders with their comparisons; those of other sizes have names such as ``NAME_other``."""
    for name, compare in PARTS.items():
        stem, end = Path(name).stem, Path(name).suffix
        others = [p for p in sorted(folder.glob(f"{stem}_*{end}")) if p.name not in PARTS and p.suffix == end]
        for path in (folder / name, *others):
            if path.exists():
                yield path, compare
            else:
                print(f"     {path.name} is not in the folder")


@torch.no_grad()
def main(folder: Path) -> int:
    check = Checks()
    for path, compare in found_in(folder):
        before = check.done
        try:
            compare(path, check)
        except Absent as e:
            check.note(path.name, f"the file has no {e.args[0]}")
        except Exception as e:  # the other files are still compared
            check(f"{path.name} ended with {type(e).__name__}: {e}", float("inf"), 0)
        if check.done == before:
            check(f"{path.name}: nothing in it was compared", float("inf"), 0)
    print(f"{check.done - check.failed} of {check.done} comparisons hold; {check.absent} outputs not compared.")
    if not check.done:
        print(f"Nothing was compared: '{folder}' holds none of {', '.join(PARTS)}.")
        print("Name the folder of the reference tensors: python -m tests.parity.tensors FOLDER")
    return int(check.failed > 0 or not check.done)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT))
