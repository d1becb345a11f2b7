"""The one factory: its fall-backs, what is opened at once, and the same Scene wherever a picture is perceived."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest
from PIL import Image

from nunbit.errors import UserError
from nunbit.files import EMBEDDED
from nunbit.perception.build import PART_BUILDERS, PerceptionConfig, build_perception, choose_reader, class_names
from nunbit.perception.ocr import TesseractReader, tesseract_installed
from nunbit.perception.panoptic import PanopticSegmenter
from nunbit.perception.pipeline import PARTS, failed_parts
from nunbit.scene import Scene, Segment
from nunbit.world.base import DOMAINS, generator


@pytest.fixture
def no_tesseract(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.fixture(scope="module")
def sign() -> Image.Image:
    """A picture with text that the embedded reader reads."""
    return Image.fromarray(DOMAINS["writing"].draw(generator(3, 5, "test"), "test").pixels)


class Blank:
    """A panoptic model that finds one segment everywhere."""

    name = "blank"

    def __call__(self, images):
        cells = [np.ones((i.height, i.width), np.int32) for i in images]
        return [
            Scene(i.width, i.height, segments=[Segment(1, "sky")], segment_map=c)
            for i, c in zip(images, cells, strict=True)
        ]


def texts(scene: Scene) -> list[str]:
    return [line.text for line in scene.text_lines]


def test_every_part_has_a_builder():
    assert tuple(PART_BUILDERS) == PARTS


def test_tesseract_reads_where_it_is_installed_and_the_embedded_reader_elsewhere(monkeypatch):
    monkeypatch.setattr("nunbit.perception.build.tesseract_installed", lambda: True)
    assert choose_reader(PerceptionConfig()) == "tesseract"
    assert isinstance(build_perception(PerceptionConfig()).parts["ocr"], TesseractReader)
    monkeypatch.setattr("nunbit.perception.build.tesseract_installed", lambda: False)
    assert choose_reader(PerceptionConfig()) == "embedded"
    assert choose_reader(PerceptionConfig(ocr="none")) == "none"


def test_tesseract_without_a_usable_language_is_not_installed(monkeypatch, no_tesseract):
    assert not tesseract_installed()
    monkeypatch.setattr("shutil.which", lambda name: "/usr/bin/" + name)
    assert not tesseract_installed(), "a program that cannot be run"


def test_the_embedded_model_reads_in_the_same_pass(no_tesseract, sign):
    [scene] = build_perception(PerceptionConfig())([sign])
    [embedded] = build_perception(PerceptionConfig(ocr="embedded"))([sign])
    [silent] = build_perception(PerceptionConfig(ocr="none"))([sign])
    assert texts(scene) == texts(embedded) != [] and not silent.text_lines and not failed_parts(scene)
    notes = scene.meta["perception"]
    assert notes["ocr"] == {"status": "ok", "provider": notes["panoptic"]["provider"]}
    assert silent.meta["perception"]["ocr"]["status"] == "absent"


def test_the_embedded_reader_reads_beside_a_named_panoptic_model(no_tesseract, monkeypatch, sign):
    monkeypatch.setattr(PanopticSegmenter, "from_pretrained", lambda folder: Blank())
    [scene] = build_perception(PerceptionConfig(panoptic="somewhere"))([sign])
    assert texts(scene) == texts(build_perception(PerceptionConfig())([sign])[0])
    assert [s.name for s in scene.segments] == ["sky"] and not scene.objects
    assert scene.meta["perception"]["ocr"]["provider"].startswith("reader-cells-")


def test_command_server_and_assistant_read_the_same_text(no_tesseract, sign, tmp_path, capsys):
    from nunbit.assistant import Assistant
    from nunbit.cli.see import see_picture
    from nunbit.serving.perception import PerceptionService

    sign.save(tmp_path / "sign.png")
    see_picture(str(tmp_path / "sign.png"), PerceptionConfig(), as_json=True)
    seen = texts(Scene.from_json(capsys.readouterr().out))
    served = PerceptionService(build_perception(PerceptionConfig())).describe(sign)["scene"]
    asked = Assistant().aware.perceive([sign])[0]
    assert seen == texts(Scene.from_json(served)) == texts(asked) != []


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"panoptic": "/no/such/folder"}, "/no/such/folder"),
        ({"detector": "/no/such/folder", "queries": "dog"}, "/no/such/folder"),
        ({"detector": "/no/such/folder"}, "without names"),
        ({"queries": "dog"}, "without a detector"),
    ],
)
def test_a_wrong_name_is_an_error_before_any_picture_comes(fields, message):
    with pytest.raises(UserError, match=message):
        build_perception(PerceptionConfig(**fields))


def test_tesseract_by_name_must_be_there(no_tesseract):
    with pytest.raises(UserError, match="'tesseract' was not found"):
        build_perception(PerceptionConfig(ocr="tesseract"))


def test_load_opens_what_is_lazy(monkeypatch, tmp_path):
    perception = build_perception(PerceptionConfig(ocr="embedded"))
    assert perception.load() is perception and perception.parts["panoptic"]._provider is not None
    monkeypatch.setattr("nunbit.perception.build.EMBEDDED", tmp_path)
    with pytest.raises(UserError, match="perception.safetensors"):
        build_perception(PerceptionConfig(ocr="embedded")).load()


def test_booleans_of_earlier_configurations_mean_what_they_did():
    assert PerceptionConfig(ocr=True).ocr == "auto" and PerceptionConfig(ocr=False).ocr == "embedded"
    assert PerceptionConfig(ocr="false").ocr == "embedded"
    saved = json.loads(json.dumps(asdict(PerceptionConfig(ocr=False))))
    assert saved["ocr"] == "embedded" and PerceptionConfig(**saved) == PerceptionConfig(ocr=False)
    with pytest.raises(UserError, match="unknown reader of text 'tesserakt'.*did you mean|Did you mean 'tesseract'"):
        PerceptionConfig(ocr="tesserakt")


def test_classes_are_the_embedded_models_or_coco():
    assert "cat" in class_names(PerceptionConfig()) and class_names(PerceptionConfig(panoptic="x")) == ()
    assert (EMBEDDED / "perception.safetensors").exists()
