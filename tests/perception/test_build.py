"""The one factory: its fall-backs, what is opened at once, and the same Scene wherever a picture is perceived."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nunbit.errors import UserError
from nunbit.files import EMBEDDED
from nunbit.perception.build import PART_BUILDERS, PerceptionConfig, build_perception, choose_reader, class_names
from nunbit.perception.cells import CellPerception
from nunbit.perception.ocr import TesseractReader, tesseract_installed
from nunbit.perception.panoptic import PanopticSegmenter
from nunbit.perception.pipeline import PARTS, failed_parts, missing_parts
from nunbit.scene import Scene, Segment
from nunbit.world.base import DOMAINS, generator

PHOTOS = Path(__file__).parent / "photos"
DRAWINGS = PerceptionConfig(parts="drawings")


@pytest.fixture
def no_tesseract(monkeypatch, tmp_path):
    """A machine without tesseract and rapidocr."""
    monkeypatch.setenv("PATH", str(tmp_path))
    for module in ("build", "reading"):
        monkeypatch.setattr(f"nunbit.perception.{module}.rapidocr_installed", lambda: False)


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


def test_the_first_reader_that_is_installed_reads(monkeypatch):
    monkeypatch.setattr("nunbit.perception.build.tesseract_installed", lambda: True)
    monkeypatch.setattr("nunbit.perception.build.rapidocr_installed", lambda: True)
    assert choose_reader(PerceptionConfig()) == choose_reader(DRAWINGS) == "tesseract"
    assert isinstance(build_perception(DRAWINGS).parts["ocr"], TesseractReader)
    monkeypatch.setattr("nunbit.perception.build.tesseract_installed", lambda: False)
    assert choose_reader(PerceptionConfig()) == "rapidocr"
    assert choose_reader(DRAWINGS) == "embedded", "what a model of drawings was trained with"
    monkeypatch.setattr("nunbit.perception.build.rapidocr_installed", lambda: False)
    assert choose_reader(PerceptionConfig()) == "embedded"
    assert choose_reader(PerceptionConfig(ocr="none")) == "none"


def test_a_photograph_is_seen_by_default_and_not_by_the_parts_for_drawings(no_tesseract):
    cat = Image.open(PHOTOS / "cat.jpg")
    [scene] = build_perception(PerceptionConfig())([cat])
    assert scene.objects[0].name == "cat" and scene.objects[0].score > 0.9
    assert scene.meta["picture"]["kind"] == "photograph" and not failed_parts(scene)
    [drawn] = build_perception(DRAWINGS)([cat])
    assert "cat" not in {o.name for o in drawn.objects if o.score > 0.9}
    assert drawn.meta["picture"]["kind"] == "photograph"


def test_the_parts_for_drawings_find_what_the_worlds_encoder_finds(no_tesseract, sign):
    [scene] = build_perception(DRAWINGS)([sign])
    [alone] = CellPerception.from_pretrained(EMBEDDED, read=True)([sign])
    assert (scene.objects, scene.text_lines, scene.segments) == (alone.objects, alone.text_lines, alone.segments)
    assert np.array_equal(scene.segment_map, alone.segment_map)


def test_what_is_not_installed_is_said_in_a_line(no_tesseract, sign, monkeypatch):
    [scene] = build_perception(PerceptionConfig())([sign])
    [line] = missing_parts(scene)
    assert "install" in line and "tesseract" in line
    with pytest.raises(UserError, match="rapidocr"):
        build_perception(PerceptionConfig(ocr="rapidocr"))


def test_tesseract_without_a_usable_language_is_not_installed(monkeypatch, no_tesseract):
    assert not tesseract_installed()
    monkeypatch.setattr("shutil.which", lambda name: "/usr/bin/" + name)
    assert not tesseract_installed(), "a program that cannot be run"


def test_the_embedded_model_reads_in_the_same_pass(no_tesseract, sign):
    [scene] = build_perception(PerceptionConfig())([sign])
    [embedded] = build_perception(PerceptionConfig(ocr="embedded"))([sign])
    [silent] = build_perception(PerceptionConfig(ocr="none"))([sign])
    assert texts(scene) == texts(embedded) == texts(build_perception(DRAWINGS)([sign])[0]) != []
    assert not silent.text_lines and not failed_parts(scene) and not missing_parts(silent)
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
    served = PerceptionService(build_perception(PerceptionConfig())).describe(lambda: sign)["scene"]
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
    for module, parts in (("build", "drawings"), ("merge", "auto")):
        monkeypatch.setattr(f"nunbit.perception.{module}.EMBEDDED", tmp_path)
        with pytest.raises(UserError, match="perception.safetensors"):
            build_perception(PerceptionConfig(parts=parts, ocr="embedded")).load()


def test_booleans_of_earlier_configurations_mean_what_they_did():
    assert PerceptionConfig(ocr=True).ocr == "auto" and PerceptionConfig(ocr=False).ocr == "embedded"
    assert PerceptionConfig(ocr="false").ocr == "embedded"
    saved = json.loads(json.dumps(asdict(PerceptionConfig(ocr=False))))
    assert saved["ocr"] == "embedded" and PerceptionConfig(**saved) == PerceptionConfig(ocr=False)
    with pytest.raises(UserError, match="unknown choice of perception parts 'drawing'.*did you mean|Did you mean"):
        PerceptionConfig(parts="drawing")
    with pytest.raises(UserError, match="0 to 1"):
        PerceptionConfig(max_failed=5)
    with pytest.raises(UserError, match="unknown reader of text 'tesserakt'.*did you mean|Did you mean 'tesseract'"):
        PerceptionConfig(ocr="tesserakt")


def test_classes_are_the_embedded_models_or_coco():
    assert "cat" in class_names(PerceptionConfig()) and class_names(PerceptionConfig(panoptic="x")) == ()
    assert (EMBEDDED / "perception.safetensors").exists()
