"""Retrieval of examples: by the encoder's own features, the likest last, from an index that is made once."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from nunbit.errors import UserError
from nunbit.prompting.rices import Rices, fingerprint, index_file, picture_embedder, vision_encoder
from nunbit.prompting.shots import Shot, load_shots

COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "dark red": (180, 10, 0), "blue": (0, 0, 255)}


def colour(*rgb):
    return Image.new("RGB", (8, 8), rgb)


SHOTS = [Shot(n, n, colour(*c)) for n, c in COLOURS.items()]


class Embed:
    """The mean colour as a feature; counts what it is asked for."""

    def __init__(self):
        self.calls = []

    def __call__(self, pictures):
        self.calls.append(len(pictures))
        rows = torch.stack([torch.tensor(np.asarray(p, np.float32).reshape(-1, 3).mean(0)) for p in pictures])
        return torch.nn.functional.normalize(rows + 20, dim=-1)


def answers(shots):
    return [s.answer for s in shots]


def test_the_likest_come_last_and_the_query_itself_never():
    index = Rices(SHOTS, Embed(), encoder="mean")
    assert answers(index.nearest(colour(200, 10, 4), 2)) == ["red", "dark red"]
    assert answers(index.nearest(colour(250, 90, 5), 4)) == ["blue", "green", "red", "dark red"]
    assert "red" not in answers(index.nearest(colour(255, 0, 0), 4)) and len(index.nearest(colour(255, 0, 0), 4)) == 3
    assert index.nearest(colour(1, 2, 3), 0) == []
    with pytest.raises(UserError, match="-1"):
        index.nearest(colour(1, 2, 3), -1)
    with pytest.raises(UserError, match="without pictures"):
        Rices([Shot("a", "b")], Embed(), encoder="mean")


def test_equal_likeness_keeps_the_order_of_the_file():
    shots = [Shot("a", "a", colour(9, 9, 9)), Shot("b", "b", colour(9, 9, 9)), Shot("c", "c", colour(99, 0, 0))]
    assert answers(Rices(shots, Embed(), encoder="mean").nearest(colour(30, 30, 30), 2)) == ["b", "a"]


def test_the_index_is_kept_and_belongs_to_one_encoder(tmp_path):
    file, embed = tmp_path / "i.safetensors", Embed()
    first = Rices(SHOTS[:3], embed, encoder="mean", file=file)
    assert embed.calls == [3] and [p.name for p in tmp_path.iterdir()] == ["i.safetensors"]
    assert torch.equal(Rices(SHOTS[:3], embed, encoder="mean", file=file).vectors, first.vectors) and embed.calls == [3]
    Rices(SHOTS, embed, encoder="mean", file=file)
    assert embed.calls == [3, 1], "only the new picture is looked at"
    Rices(SHOTS, embed, encoder="another", file=file)
    assert embed.calls == [3, 1, 4]
    file.write_bytes(b"torn")
    assert torch.equal(Rices(SHOTS[:3], embed, encoder="mean", file=file).vectors, first.vectors)


def test_vectors_of_unlike_widths_are_not_used(tmp_path):
    from safetensors.torch import load_file, save_file

    file = tmp_path / "i.safetensors"
    Rices(SHOTS, Embed(), encoder="mean", file=file)
    held = load_file(file)
    save_file(held | {next(iter(held)): torch.ones(7)}, file, metadata={"encoder": "mean"})
    assert Rices(SHOTS, Embed(), encoder="mean", file=file).vectors.shape == (4, 3)


def test_a_folder_that_cannot_be_written_costs_only_the_index(tmp_path):
    (tmp_path / "taken").write_text("a file, no folder")
    index = Rices(SHOTS, Embed(), encoder="mean", file=tmp_path / "taken" / "i.safetensors")
    assert index.vectors.shape == (4, 3) and [p.name for p in tmp_path.iterdir()] == ["taken"]


def test_the_index_is_in_the_cache_and_not_beside_the_examples(tmp_path, monkeypatch):
    monkeypatch.setenv("NUNBIT_CACHE", str(tmp_path / "cache"))
    one, two = index_file(tmp_path / "a" / "s.jsonl"), index_file(tmp_path / "b" / "s.jsonl")
    assert one != two and {one.parent, two.parent} == {tmp_path / "cache" / "rices"}
    Rices(SHOTS, Embed(), encoder="mean", file=one)
    again = Embed()
    Rices(SHOTS, again, encoder="mean", file=one)
    assert not again.calls


def test_examples_on_disk_are_known_by_their_content(tmp_path, monkeypatch):
    monkeypatch.setenv("NUNBIT_CACHE", str(tmp_path / "cache"))
    rows = []
    for n, (name, c) in enumerate(COLOURS.items()):
        colour(*c).save(tmp_path / f"{n}.png")
        rows.append({"image": f"{n}.png", "question": "?", "answer": name})
    (tmp_path / "s.jsonl").write_text("\n".join(map(json.dumps, rows)))
    file, embed = index_file(tmp_path / "s.jsonl"), Embed()
    index = Rices(load_shots(tmp_path / "s.jsonl"), embed, encoder="mean", file=file)
    found = answers(index.nearest(colour(255, 0, 0), 3))
    assert found[-1] == "dark red" and "red" not in found, "the same pixels from a file are the query's own picture too"
    colour(1, 2, 250).save(tmp_path / "1.png")
    Rices(load_shots(tmp_path / "s.jsonl"), embed := Embed(), encoder="mean", file=file)
    assert embed.calls == [1], "a picture that changed under its name is looked at again"
    (tmp_path / "1.png").unlink()
    with pytest.raises(UserError, match=r"1\.png"):
        Rices(load_shots(tmp_path / "s.jsonl"), Embed(), encoder="mean", file=file)


@pytest.fixture(scope="module")
def eyes():
    from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModel

    torch.manual_seed(0)
    config = CLIPVisionConfig(
        hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2, image_size=16, patch_size=8
    )
    size = {"height": 16, "width": 16}
    return CLIPVisionModel(config).eval(), CLIPImageProcessor(size=size, crop_size=size)


def test_pictures_become_the_unit_mean_of_the_encoders_features(eyes):
    model, processor = eyes
    pictures = [s.image for s in SHOTS]
    got = picture_embedder(model, processor, batch=3)(pictures)
    with torch.no_grad():
        want = model(processor(pictures, return_tensors="pt")["pixel_values"]).last_hidden_state.mean(1)
    assert torch.allclose(got, want / want.norm(dim=-1, keepdim=True), atol=1e-5) and got.shape == (4, 16)


def test_tiles_of_a_picture_count_as_their_mean(eyes):
    model, processor = eyes

    def tiled(images, return_tensors):
        pixels = processor(images, return_tensors="pt")["pixel_values"]
        return {"pixel_values": torch.stack([pixels, -pixels], 1)}

    one, other = (picture_embedder(model, p)([SHOTS[0].image, SHOTS[1].image]) for p in (processor, tiled))
    assert (
        other.shape == one.shape
        and torch.allclose(other.norm(dim=-1), torch.ones(2))
        and not torch.allclose(one, other)
    )


def test_the_encoder_is_found_and_known_by_its_weights(eyes):
    model, _ = eyes
    holder, owner = torch.nn.Module(), torch.nn.Module()
    holder.vision_tower, owner.model = model, holder
    assert vision_encoder(owner) is model and vision_encoder(holder) is model and vision_encoder(model) is model
    before = fingerprint(model)
    weight = next(model.parameters())
    with torch.no_grad():
        weight.view(-1)[0] += 0.01
        after = fingerprint(model)
        weight.view(-1)[0] -= 0.01
    assert before != after and len(before) == 16 and before == before.lower()
