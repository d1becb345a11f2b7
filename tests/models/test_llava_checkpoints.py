"""LLaVA checkpoints as they are published: own rows of tokens, a trainer's leftovers, adapters, other names."""

import json

import pytest
import torch
from tests.families import language, vision
from tests.models.test_public_importers import original
from transformers import AutoModelForCausalLM

from nunbit.cli.train import import_llava
from nunbit.errors import UserError
from nunbit.models.build import build_model
from nunbit.models.checkpoint import open_model
from nunbit.models.importers import llava, llava_lora
from nunbit.training.adapters import probe

TABLES = ("model.embed_tokens.weight", "lm_head.weight")


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    root = tmp_path_factory.mktemp("parts")
    return str(vision("clip", root / "clip")), str(language("llama", root / "llama"))


@pytest.fixture(scope="module")
def trained(parts):
    """A native model with weights of its own, its tensors under the original names, and the rows of its decoder."""
    model, _ = build_model(*parts)
    torch.manual_seed(4)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.02 * torch.randn_like(p))
    state = {k: v.detach().clone() for k, v in original(model).items()}
    return model, state, AutoModelForCausalLM.from_pretrained(parts[1]).get_input_embeddings().num_embeddings


@pytest.mark.parametrize("more", [0, 2, 5])
def test_the_language_models_own_rows_are_loaded(parts, trained, tmp_path, capsys, more):
    model, state, own = trained
    rows = {k: torch.cat([state[k][:own], torch.randn(more, state[k].shape[1])]) for k in TABLES}
    (tmp_path / "ckpt").mkdir()
    torch.save(state | rows, tmp_path / "ckpt" / "pytorch_model.bin")
    import_llava(tmp_path / "ckpt", *parts, tmp_path / "out")
    done, _ = open_model(tmp_path / "out")
    for ours, name in ((done.get_input_embeddings().weight, TABLES[0]), (done.lm_head.weight, TABLES[1])):
        assert torch.equal(ours[:own], state[name][:own])
    said = capsys.readouterr().out
    assert "2 remade" in said or len(state[TABLES[0]]) == own + more
    assert torch.equal(
        done.model.multi_modal_projector.linear_1.weight, model.model.multi_modal_projector.linear_1.weight
    )


def test_what_a_trainer_leaves_beside_the_weights(parts, trained, tmp_path):
    model, state, _ = trained
    torch.save(state, tmp_path / "pytorch_model.bin")
    for name in (
        "optimizer.pt",
        "training_args.bin",
        "optimizer.bin",
        "scheduler.bin",
        "rng_state_0.pth",
        "random_states_0.pkl",
    ):
        torch.save({"args": object}, tmp_path / name)
    for name in ("trainer_state.json", "pytorch_model.bin.index.json", "config.json"):
        (tmp_path / name).write_text("{}")
    (tmp_path / "checkpoint-5").mkdir()
    torch.save({"x": 1}, tmp_path / "checkpoint-5" / "pytorch_model.bin")
    other, _ = build_model(*parts)
    assert llava.load_whole(tmp_path, other).complete and torch.equal(probe(other), probe(model))
    (tmp_path / "pytorch_model.bin").rename(tmp_path / "weights.bin")
    assert llava.load_whole(tmp_path, other).complete
    (tmp_path / "weights.bin").unlink()
    with pytest.raises(UserError, match="holds no weights.*checkpoint-5"):
        llava.read(tmp_path)


@pytest.mark.parametrize("first", [True, False])
def test_native_names_are_read_too(parts, trained, tmp_path, first):
    model = trained[0]
    state = dict(model.state_dict())
    if first:  # as the first versions of the native type wrote them
        state = {
            k.replace("model.language_model.", "language_model.model.")
            .replace("model.multi_modal_projector.", "multi_modal_projector.")
            .replace("model.vision_tower.", "vision_tower.")
            .replace("lm_head.", "language_model.lm_head."): v
            for k, v in state.items()
        }
    torch.save(state, tmp_path / "pytorch_model.bin")
    other, _ = build_model(*parts)
    assert llava.load_whole(tmp_path, other).complete and torch.equal(probe(other), probe(model))


def adapter(folder, state, rank=2, name="model.layers.0.self_attn.q_proj", **config):
    weight = state[f"{name}.weight"]
    a, b = torch.randn(rank, weight.shape[1]), torch.randn(weight.shape[0], rank)
    held = {f"base_model.model.{name}.lora_{k}.weight": v for k, v in (("A", a), ("B", b))}
    torch.save(held, folder / "adapter_model.bin")
    projector = {"base_model.model." + k: v for k, v in state.items() if "mm_projector" in k}
    torch.save(projector, folder / "non_lora_trainables.bin")
    (folder / "adapter_config.json").write_text(json.dumps({"r": rank, "lora_alpha": 4, **config}))
    return b @ a


@pytest.mark.parametrize("rslora", [False, True])
def test_an_adapter_with_its_projector(parts, trained, tmp_path, rslora):
    _, state, _ = trained
    added = adapter(tmp_path, state, use_rslora=rslora)
    (tmp_path / "config.json").write_text("{}")
    base, _ = build_model(*parts)
    import_llava(tmp_path, *parts, tmp_path / "out")
    done, _ = open_model(tmp_path / "out")
    before = base.model.language_model.layers[0].self_attn.q_proj.weight
    after = done.model.language_model.layers[0].self_attn.q_proj.weight
    assert torch.allclose(after, before + (4 / 2**0.5 if rslora else 2) * added, atol=1e-5)
    assert torch.equal(done.model.multi_modal_projector.linear_2.bias, state["model.mm_projector.2.bias"])
    assert torch.equal(
        done.model.language_model.layers[1].mlp.up_proj.weight, base.model.language_model.layers[1].mlp.up_proj.weight
    )


def test_an_adapter_that_lacks_something_or_fits_nothing(parts, trained, tmp_path):
    _, state, _ = trained
    adapter(tmp_path, state, use_dora=True)
    model, _ = build_model(*parts)
    with pytest.raises(UserError, match="an adapter with use_dora"):
        llava_lora.load_adapter(tmp_path, model)
    adapter(
        tmp_path,
        state | {"model.layers.77.self_attn.q_proj.weight": torch.ones(3, 3)},
        name="model.layers.77.self_attn.q_proj",
    )
    with pytest.raises(UserError, match="does not fit.*1 unexpected"):
        llava_lora.load_adapter(tmp_path, model)
    (tmp_path / "non_lora_trainables.bin").unlink()
    with pytest.raises(UserError, match=r"no non_lora_trainables\.bin"):
        import_llava(tmp_path, *parts, tmp_path / "out")


@pytest.mark.parametrize(
    "name",
    [
        "model.visual_abstractor.encoder.layers.0.weight", "model.mm_projector.proj.weight", "vision_proj.0.weight",
        "model.mm_projector.layers.0.weight", "model.mm_projector.model.0.weight", "model.resampler.query",
        "mlp1.1.weight", "Qformer.bert.x",
    ],
)  # fmt: skip
def test_projectors_of_other_kinds_are_refused_by_name(tmp_path, name):
    torch.save({name: torch.ones(2, 2), "model.embed_tokens.weight": torch.ones(2, 2)}, tmp_path / "m.bin")
    with pytest.raises(UserError, match="a projector of another kind") as found:
        llava.read(tmp_path / "m.bin")
    assert name in str(found.value)
