"""/v1/perceive shows what the served model itself is given."""

import json

import httpx
from PIL import Image

from nunbit.scene import Scene, SceneObject
from nunbit.serving.perception import PerceptionService


class Served:
    """An engine whose model has the perception it is given, or none."""

    def __init__(self, aware):
        self.runner = type("Runner", (), {"aware": aware})()


class Aware:
    def perceive(self, pictures):
        return [Scene(p.width, p.height, [SceneObject("teapot", (1.0, 2.0, 9.0, 9.0))]) for p in pictures]


def test_an_object_aware_model_shows_its_own_perception():
    found = PerceptionService.of_engine(Served(Aware())).describe(Image.new("RGB", (20, 10)))
    assert found["scene"]["objects"][0]["name"] == "teapot" and "teapot" in found["words"]
    assert set(found["overlays"]) == {"boxes", "relations", "text"}


def test_any_other_model_shows_the_default_perception(monkeypatch):
    from nunbit.perception.build import PerceptionConfig
    from nunbit.serving import perception

    configs = []
    monkeypatch.setattr(perception, "build_perception", lambda config: configs.append(config) or Aware().perceive)
    service = PerceptionService.of_engine(Served(None))
    assert configs == [PerceptionConfig()] and "teapot" in service.describe(Image.new("RGB", (20, 10)))["words"]


def test_the_server_shows_the_scene_that_the_model_is_given(running, pictures, uris):
    aware = running.engine.runner.aware
    assert aware is not None and running.app.state.server.perception.perceive == aware.perceive
    got = httpx.post(running.url + "/v1/perceive", json={"image": uris[2]}, timeout=240).json()
    assert got["scene"] == json.loads(json.dumps(aware.perceive([pictures[2]])[0].to_json()))
