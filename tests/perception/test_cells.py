"""The embedded perception model: the cells of a picture become the Scene they came from."""

import numpy as np
import pytest
import torch

from nunbit.errors import UserError
from nunbit.perception import GeometricRelations, Perception
from nunbit.perception.cells import (
    COLOUR_NAMES,
    FINAL,
    HEADS_FILE,
    LEAD,
    SLOTS,
    VOWEL,
    CellPerception,
    DenseHeads,
    head_class_names,
    heads_file,
    save_heads,
)
from nunbit.recipes.tiny.cells import cells_of
from nunbit.recipes.tiny.names import class_names
from nunbit.scene import box_iou
from nunbit.world.samples import sample

NAMES = class_names()


@pytest.fixture(scope="module")
def cell_perception():
    from transformers import CLIPImageProcessor, DPTModel

    from nunbit.recipes.tiny.sizes import vision_config

    torch.manual_seed(0)
    processor = CLIPImageProcessor(
        size={"height": 192, "width": 192}, do_center_crop=False, image_mean=[0.5] * 3, image_std=[0.5] * 3
    )
    return CellPerception(
        DPTModel(vision_config(), add_pooling_layer=False), processor, DenseHeads(192, len(NAMES)), NAMES
    )


def certain(cells):
    """Logits of heads that are certain of the truth."""

    def hot(values, size):
        return 20.0 * torch.nn.functional.one_hot(torch.as_tensor(values), size).float()

    g = cells.glyph
    return {
        "name": hot(cells.name, len(NAMES)),
        "colour": hot(cells.colour, len(COLOUR_NAMES)),
        "box": torch.from_numpy(cells.box),
        "lead": hot(g[..., 0], LEAD).flatten(1),
        "vowel": hot(g[..., 1], VOWEL).flatten(1),
        "final": hot(g[..., 2], FINAL).flatten(1),
    }


def match(wanted, others):
    return any(p.name == wanted.name and box_iou(p.box, wanted.box) > 0.6 for p in others)


def test_true_cells_give_the_true_objects_back(cell_perception):
    found = wanted = extra = 0
    for i in range(60):
        picture = sample(i, seed=3, mixture={"things": 1.0}, questions=0).picture
        scene = cell_perception.gather(certain(cells_of(picture, NAMES)), 192, 192)
        wanted += len(picture.scene.objects)
        found += sum(match(o, scene.objects) for o in picture.scene.objects)
        extra += sum(not match(o, picture.scene.objects) for o in scene.objects)
        assert {s.id for s in scene.segments} >= set(np.unique(scene.segment_map)) - {0}
    assert found / wanted > 0.95 and extra / wanted < 0.05


def test_true_cells_can_be_read(cell_perception):
    right = total = 0
    for i in range(40):
        picture = sample(i, seed=3, mixture={"writing": 1.0}, questions=0).picture
        lines = cell_perception.gather(certain(cells_of(picture, NAMES)), 192, 192).text_lines
        wanted = [t.text for t in picture.scene.text_lines]
        total += len(wanted)
        right += sum(t.text in wanted for t in lines)
    assert right / total > 0.9


def test_any_size_and_garbage_give_a_valid_scene(cell_perception):
    from PIL import Image

    perception = Perception(panoptic=cell_perception, relations=GeometricRelations())
    for size in ((300, 120), (7, 400), (12, 12)):
        scene = perception([Image.new("RGB", size, (200, 30, 90))])[0]
        assert scene.meta["perception"]["panoptic"]["status"] == "ok" and (scene.width, scene.height) == size
    noise = {k: 9 * torch.randn(144, v) for k, v in cell_perception.heads.sizes.items()}
    assert cell_perception.gather(noise, 50, 60).validate()


def test_heads_travel_with_their_model(cell_perception, tmp_path):
    save_heads(cell_perception.heads, NAMES, tmp_path)
    from safetensors import safe_open

    with safe_open(tmp_path / "perception.safetensors", "pt") as held:
        assert torch.allclose(held.get_tensor("out.weight").float(), cell_perception.heads.out.weight, atol=1e-3)
    with pytest.raises(UserError, match="perception.safetensors"):
        CellPerception.from_pretrained(tmp_path / "nothing")
    assert SLOTS == 4


def test_heads_under_the_name_of_earlier_versions_still_open(cell_perception, tmp_path):
    save_heads(cell_perception.heads, NAMES, tmp_path)
    (tmp_path / HEADS_FILE).rename(tmp_path / "eyes.safetensors")
    assert heads_file(tmp_path).name == "eyes.safetensors" and head_class_names(tmp_path) == tuple(NAMES[1:])
    save_heads(cell_perception.heads, NAMES, tmp_path)
    assert heads_file(tmp_path).name == HEADS_FILE, "the present name comes first"


def test_one_thing_under_two_names_is_one_object(cell_perception):
    """Half of an object's cells have another class, less certain, with the same box: the more certain name stands."""
    picture = next(
        p
        for i in range(50)
        if len((p := sample(i, seed=3, mixture={"things": 1.0}, questions=0).picture).scene.objects) == 1
    )
    cells = cells_of(picture, NAMES)
    logits = certain(cells)
    covered = np.flatnonzero(cells.name)
    assert len(covered) > 3
    for i in covered[::2]:
        logits["name"][i] = 0
        logits["name"][i, cells.name[i] % (len(NAMES) - 1) + 1] = 8.0
    found = cell_perception.gather(logits, 192, 192).objects
    assert [o.name for o in found] == [picture.scene.objects[0].name]
