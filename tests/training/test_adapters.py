"""Adapters open with plain peft and merge."""

import pytest
import torch
from tests.training.pairs import configured, write_families

from nunbit.assistant import Assistant
from nunbit.recipes import llava15
from nunbit.recipes.debug_set import write_conversations
from nunbit.training.options import RunOptions

QUIET = RunOptions(say=lambda _: None)


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    return write_families(tmp_path_factory.mktemp("families"))


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return write_conversations(tmp_path_factory.mktemp("world"), samples=12)


@pytest.mark.parametrize("bits", (0, 4))
def test_adapters_open_with_plain_peft_and_merge(parts, world, tmp_path, bits):
    pytest.importorskip("peft")
    if bits:
        pytest.importorskip("bitsandbytes")
    done = configured(parts, world, "smollm", "dinov2", "lora.rank=4", f"lora.bits={bits}", "tune.language_lr=1e-2")
    folder = llava15.run(done, tmp_path / "run", QUIET)
    from peft import PeftModel
    from transformers import AutoModelForImageTextToText

    from nunbit.training.adapters import base_of, merge, open_adapter, probe

    base = AutoModelForImageTextToText.from_pretrained(base_of(folder), dtype=torch.float32).eval()
    bare = probe(base)
    plain = probe(PeftModel.from_pretrained(base, str(folder)).eval())
    assert torch.allclose(plain, probe(open_adapter(folder)), atol=1e-5) and not torch.allclose(plain, bare, atol=1e-3)
    held = __import__("safetensors").safe_open(folder / "adapter_model.safetensors", "pt").keys()
    assert any("multi_modal_projector" in k for k in held)
    assert merge(folder, tmp_path / "merged") < 1e-3
    Assistant(tmp_path / "merged")
