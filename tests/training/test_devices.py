"""Where a process computes: its own card, pictures of its own share, copies beside the work."""

import pytest
import torch
import transformers
from tests.training.small_llava import STAGE, task_of, write_world

from nunbit.training import loop, sample_task
from nunbit.training.adapters import open_base
from nunbit.training.distributed import on_device, own_device


@pytest.mark.parametrize(
    ("device", "size", "wanted"),
    [("cuda", 8, "cuda:3"), ("cuda:0", 8, "cuda:3"), ("cuda:1", 1, "cuda:1"), ("cpu", 8, "cpu")],
)
def test_each_process_of_a_machine_has_its_own_card(device, size, wanted, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", str(size))
    monkeypatch.setenv("LOCAL_RANK", "3")
    assert own_device(device) == wanted


def test_a_card_by_its_number():
    assert on_device(torch.device("cuda:1"), "cuda:1") and on_device(torch.device("cuda:1"), "cuda")
    assert not on_device(torch.device("cuda:0"), "cuda:1") and not on_device(torch.device("cpu"), "cuda")


def test_weights_in_4_bits_lie_on_the_processs_own_card(monkeypatch):
    pytest.importorskip("bitsandbytes")
    given = {}

    auto = transformers.AutoModelForImageTextToText
    monkeypatch.setattr(auto, "from_pretrained", classmethod(lambda cls, folder, **how: given.update(how)))
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("LOCAL_RANK", "2")
    open_base("somewhere", 4, "cuda")
    assert given["device_map"] == {"": "cuda:2"}
    quantised = given["quantization_config"]
    assert quantised.bnb_4bit_quant_type == "nf4" and quantised.bnb_4bit_compute_dtype == torch.bfloat16
    open_base("somewhere", 4, "cpu")
    assert given["device_map"] == {"": "cpu"}


class Seen:
    """Stands in for a tensor on a processor."""

    device = torch.device("cpu")

    def __init__(self, pinned):
        self.pinned, self.copies = pinned, []

    def is_pinned(self):
        return self.pinned

    def pin_memory(self):
        out = Seen(True)
        out.copies = self.copies
        return out

    def to(self, device, non_blocking=False):
        self.copies.append((device, self.pinned, non_blocking))
        return self


def test_a_batch_goes_to_a_card_from_pinned_memory_without_waiting():
    for pinned in (False, True):
        tensor = Seen(pinned)
        loop._moved(tensor, "cuda:1")
        assert tensor.copies == [("cuda:1", True, True)]
    tensor = Seen(False)
    loop._moved(tensor, "cpu")
    assert tensor.copies[0][1] is False


def test_nobody_decodes_anothers_pictures(tmp_path, monkeypatch):
    world, opened = write_world(tmp_path), []
    real = sample_task.decode
    monkeypatch.setattr(sample_task, "decode", lambda picture: (opened.append(picture), real(picture))[1])
    whole = task_of(world)
    for step in range(3):
        opened.clear()
        batch = whole.batch(step, STAGE)
        every, shares = sorted(opened), []
        for rank in (0, 1):
            own = task_of(world)
            own.divide(rank, 2)
            opened.clear()
            mine = own.batch(step, STAGE)
            shares.append(sorted(opened))
            assert mine["picture_count"] == batch["picture_count"] and torch.equal(mine["ids"], batch["ids"])
        assert sorted(shares[0] + shares[1]) == every
    assert all(len(s) < len(every) for s in shares if every)
