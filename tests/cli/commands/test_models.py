"""nunbit models: what is known, and where a part is."""

import json

import pytest
from typer.testing import CliRunner

from nunbit.cli.commands import app
from nunbit.errors import UserError
from nunbit.models.hub import FACTS, path
from nunbit.models.hub_parts import HUB_MODELS, PARTS


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NUNBIT_CACHE", str(tmp_path))


def typed(*words):
    return CliRunner().invoke(app, ["models", *words])


def test_the_list_names_every_part_and_hub_model():
    found = json.loads(typed("list", "--json").stdout)
    assert [p["name"] for p in found["parts"]] == sorted(PARTS) and not any(p["here"] for p in found["parts"])
    assert [m["id"] for m in found["hub"]] == [m.id for m in HUB_MODELS]
    text = typed("list").stdout
    assert all(name in text for name in PARTS)


def test_path_says_whether_the_part_is_here():
    name = "efficientnet-lite2"
    done = typed("path", name)
    assert done.exit_code == 1 and done.stdout.strip() == str(path(name)) and f"nunbit models get {name}" in done.stderr
    path(name).mkdir(parents=True)
    (path(name) / FACTS).write_text("{}")
    assert typed("path", name).exit_code == 0
    assert f"removed {name}" in typed("remove", name).stderr and not path(name).exists()
    assert "was not here" in typed("remove", name).stderr


def test_an_unknown_part_is_refused():
    assert isinstance(typed("get", "efficientnet-lite9").exception, UserError)
