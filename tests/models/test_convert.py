"""`nunbit import --kind moai|collavo`: the same model under our names, in the memory of one tensor."""

import json
import shutil
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.models.test_importers import CONFIG, DIMS, KINDS, every_kind, inputs, run, weights, write

from nunbit.errors import UserError
from nunbit.models.importers import convert as module
from nunbit.models.importers.convert import convert, open_imported
from nunbit.models.importers.dims import Dims
from nunbit.models.importers.fitting import POSITIONS, WORDS


@every_kind
def test_the_imported_model_gives_the_same_logits(kind, tmp_path, monkeypatch):
    source = tmp_path / "source"
    source.mkdir()
    write(source, {k: v.bfloat16() for k, v in weights(kind).items()}, shards=3)
    (source / "tokenizer_config.json").write_text("{}")
    (source / "modeling_moai.py").write_text("print('remote code')")
    monkeypatch.setattr(module, "SHARD_BYTES", 4000)
    report = convert(kind, source, tmp_path / "out")
    assert report.complete and len(report.matched) == len(weights(kind))
    out = tmp_path / "out"
    index = json.loads((out / "model.safetensors.index.json").read_text())["weight_map"]
    assert len(set(index.values())) > 1 and all((out / name).is_file() for name in index.values())
    held = load_file(out / next(iter(index.values())))
    assert {v.dtype for v in held.values()} == {torch.bfloat16}
    assert (out / "tokenizer_config.json").is_file()
    assert not (out / "modeling_moai.py").exists() and not (out / "dims.json").exists()
    model, want = open_imported(out), KINDS[kind].from_folder(source)[0]
    for name, value in want.state_dict().items():
        assert torch.equal(value, model.state_dict()[name]), name
    assert torch.equal(run(model, inputs(kind)), run(want, inputs(kind)))


def test_positions_and_words_are_fitted(tmp_path):
    source, state = tmp_path / "source", weights("moai")
    source.mkdir()
    state[WORDS] = state[WORDS][:40].contiguous()
    state[POSITIONS] = torch.randn(1 + 9, 8, generator=torch.Generator().manual_seed(1))
    write(source, state)
    report = convert("moai", source, tmp_path / "out")
    assert set(report.remade) == {WORDS, POSITIONS}
    want = KINDS["moai"].from_folder(source)[0].state_dict()
    ours = open_imported(tmp_path / "out").state_dict()
    assert all(torch.equal(v, ours[k]) for k, v in want.items())


@every_kind
def test_another_layout_is_refused_before_anything_is_written(kind, tmp_path):
    source, state = tmp_path / "source", weights(kind)
    source.mkdir()
    state["strange.weight"] = state.pop("output.weight")
    write(source, state)
    with pytest.raises(UserError, match="strange.weight"):
        convert(kind, source, tmp_path / "out")
    assert not (tmp_path / "out").exists() and not [*tmp_path.glob("*.part")]
    other = "collavo" if kind == "moai" else "moai"
    with pytest.raises(UserError, match="does not fit"):
        convert(other, source, tmp_path / "out")
    with pytest.raises(UserError, match="config.json"):
        convert(kind, tmp_path, tmp_path / "out")
    with pytest.raises(UserError, match="was not imported"):
        open_imported(source)


def test_a_folder_in_use_and_a_second_import_are_refused(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    write(source, weights("collavo"))
    convert("collavo", source, tmp_path / "out")
    with pytest.raises(UserError, match="is not empty"):
        convert("collavo", source, tmp_path / "out")
    with pytest.raises(UserError, match="imported already"):
        convert("collavo", tmp_path / "out", tmp_path / "again")


def command(*words):
    done = subprocess.run([sys.executable, "-m", "nunbit", "import", *words], capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def test_the_command(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    write(source, weights("moai"))
    code, out, error = command("--kind", "moai", str(source), "-o", str(tmp_path / "out"))
    assert code == 0 and "matched" in out, error
    assert open_imported(tmp_path / "out").dims == Dims.read(DIMS)
    code, _, error = command("--kind", "moay", str(source), "-o", str(tmp_path / "other"))
    assert code == 2 and "Did you mean 'moai'" in error
    code, _, error = command(str(source), "-o", str(tmp_path / "other"))
    assert code == 2 and "--vision" in error


MEMORY = """
import resource
from pathlib import Path
import torch
from nunbit.models.importers.convert import KINDS, convert, open_imported
from nunbit.models.importers.released import read_sizes
KINDS["{kind}"].empty(*read_sizes(Path("{source}")))  # loads the libraries
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()
open("/proc/self/clear_refs", "w").write("5")  # the peak counts from here
before = resident()
{what}
peak = next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(peak - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is read from /proc")
@every_kind
def test_memory_is_that_of_one_tensor_and_of_the_model(kind, tmp_path):
    """A model of 200 MB: what importing and opening take beyond the loaded libraries."""
    config = CONFIG | {"hidden_size": 512, "intermediate_size": 1536, "num_hidden_layers": 24, "vocab_size": 8000}
    config |= {"num_attention_heads": 8, "num_key_value_heads": 4}
    dims = DIMS | {"image_token_id": 8000, "plora_r": 64, "vision_hidden": 128, "vision_ffn": 256}
    dims["mixer_layers"] = [7, 15]
    dims["compressor"] = DIMS["compressor"] | {"dim": 512, "dim_head": 64}
    source = tmp_path / "source"
    source.mkdir()
    model = KINDS[kind].empty(config, Dims.read(dims))
    state = {model.released_key(n): torch.randn(p.shape).bfloat16() for n, p in model.named_parameters()}
    size = sum(v.nbytes for v in state.values())
    assert 180e6 < size < 320e6, size / 1e6
    (source / "config.json").write_text(json.dumps(config))
    (source / "dims.json").write_text(json.dumps(dims))
    save_file(state, source / "model.safetensors")
    del state

    def taken(what):
        code = MEMORY.format(kind=kind, source=source, what=what)
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return int(done.stdout.split()[-1])

    importing = taken(f"convert('{kind}', '{source}', '{tmp_path}/out')")
    opening = taken(f"held = open_imported('{tmp_path}/out', dtype=torch.bfloat16)")
    print(f"{kind}: model {size / 1e6:.0f} MB, import {importing / 1e6:.0f} MB, open {opening / 1e6:.0f} MB")
    shutil.rmtree(tmp_path / "out")
    assert importing <= 0.3 * size and opening <= 1.2 * size
