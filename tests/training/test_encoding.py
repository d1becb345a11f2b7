"""Conversations are encoded once, by all processes together, and read from the disk."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from tests.training.sharded_run import processes
from tests.training.small_llava import configured, write_world

from nunbit.data.encoded import Encoded, complete_parts, read_parts, write_part
from nunbit.errors import UserError
from nunbit.models.image_tokens import token_counter
from nunbit.models.prompt import Prompt, PromptBuilder
from nunbit.training.distributed import ALONE, join
from nunbit.training.encoding import encoded_together
from nunbit.training.stages import build_model, load_samples


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return write_world(tmp_path_factory.mktemp("world"))


def samples(world, folder, group=ALONE, max_tokens=4096, built=None):
    done = configured(world)
    model, processor = build_model(done.model)
    builder = PromptBuilder.from_processor(processor, token_counter(model.config))
    real = builder.build
    builder.build = lambda *given, **how: (
        built.append(how["name"]) if built is not None else None,
        real(*given, **how),
    )[1]
    return load_samples(done.phases()["tune"], builder, max_tokens, model.config, folder, group, lambda _: None)


def same(a, b):
    return len(a) == len(b) > 0 and all(
        all(np.array_equal(getattr(x, k), getattr(y, k)) for k in ("ids", "loss_mask", "repeats"))
        and (x.media, x.name) == (y.media, y.name)
        for x, y in zip(a, b, strict=True)
    )


def test_a_second_run_reads_what_the_first_encoded(world, tmp_path):
    built = []
    first = samples(world, tmp_path, built=built)
    assert len(built) == 14 == len(first.samples)
    second = samples(world, tmp_path, built=built)
    assert len(built) == 14 and same(first.samples, second.samples) and first.files == second.files
    assert all(isinstance(s.ids.base, np.memmap) for s in second.samples), "ids stay on disk"


def test_what_has_changed_is_encoded_again(world, tmp_path):
    built = []
    samples(world, tmp_path, built=built)
    samples(world, tmp_path, max_tokens=4000, built=built)
    assert len(built) == 28
    picture = next((world[0] / "two").glob("*.png"))
    facts = picture.stat()
    os.utime(picture, ns=(facts.st_atime_ns, facts.st_mtime_ns + 1))
    samples(world, tmp_path, max_tokens=4000, built=built)
    assert len(built) == 33, "the five of its file, and no other"
    assert len([*(tmp_path / "encoded").glob("*/*")]) == 2, "older ones are removed"


def share(world, out):
    group, built = join("cpu"), []
    found = samples(world, out / "stage", group, built=built)
    alone = samples(world, out / f"alone-{group.rank}")
    assert same(found.samples, alone.samples) and found.files == alone.files
    (out / f"{group.rank}.json").write_text(json.dumps(built))


def test_each_process_encodes_its_share_and_reads_all(world, tmp_path):
    processes(2, share, world, tmp_path)
    counts = [len(json.loads((tmp_path / f"{rank}.json").read_text())) for rank in (0, 1)]
    assert counts == [4 + 2, 5 + 3]
    assert len([*tmp_path.glob("stage/encoded/*/*/00001-of-00002/samples.ids.npy")]) == 2


def fails(out):
    group = join("cpu")

    def make(first, last):
        if group.rank == 1:
            raise UserError("sample 5 is no sample", allowed="others", todo="leave it out")
        return {"x": Encoded()}

    with pytest.raises(UserError, match=r"sample 5 is no sample\. Allowed: others\. Leave it out\."):
        encoded_together(out, "key", 8, ("x",), make, group)


def test_an_error_in_one_process_is_an_error_in_all(tmp_path):
    processes(2, fails, tmp_path, limit_s=60)


def apart(out):
    group = join("cpu")
    with pytest.raises(UserError, match="is another folder for some of the 2 processes"):
        encoded_together(out / str(group.rank), "key", 8, ("x",), lambda first, last: {"x": Encoded()}, group)


def test_machines_without_a_common_folder_are_told_so(tmp_path):
    processes(2, apart, tmp_path, limit_s=60)


def test_parts_are_complete_or_not_there(tmp_path):
    prompt = Prompt(
        np.array([5, 6], np.int32), np.array([False, True]), np.array([1, 3], np.int32), (Path("a.png"),), "n"
    )
    write_part(tmp_path / "00000-of-00002", {"x": Encoded([prompt])})
    assert complete_parts(tmp_path) == []
    write_part(tmp_path / "00001-of-00002", {"x": Encoded()})
    parts = complete_parts(tmp_path)
    assert parts == ["00000-of-00002", "00001-of-00002"]
    [read] = read_parts(tmp_path, parts, "x").prompts
    assert same([read], [prompt]) and read.length == 4
