"""Original LLaVA and OpenFlamingo checkpoints: every tensor has its place, and the arithmetic is theirs."""

import pickle

import pytest
import torch
from tests.families import language, vision
from torch.nn import functional as F

from nunbit.errors import UserError
from nunbit.models.build import build_model
from nunbit.models.importers import llava, openflamingo
from nunbit.training.adapters import probe

TEXT, VISION, HEADS, HEAD, LATENTS, LAYERS = 32, 24, 8, 4, 5, 4


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("parts")
    return {k: language(k, root / k) for k in ("llama", "smollm")} | {
        k: vision(k, root / k) for k in ("clip", "siglip")
    }


def original(model):
    """A native LLaVA's tensors under the original names."""
    out = {}
    for name, value in model.model.state_dict().items():
        part, _, rest = name.partition(".")
        if part == "vision_tower":
            out[
                "model.vision_tower.vision_tower."
                + ("" if rest.startswith("vision_model.") else "vision_model.")
                + rest
            ] = value
        elif part == "multi_modal_projector":
            out["model.mm_projector." + rest.replace("linear_1", "0").replace("linear_2", "2")] = value
        else:
            out["model." + rest] = value
    return out | {"lm_head.weight": model.lm_head.weight.detach()}


def test_a_whole_original_checkpoint_gives_the_same_logits(folders, tmp_path):
    torch.manual_seed(1)
    model, _ = build_model(folders["clip"], folders["llama"])
    torch.save(
        original(model) | {"model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(2)},
        tmp_path / "pytorch_model.bin",
    )
    torch.manual_seed(2)
    other, _ = build_model(folders["clip"], folders["llama"])
    with torch.no_grad():
        for p in other.parameters():
            p.normal_()
    assert not torch.allclose(probe(other), probe(model), atol=1e-2)
    report = llava.load_whole(tmp_path, other)
    assert report.complete and len(report.remade) == 1 and torch.equal(probe(other), probe(model))


def test_the_encoder_may_be_left_out(folders, tmp_path):
    model, _ = build_model(folders["clip"], folders["llama"])
    torch.save({k: v for k, v in original(model).items() if "vision_tower" not in k}, tmp_path / "m.bin")
    report = llava.load_whole(tmp_path / "m.bin", model)
    assert report.missing and all(n.startswith("vision_tower.") for n in report.missing)


def test_a_projector_fits_its_own_pair_only(folders, tmp_path):
    model, _ = build_model(folders["clip"], folders["llama"])
    held = {k: v for k, v in original(model).items() if "mm_projector" in k}
    torch.save(held, tmp_path / "mm_projector.bin")
    other, _ = build_model(folders["siglip"], folders["llama"])
    with torch.no_grad():
        for p in other.model.multi_modal_projector.parameters():
            p.zero_()
    assert llava.load_projector(tmp_path / "mm_projector.bin", other).complete
    assert torch.equal(other.model.multi_modal_projector.linear_1.weight, held["model.mm_projector.0.weight"])
    torch.save({k: v[:7] for k, v in held.items()}, tmp_path / "small.bin")
    with pytest.raises(UserError, match=r"does not fit.*\(7, 24\) for \(32, 24\)"):
        llava.load_projector(tmp_path / "small.bin", other)
    torch.save({"model.mm_projector.weight": torch.zeros(32, 24)}, tmp_path / "linear.bin")
    with pytest.raises(UserError, match="mlp2x_gelu"):
        llava.load_projector(tmp_path / "linear.bin", other)


def test_pickled_code_is_never_run(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / "boom"), "w"))

    (tmp_path / "m.bin").write_bytes(pickle.dumps({"model.mm_projector.0.weight": Bomb()}))
    for read in (llava.read, openflamingo.read):
        with pytest.raises(UserError, match="cannot be read"):
            read(tmp_path / "m.bin")
    assert not (tmp_path / "boom").exists()


def checkpoint(frames=0, every=2):
    """A random OpenFlamingo checkpoint in its own names."""
    g = torch.Generator().manual_seed(3)

    def r(*shape):
        return torch.randn(*shape, generator=g) * 0.2

    inner, out = (
        HEADS * HEAD,
        {
            "perceiver.latents": r(LATENTS, VISION),
            "perceiver.norm.weight": 1 + r(VISION),
            "perceiver.norm.bias": r(VISION),
        },
    )
    if frames:
        out["perceiver.frame_embs"] = r(frames, VISION)

    def feed(name, width):
        out.update(
            {
                f"{name}.0.weight": 1 + r(width),
                f"{name}.0.bias": r(width),
                f"{name}.1.weight": r(4 * width, width),
                f"{name}.3.weight": r(width, 4 * width),
            }
        )

    for i in range(2):
        a = f"perceiver.layers.{i}.0."
        for n in ("norm_media", "norm_latents"):
            out |= {a + n + ".weight": 1 + r(VISION), a + n + ".bias": r(VISION)}
        out |= {
            a + "to_q.weight": r(inner, VISION),
            a + "to_kv.weight": r(2 * inner, VISION),
            a + "to_out.weight": r(VISION, inner),
        }
        feed(f"perceiver.layers.{i}.1", VISION)
    for i in range(every - 1, LAYERS, every):
        b = f"lang_encoder.transformer.blocks.{i}.gated_cross_attn_layer."
        out |= {
            b + "attn.norm.weight": 1 + r(TEXT),
            b + "attn.norm.bias": r(TEXT),
            b + "attn.to_q.weight": r(inner, TEXT),
            b + "attn.to_kv.weight": r(2 * inner, VISION),
            b + "attn.to_out.weight": r(TEXT, inner),
            b + "attn_gate": torch.tensor([0.7]),
            b + "ff_gate": torch.tensor([-0.4]),
        }
        feed(b + "ff", TEXT)
    return out | {"lang_encoder.transformer.wte.weight": r(9, TEXT)}


def attend(q, k, v):
    split = [x.reshape(*x.shape[:-1], HEADS, HEAD).transpose(-3, -2) for x in (q, k, v)]
    score = torch.einsum("...id,...jd->...ij", split[0], split[1]) / HEAD**0.5
    out = torch.einsum("...ij,...jd->...id", score.softmax(-1), split[2])
    return out.transpose(-3, -2).flatten(-2)


def norm(x, s, name):
    return F.layer_norm(x, x.shape[-1:], s[name + ".weight"], s[name + ".bias"])


def fed(x, s, name):
    return F.gelu(norm(x, s, name + ".0") @ s[name + ".1.weight"].T) @ s[name + ".3.weight"].T


def resampled(features, s):
    """(I, S, Dv) -> (I, M, Dv), written from the paper's figure."""
    x = s["perceiver.latents"].expand(len(features), -1, -1)
    for i in range(2):
        a = f"perceiver.layers.{i}.0."
        q = norm(x, s, a + "norm_latents")
        k, v = (torch.cat([norm(features, s, a + "norm_media"), q], 1) @ s[a + "to_kv.weight"].T).chunk(2, -1)
        x = x + attend(q @ s[a + "to_q.weight"].T, k, v) @ s[a + "to_out.weight"].T
        x = x + fed(x, s, f"perceiver.layers.{i}.1")
    return norm(x, s, "perceiver.norm")


@pytest.mark.parametrize("every", (1, 2, 4))
def test_openflamingo_arithmetic(tmp_path, every):
    state = checkpoint(every=every)
    torch.save({"model_state_dict": {"module." + k: v for k, v in state.items()}}, tmp_path / "c.pt")
    connector, report, embeddings = openflamingo.load(tmp_path / "c.pt", LAYERS)
    assert report.complete and list(embeddings) == ["lang_encoder.transformer.wte.weight"]
    assert [int(k) for k in connector.blocks] == list(range(every - 1, LAYERS, every))
    torch.manual_seed(0)
    features, text = torch.randn(1, 1, 7, VISION), torch.randn(1, 6, TEXT)
    with torch.no_grad():
        media = connector.media_tokens(features)
        ref = resampled(features[0], state)
        assert torch.allclose(media[0], ref, atol=1e-4)
        i = next(iter(connector.blocks))
        block, b = connector.blocks[i], f"lang_encoder.transformer.blocks.{i}.gated_cross_attn_layer."
        ours = block(
            text, block.attention.keys_values(media.flatten(1, 2)), torch.ones(1, 1, 6, LATENTS, dtype=torch.bool)
        )
        k, v = (ref @ state[b + "attn.to_kv.weight"].T).chunk(2, -1)
        looked = (
            attend(norm(text, state, b + "attn.norm") @ state[b + "attn.to_q.weight"].T, k, v)
            @ state[b + "attn.to_out.weight"].T
        )
        y = text + torch.tanh(state[b + "attn_gate"]) * looked
        assert torch.allclose(ours, y + torch.tanh(state[b + "ff_gate"]) * fed(y, state, b + "ff"), atol=1e-4)


def test_openflamingo_report_tells_frozen_from_missing(tmp_path):
    state = checkpoint() | {"vision_encoder.x": torch.ones(1), "lang_encoder.transformer.blocks.0.w": torch.ones(1)}
    torch.save(state, tmp_path / "c.pt")
    assert len(openflamingo.load(tmp_path / "c.pt", LAYERS)[1].frozen) == 2
    del state["perceiver.norm.bias"]
    torch.save(state, tmp_path / "c.pt")
    with pytest.raises(UserError, match=r"1 missing: resampler.norm.bias"):
        openflamingo.load(tmp_path / "c.pt", LAYERS)
    with pytest.raises(UserError, match="every k-th layer"):
        openflamingo.load(tmp_path / "c.pt", LAYERS + 3)
    torch.save(checkpoint() | {"perceiver.odd": torch.ones(1)}, tmp_path / "c.pt")
    with pytest.raises(UserError, match="1 unexpected"):
        openflamingo.load(tmp_path / "c.pt", LAYERS)


def test_a_number_in_a_name_is_nobodys_size(tmp_path):
    torch.save(checkpoint() | {"perceiver.layers.999999999.0.to_q.weight": torch.ones(1)}, tmp_path / "c.pt")
    with pytest.raises(UserError, match="does not fit"):
        openflamingo.load(tmp_path / "c.pt", LAYERS)
    for lost in ("perceiver.latents", "perceiver.layers.0.0.to_q.weight", "perceiver.layers.0.1.1.weight"):
        torch.save({k: v for k, v in checkpoint().items() if k != lost}, tmp_path / "c.pt")
        with pytest.raises(UserError, match="cannot be read from the tensors"):
            openflamingo.load(tmp_path / "c.pt", LAYERS)


def test_frame_embeddings_come_along(tmp_path):
    torch.save(checkpoint(frames=3), tmp_path / "c.pt")
    connector, report, _ = openflamingo.load(tmp_path / "c.pt", LAYERS)
    assert report.complete and connector.resampler.time.shape == (3, VISION)


def test_the_command_makes_a_model_that_opens(folders, tmp_path, capsys):
    from nunbit.cli.train import import_llava
    from nunbit.models.checkpoint import open_model

    model, _ = build_model(folders["clip"], folders["llama"])
    torch.save(original(model), tmp_path / "m.bin")
    import_llava(tmp_path / "m.bin", str(folders["clip"]), str(folders["llama"]), tmp_path / "out")
    assert "matched" in capsys.readouterr().out
    assert torch.equal(probe(open_model(tmp_path / "out")[0]), probe(model))
    with pytest.raises(UserError, match="not empty"):
        import_llava(tmp_path / "m.bin", str(folders["clip"]), str(folders["llama"]), tmp_path / "out")
