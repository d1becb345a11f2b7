"""/v1/perceive shows what the served model itself is given."""

import json
from pathlib import Path

import httpx
from PIL import Image
from tests.serving.conftest import uri

from nunbit.perception.drawings import NOTICE
from nunbit.scene import Scene, SceneObject
from nunbit.serving.perception import PerceptionService
from nunbit.world.samples import sample

CAT = Path(__file__).parents[1] / "perception" / "photos" / "cat.jpg"


class Served:
    """An engine whose model has the perception it is given, or none."""

    def __init__(self, aware):
        self.runner = type("Runner", (), {"aware": aware})()


class Aware:
    def perceive(self, pictures):
        return [Scene(p.width, p.height, [SceneObject("teapot", (1.0, 2.0, 9.0, 9.0))]) for p in pictures]

    shown = perceive


def test_an_object_aware_model_shows_its_own_perception():
    found = PerceptionService.of_engine(Served(Aware())).describe(lambda: Image.new("RGB", (20, 10)))
    assert found["scene"]["objects"][0]["name"] == "teapot" and "teapot" in found["words"]
    assert set(found["overlays"]) == {"boxes", "relations", "text"}


def test_any_other_model_shows_the_default_perception(monkeypatch):
    from nunbit.perception.build import PerceptionConfig
    from nunbit.serving import perception

    configs = []
    monkeypatch.setattr(perception, "build_perception", lambda config: configs.append(config) or Aware().perceive)
    service = PerceptionService.of_engine(Served(None))
    assert configs == [PerceptionConfig()] and "teapot" in service.describe(lambda: Image.new("RGB", (20, 10)))["words"]


def test_the_server_shows_the_scene_that_the_model_is_given(running):
    aware, drawing = running.engine.runner.aware, Image.fromarray(sample(1, seed=1).picture.pixels)
    got = httpx.post(running.url + "/v1/perceive", json={"image": uri(drawing)}, timeout=240).json()
    assert got["scene"] == json.loads(json.dumps(aware.perceive([drawing])[0].to_json()))


def test_a_photograph_beside_a_model_of_drawings_is_seen_by_the_default_perception(running):
    got = httpx.post(running.url + "/v1/perceive", json={"image": uri(Image.open(CAT))}, timeout=240).json()
    assert got["scene"]["objects"][0]["name"] == "cat" and "cat" in got["words"]


def test_an_answer_about_a_photograph_says_that_the_model_knows_drawings_only(running):
    def ask(picture):
        parts = [{"type": "image_url", "image_url": {"url": uri(picture)}}, {"type": "text", "text": "What is this?"}]
        body = {"messages": [{"role": "user", "content": parts}], "max_tokens": 4}
        return httpx.post(running.url + "/v1/chat/completions", json=body, timeout=240)

    assert ask(Image.open(CAT)).json()["nunbit_warnings"] == [NOTICE]
    answer = ask(Image.fromarray(sample(1, seed=1).picture.pixels)).json()
    assert "nunbit_warnings" not in answer and "perception" not in answer["nunbit"]
