"""Every layout of a LLaVA checkpoint in the table is imported tensor for tensor, or refused by a sentence."""

import pytest
import torch
from tests.families import language, vision
from tests.models.llava_layouts import LORA, LORA_REFUSED, REFUSED, RIGHT, lora, only, put
from tests.models.test_public_importers import original

from nunbit.cli.train import import_llava
from nunbit.errors import UserError
from nunbit.models.build import build_model
from nunbit.models.importers import llava, llava_lora
from nunbit.models.importers.llava_config import read_settings


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Folders of the parts, a model with weights of its own, its original tensors, and what it was made of."""
    root = tmp_path_factory.mktemp("parts")
    parts = str(vision("clip", root / "clip")), str(language("llama", root / "llama"))
    model, _ = build_model(*parts)
    torch.manual_seed(4)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.02 * torch.randn_like(p))
    return parts, model, {k: v.detach().clone() for k, v in original(model).items()}


def read_by(model):
    """The tensors on which an answer rests, by native name."""
    held = model.state_dict()
    return {k: v for k, v in held.items() if "post_layernorm" not in k and "vision_tower.encoder.layers.1." not in k}


@pytest.mark.parametrize("layout", RIGHT)
def test_a_whole_checkpoint_is_imported(made, tmp_path, layout):
    parts, model, state = made
    RIGHT[layout](tmp_path, state, model)
    read_settings(tmp_path)
    other, _ = build_model(*parts)
    fresh = read_by(build_model(*parts)[0])
    llava.load_whole(tmp_path, other)
    for name, value in read_by(other).items():
        frozen = layout == "without the frozen encoder" and "vision_tower" in name
        assert torch.equal(value, (fresh if frozen else model.state_dict())[name]), name


@pytest.mark.parametrize("layout", REFUSED)
def test_a_layout_is_refused_by_a_sentence(made, tmp_path, layout):
    parts, _, state = made
    fill, says = REFUSED[layout]
    source = tmp_path / "checkpoint"
    source.mkdir()
    fill(source, state)
    with pytest.raises(UserError) as found:
        import_llava(source, *parts, tmp_path / "out")
    assert says in str(found.value) and not (source / "EXECUTED").exists()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("layout", LORA)
def test_an_adapter_is_added(made, tmp_path, layout):
    parts, model, state = made
    base, _ = build_model(*parts)
    projector = only(state, "mm_projector")
    added = LORA[layout](tmp_path, state, projector)
    assert llava_lora.is_adapter(tmp_path)
    done, _ = build_model(*parts)
    llava_lora.load_adapter(tmp_path, done)
    before, wanted, after = dict(base.state_dict()), dict(model.state_dict()), done.state_dict()
    expected = {n: wanted[n] if "multi_modal_projector" in n else before[n] for n in after}
    whole = {"an output layer": "lm_head.", "an encoder trained": "model.vision_tower."}
    for begins, part in whole.items():
        if layout.startswith(begins):
            expected |= {n: v for n, v in wanted.items() if n.startswith(part)}
    changed = {
        "an adapter of the encoder": "model.vision_tower.encoder.layers.0.self_attn.q_proj.weight",
        "an adapter of the projector": "model.multi_modal_projector.linear_1.weight",
    }.get(layout, "model.language_model.layers.0.self_attn.q_proj.weight")
    changed = changed if changed in after else changed.replace("vision_tower.", "vision_tower.vision_model.")
    expected[changed] = expected[changed] + added
    own = int(base.config.image_token_id)  # rows of added tokens are random in each model
    for name, value in after.items():
        rows = own if "embed_tokens" in name or "lm_head" in name and "output layer" not in layout else len(value)
        assert torch.allclose(value[:rows], expected[name][:rows], atol=1e-5), name


@pytest.mark.parametrize("layout", LORA_REFUSED)
def test_an_adapter_is_refused_by_a_sentence(made, tmp_path, layout):
    parts, _, state = made
    fill, says = LORA_REFUSED[layout]
    fill(tmp_path, state, only(state, "mm_projector"))
    model, _ = build_model(*parts)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    with pytest.raises(UserError) as found:
        llava_lora.load_adapter(tmp_path, model)
    assert says in str(found.value) and not (tmp_path / "EXECUTED").exists()
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())  # nothing half done


def test_parts_that_the_config_names_are_taken(made, tmp_path, capsys):
    (encoder, words), _, state = made
    put(tmp_path, state)
    (tmp_path / "config.json").write_text(f'{{"mm_vision_tower": "{encoder}", "mm_vision_select_layer": -1}}')
    with pytest.raises(UserError, match="without --vision or --llm"):
        import_llava(tmp_path, "", "", tmp_path / "out")
    import_llava(tmp_path, "", words, tmp_path / "out")
    assert '"vision_feature_layer": -1' in (tmp_path / "out" / "config.json").read_text()
    source = tmp_path / "lora"
    source.mkdir()
    lora(source, state, only(state, "mm_projector"), base_model_name_or_path=words)
    (source / "config.json").write_text(f'{{"mm_vision_tower": "{encoder}"}}')
    import_llava(source, "", "", tmp_path / "out2")
    assert "adapter of rank 2 added" in capsys.readouterr().out
