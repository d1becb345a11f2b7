"""Parts that travel: whole again on the other side, or refused."""

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import LlamaConfig, LlamaForCausalLM

from nunbit.errors import UserError
from nunbit.recipes.small import accelerator
from nunbit.recipes.small.blocks import pack_blocks, unpack_blocks
from nunbit.recipes.small.decoder import Decoder


@pytest.fixture
def base(tmp_path):
    folder = tmp_path / "base"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    torch.manual_seed(0)
    save_file({"a.weight": torch.randn(1024, 4096).bfloat16(), "norm": torch.randn(8)}, folder / "model.safetensors")
    return folder


def test_parts_are_small_and_come_together_again(base, tmp_path):
    parts = accelerator.pack(base, tmp_path / "parts", 1_000_000)
    assert parts == 3
    for i in range(1, parts + 1):
        folder = tmp_path / "parts" / f"part-{i:03}"
        assert sum(f.stat().st_size for f in folder.iterdir() if f.name != accelerator.MANIFEST) <= 1_000_000
        carried = tmp_path / f"visit-{i}"
        (carried).mkdir()
        folder.rename(carried / folder.name)
        assert accelerator.receive(carried, tmp_path / "kept") == list(range(i + 1, parts + 1))
    joined = accelerator.join(tmp_path / "kept")
    before, after = (load_file(f / "model.safetensors") for f in (base, joined))
    assert torch.equal(before["norm"], after["norm"])
    error = (before["a.weight"].float() - after["a.weight"].float()).abs()
    blocks = before["a.weight"].float().view(-1, 32)
    assert (
        error.view(-1, 32) <= (blocks.amax(1) - blocks.amin(1))[:, None] / 28
    ).all()  # half a step of sixteen levels


def test_sixteen_levels_come_back_as_they_were():
    """Weights that were opened from blocks of four bits lose nothing but rounding."""
    torch.manual_seed(1)
    codes = torch.randint(0, 16, (4, 64))
    codes[:, ::32], codes[:, 1::32] = 0, 15
    weights = 0.01 * codes - 0.07
    back = unpack_blocks(pack_blocks({"w": weights}), torch.float32)["w"]
    assert torch.allclose(back, weights, atol=2e-4)
    assert torch.allclose(
        unpack_blocks(pack_blocks({"embed_tokens.w": weights}), torch.float32)["embed_tokens.w"], weights, atol=1e-3
    )


def test_a_missing_or_damaged_part_is_refused(base, tmp_path):
    accelerator.pack(base, tmp_path / "kept", 1_000_000)
    piece = tmp_path / "kept" / "part-002" / "model.blocks"
    held = piece.read_bytes()
    piece.write_bytes(b"x" + held[1:])
    with pytest.raises(UserError, match="damaged"):
        accelerator.join(tmp_path / "kept")
    piece.unlink()
    with pytest.raises(UserError, match="has not come"):
        accelerator.join(tmp_path / "kept")


def test_what_learnt_comes_back(tmp_path, monkeypatch):
    monkeypatch.setattr(accelerator, "BACK_BYTES_MAX", 10_000)
    config = LlamaConfig(
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=6,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        vocab_size=40,
        tie_word_embeddings=True,
        rope_parameters={"rope_theta": 1e5, "rope_type": "default"},
    )
    model = LlamaForCausalLM(config)
    one, two = Decoder(model, 5, rank=4), Decoder(model, 5, rank=4)
    accelerator.write_state(one, tmp_path)
    assert len(list(tmp_path.glob("state-*"))) > 1
    accelerator.read_state(two, accelerator.collect(tmp_path, tmp_path / "all.safetensors"))
    for (name, a), b in zip(one.named_parameters(), two.parameters(), strict=True):
        assert torch.allclose(a, b, atol=0.02), name
    with pytest.raises(UserError, match="rank"):
        accelerator.read_state(Decoder(model, 5, rank=2), tmp_path / "all.safetensors")
