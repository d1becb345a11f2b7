"""`nunbit models get nunbit-small` where something goes wrong: one sentence, and nothing half-made is left."""

import json
import shutil
import subprocess
import sys

import pytest
from tests.recipes.small.tiny_base import save_base

from nunbit.errors import UserError
from nunbit.models import hub, loading, small
from nunbit.models.checkpoint import open_model
from nunbit.recipes.small.release import start_connector, write_model
from nunbit.recipes.small.rows import Encoder
from nunbit.recipes.small.train import open_base

NAME = "nunbit-small"
FILES = [("delta", small.DELTA), ("base", "model.safetensors"), ("base", "config.json")]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A base of random weights, and a difference to it."""
    base, run = save_base(tmp_path_factory.mktemp("base")), tmp_path_factory.mktemp("run")
    decoder, tokenizer = open_base(base, 2)
    write_model(decoder, start_connector(decoder, Encoder(tokenizer)), base, 1, run)
    return base, run / "delta"


@pytest.fixture
def here(made, tmp_path, monkeypatch):
    """A machine on which base and difference are, in folders that a test may spoil."""
    base, delta = (shutil.copytree(f, tmp_path / n) for f, n in zip(made, ("base", "delta"), strict=True))
    monkeypatch.setenv("NUNBIT_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache" / "parts").mkdir(parents=True)
    monkeypatch.setattr(small, "SHIPPED", delta)
    get = hub.get
    monkeypatch.setattr(hub, "get", lambda name, *say: get(name, *say) if name == NAME else base)
    return base, delta


def left(tmp_path):
    return [p.name for p in (tmp_path / "cache" / "parts").iterdir()]


def test_it_becomes_the_default(here):
    assert loading.default_name() == loading.TINY
    folder = hub.get(NAME)
    assert loading.default_name() == NAME and loading.named_folder(None) == folder == hub.get(NAME)
    model, processor = open_model(folder)
    assert model.config.image_token_id == processor.tokenizer.convert_tokens_to_ids("<image>")


def test_new_weights_are_another_folder(here):
    _, delta = here
    before = hub.path(NAME)
    facts = json.loads((delta / small.FACTS).read_text())
    (delta / small.FACTS).write_text(json.dumps(facts | {"scale": 1.5}))
    assert hub.path(NAME) != before


@pytest.mark.parametrize("facts", ["", "{", "[]", '{"scale": 2.0}', '{"scale": "2", "connector": {"name": "mlp"}}'])
def test_damaged_facts(here, tmp_path, facts):
    (here[1] / small.FACTS).write_text(facts)
    with pytest.raises(UserError, match="damaged"):
        hub.get(NAME)
    assert left(tmp_path) == []


@pytest.mark.parametrize(("part", "file"), FILES)
def test_truncated_files(here, tmp_path, part, file):
    path = here[0 if part == "base" else 1] / file
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UserError, match="cannot be opened"):
        hub.get(NAME)
    assert left(tmp_path) == []


def test_a_full_disk_is_said_before_anything_is_written(here, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(10, 10, 20_000_000))
    with pytest.raises(UserError, match="20 MB free"):
        hub.get(NAME)
    assert left(tmp_path) == []


def test_another_process_that_was_first_wins(here, monkeypatch):
    assemble = small.assemble

    def late(base, folder, shipped):
        assemble(base, folder, shipped)
        if not hub.is_here(NAME):  # the other one finishes in the meantime
            shutil.copytree(folder, hub.path(NAME))
            (hub.path(NAME) / hub.FACTS).write_text("{}")

    monkeypatch.setattr(small, "assemble", late)
    assert hub.get(NAME) == hub.path(NAME) and open_model(hub.path(NAME))


def test_a_model_that_was_damaged_later(here):
    folder = hub.get(NAME)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-5000])
    with pytest.raises(UserError, match="cannot be opened"):
        loading.load_model(NAME)


def test_without_the_difference_the_default_is_the_one_that_ships(here):
    (here[1] / small.DELTA).unlink()
    assert loading.default_name() == loading.TINY
    with pytest.raises(UserError, match="missing from this installation"):
        loading.named_folder(NAME)


def test_a_damaged_default_is_a_sentence_on_the_command_line(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "nunbit", "ask", "x.png", "What?", "--model", NAME],
        env={"NUNBIT_CACHE": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 2 and "Traceback" not in done.stderr


def test_removing_takes_what_earlier_weights_became(here, tmp_path):
    (tmp_path / "cache" / "parts" / "nunbit-small-0-old").mkdir()
    hub.get(NAME)
    assert hub.remove(NAME) and left(tmp_path) == [] and not hub.remove(NAME)
