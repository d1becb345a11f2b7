"""Released MoAI and CoLLaVO: layout, loading, and the decoder against an independent one. Tiny models of that form."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from nunbit.errors import UserError
from nunbit.models.importers.collavo import ReleasedCoLLaVO
from nunbit.models.importers.dims import Dims, decoder_config
from nunbit.models.importers.fitting import POSITIONS, WORDS, resize_positions
from nunbit.models.importers.layout import check_layout
from nunbit.models.importers.moai import ReleasedMoAI
from nunbit.models.internlm2 import InternLM2ForCausalLM
from nunbit.models.internlm2_layers import InternLM2Config

ROOT = Path(__file__).parents[2]
GOLDEN = Path(os.environ.get("NUNBIT_GOLDEN", ROOT.parent / "shared" / "golden"))
CONFIG = {
    "model_type": "internlm", "vocab_size": 40, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 4,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 256, "rms_norm_eps": 1e-5,
    "rope_theta": 10000, "rope_scaling": {"type": "dynamic", "factor": 1.0}, "pad_token_id": 2, "eos_token_id": None,
}  # fmt: skip
DIMS = {
    "vision_hidden": 8, "vision_layers": 1, "vision_heads": 2, "vision_ffn": 12, "vision_image": 28, "plora_r": 3,
    "plora_alpha": 6, "image_token_id": 40, "mixer_layers": [1, 3], "expert": {"rank": 4, "heads": 2},
    "semantic_rows": 6, "numbering_rows": 4,
    "compressor": {"dim": 16, "depth": 2, "heads": 2, "dim_head": 4, "num_latents": 3, "ff_mult": 1},
}  # fmt: skip
KINDS = {"moai": ReleasedMoAI, "collavo": ReleasedCoLLaVO}
every_kind = pytest.mark.parametrize("kind", KINDS)
SIZE = (28, 28)


def weights(kind: str) -> dict[str, Tensor]:
    """Random weights under the released names."""
    model = KINDS[kind].empty(CONFIG, Dims.read(DIMS))
    g = torch.Generator().manual_seed(0)
    return {model.released_key(n): torch.randn(p.shape, generator=g) * 0.4 for n, p in model.named_parameters()}


def write(folder: Path, state: dict[str, Tensor], shards: int = 1) -> Path:
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "dims.json").write_text(json.dumps(DIMS))
    names = sorted(state)
    index = {}
    for n in range(shards):
        file = f"model-{n}.safetensors"
        part = {k: state[k] for k in names[n::shards]}
        save_file(part, folder / file)
        index |= dict.fromkeys(part, file)
    if shards > 1:
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    return folder


def inputs(kind: str, batch: int = 1) -> dict[str, Tensor]:
    g = torch.Generator().manual_seed(4)
    ids = torch.randint(3, 40, (batch, 9), generator=g)
    ids[:, 2] = 40
    given = {"input_ids": ids, "images": torch.randint(0, 256, (batch, 3, *SIZE), generator=g, dtype=torch.uint8)}
    if kind == "moai":
        given["aux_ids"] = torch.randint(3, 40, (batch, 6), generator=g)
        given["panoptic_ids"] = torch.randint(0, 5, (batch, *SIZE), generator=g)
    else:
        given["semantic"] = torch.randint(0, 6, (batch, 4), generator=g)
        given["numbering"] = torch.randint(0, 4, (batch, 4), generator=g)
    return given


def opened(kind: str, folder: Path, **options):
    return KINDS[kind].from_folder(write(folder, weights(kind)), **options)[0]


def run(model, given: dict[str, Tensor]) -> Tensor:
    with torch.no_grad():
        return model(**given).logits


# ---- layout


@pytest.mark.parametrize(
    ("name", "tensors", "parameters"), [("moai-7b", 1197, 8_868_637_720), ("collavo-7b", 1268, 9_291_962_368)]
)
def test_the_7b_layouts(name, tensors, parameters):
    list_file = GOLDEN / "meta_counts.json"
    result = check_layout(name, list_file if list_file.is_file() else None)
    assert (result["tensors"], result["parameters"]) == (tensors, parameters)
    assert result["ok"] is (True if list_file.is_file() else None)


def test_a_wrong_layout_is_found(tmp_path):
    file = tmp_path / "counts.json"
    wrong = {"total_parameters": 1, "tensors": [["output.weight", [3, 3]], ["strange.weight", [1]]]}
    file.write_text(json.dumps({"MoAI-7B": wrong}))
    result = check_layout("moai-7b", file)
    assert result["ok"] is False and result["missing"] == ["strange.weight"] and "output.weight" in result["misshapen"]
    with pytest.raises(UserError, match="moai-7b"):
        check_layout("moai-7")
    with pytest.raises(UserError, match="no file"):
        check_layout("moai-7b", tmp_path / "absent.json")


# ---- loading


@every_kind
def test_every_tensor_finds_its_place(kind, tmp_path):
    state = weights(kind)
    model, report = KINDS[kind].from_folder(write(tmp_path, state, shards=3))
    assert report.complete and not report.remade and sorted(report.matched) == sorted(state)
    for name, value in model.state_dict().items():
        assert torch.equal(value, state[model.released_key(name)]), name
    assert run(model, inputs(kind)).isfinite().all()
    assert not any(p.is_meta for p in [*model.parameters(), *model.buffers()])


@every_kind
def test_the_report_is_strict(kind, tmp_path):
    state = weights(kind)
    del state["output.weight"]
    state["model.norm.weight"], state["strange.weight"] = torch.zeros(3), torch.zeros(1)
    write(tmp_path, state)
    with pytest.raises(UserError, match="strange.weight"):
        KINDS[kind].from_folder(tmp_path)
    model, report = KINDS[kind].from_folder(tmp_path, strict=False)
    assert report.unexpected == ["strange.weight"] and report.missing == ["output.weight"]
    assert list(report.misshapen) == ["model.norm.weight"]
    assert model.language_model.output.weight.abs().sum() == 0
    with pytest.raises(UserError, match="config.json"):
        KINDS[kind].from_folder(tmp_path / "absent")


def test_position_table_and_word_table_are_remade(tmp_path):
    state = weights("moai")
    whole = state[WORDS]
    state[WORDS] = whole[:40]
    state[POSITIONS] = torch.randn(1 + 9, 8, generator=torch.Generator().manual_seed(1))
    model, report = ReleasedMoAI.from_folder(write(tmp_path, state))
    assert set(report.remade) == {WORDS, POSITIONS} and report.complete
    words = model.language_model.model.tok_embeddings.weight
    assert torch.equal(words[:40], whole[:40])
    torch.testing.assert_close(words[40], whole[:40].mean(0))
    assert model.vision_tower.embeddings.position_embedding.weight.shape == (5, 8)


def test_position_table_keeps_its_class_row_and_a_flat_grid_stays_flat():
    table = torch.full((1 + 4, 3), 0.25)
    table[0] = 7.0
    made = resize_positions(table, 1 + 9)
    assert made.shape == (10, 3)
    torch.testing.assert_close(made[0], table[0])
    torch.testing.assert_close(made[1:], torch.full((9, 3), 0.25))


# ---- the decoder


def test_the_decoder_is_llama_with_packed_weights():
    """Rows of wqkv: for each key head its queries, its key, its value. Source: arXiv 2403.17297, sec. 2.2."""
    torch.manual_seed(0)
    ours = InternLM2ForCausalLM(decoder_config(CONFIG, Dims.read(DIMS))).eval()
    shared = {k: CONFIG[k] for k in CONFIG if k not in ("model_type", "rope_scaling", "rope_theta")}
    llama = LlamaForCausalLM(
        LlamaConfig(**shared, rope_parameters={"rope_type": "default", "rope_theta": 10000})
    ).eval()
    state = {"model.embed_tokens.weight": ours.model.tok_embeddings.weight[:40], "lm_head.weight": ours.output.weight}
    state["model.norm.weight"] = ours.model.norm.weight
    for i, layer in enumerate(ours.model.layers):
        for p in layer.parameters():
            torch.nn.init.normal_(p, std=0.3)
        packed = layer.attention.wqkv.Plora_main.weight.view(2, 4, 4, 16)  # key heads, (q, q, k, v), head width, in
        state[f"model.layers.{i}.self_attn.q_proj.weight"] = packed[:, :2].reshape(16, 16)
        state[f"model.layers.{i}.self_attn.k_proj.weight"] = packed[:, 2].reshape(8, 16)
        state[f"model.layers.{i}.self_attn.v_proj.weight"] = packed[:, 3].reshape(8, 16)
        state[f"model.layers.{i}.self_attn.o_proj.weight"] = layer.attention.wo.Plora_main.weight
        for theirs, name in (("gate_proj", "w1"), ("up_proj", "w3"), ("down_proj", "w2")):
            state[f"model.layers.{i}.mlp.{theirs}.weight"] = layer.feed_forward.get_submodule(name).Plora_main.weight
        state[f"model.layers.{i}.input_layernorm.weight"] = layer.attention_norm.weight
        state[f"model.layers.{i}.post_attention_layernorm.weight"] = layer.ffn_norm.weight
    llama.load_state_dict(state)
    ids = torch.randint(3, 40, (2, 9), generator=torch.Generator().manual_seed(1))
    mask = torch.ones_like(ids)
    mask[0, :3] = 0
    want = llama(input_ids=ids, attention_mask=mask).logits
    torch.testing.assert_close(
        ours(input_ids=ids, attention_mask=mask).logits[mask.bool()], want[mask.bool()], atol=1e-4, rtol=1e-4
    )
    got = ours(input_ids=ids, image_mask=torch.eye(9)[3:5].bool()).logits
    assert (got - ours(input_ids=ids).logits).abs().max() > 1e-3


def test_image_rows_take_the_low_rank_map():
    config = InternLM2Config(plora_rank=2, plora_alpha=6.0)
    from nunbit.models.internlm2_layers import PLoRALinear

    torch.manual_seed(0)
    module, x = PLoRALinear(config, 5, 7).eval(), torch.randn(2, 3, 5)
    mask = torch.tensor([[0, 1, 0], [1, 1, 0]]).bool()
    main = torch.einsum("btd,ed->bte", x, module.Plora_main.weight)
    extra = 3.0 * torch.einsum("btd,rd,er->bte", x, module.Plora_A.weight, module.Plora_B.weight)
    torch.testing.assert_close(module(x, mask), main + extra * mask[..., None])
    torch.testing.assert_close(module(x), main)


# ---- whole models


@every_kind
def test_two_byte_weights_run(kind, tmp_path):
    wide, narrow = (opened(kind, tmp_path, dtype=d) for d in (torch.float32, torch.bfloat16))
    ours, theirs = run(narrow, inputs(kind)), run(wide, inputs(kind))
    assert ours.dtype == torch.bfloat16
    assert (ours - theirs).norm() / theirs.norm() < 0.2


@every_kind
@pytest.mark.parametrize("compat", [False, True])
def test_batch_mates_and_left_padding_change_nothing(kind, compat, tmp_path):
    """Compat counts padding in its positions, but only their differences matter to attention."""
    model, both = opened(kind, tmp_path, compat=compat), inputs(kind, 2)
    short = {k: v[1:] for k, v in both.items()} | {"input_ids": both["input_ids"][1:, 2:]}
    attention = torch.ones_like(both["input_ids"])
    attention[1, :2] = 0
    out = run(model, both | {"attention_mask": attention})
    torch.testing.assert_close(out[1:, 2:], run(model, short), atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(out[:1], run(model, {k: v[:1] for k, v in both.items()}), atol=1e-4, rtol=1e-3)


def test_padding_of_the_auxiliary_text_matters_only_as_released(tmp_path):
    given = inputs("moai")
    padded = given | {"aux_ids": torch.cat([torch.full((1, 3), 2), given["aux_ids"]], 1)}
    padded["aux_mask"] = padded["aux_ids"] != 2
    ours, theirs = (opened("moai", tmp_path, compat=c) for c in (False, True))
    torch.testing.assert_close(run(ours, padded), run(ours, given), atol=1e-4, rtol=1e-3)
    assert (run(theirs, padded) - run(theirs, given)).abs().max() > 1e-3


@every_kind
@pytest.mark.parametrize("compat", [False, True])
def test_cached_decoding_equals_a_full_pass(kind, compat, tmp_path):
    model, given = opened(kind, tmp_path, compat=compat), inputs(kind, 2)
    given["attention_mask"] = torch.ones_like(given["input_ids"])
    given["attention_mask"][1, :2] = 0
    out = model.generate(
        {"max_new_tokens": 4, "do_sample": False, "return_dict_in_generate": True, "output_logits": True}, **given
    )
    length = given["input_ids"].shape[1] + model.image_tokens - 1
    longer = given | {"input_ids": torch.cat([given["input_ids"], out.sequences], 1)}
    longer["attention_mask"] = torch.nn.functional.pad(given["attention_mask"], (0, 4), value=1)
    if kind == "moai":
        longer["language_mask"] = (torch.arange(length + 4) < length).expand(2, -1)
    whole = run(model, longer)
    torch.testing.assert_close(torch.stack(out.logits, 1), whole[:, length - 1 : length + 3], atol=1e-4, rtol=1e-3)
    assert model.generate({"max_new_tokens": 2, "num_beams": 3, "do_sample": False}, **given).shape == (2, 2)


def test_colour_map_switch_and_segment_limit(tmp_path):
    given = inputs("moai")
    released, fixed = (opened("moai", tmp_path, fixed_colour=f) for f in (False, True))
    nearly_flat, real = (m.colours(given["panoptic_ids"]) for m in (released, fixed))
    assert nearly_flat.std((2, 3)).max() < 0.02 and real.std((2, 3)).max() > 0.5
    assert (run(released, given) - run(fixed, given)).abs().max() > 1e-3
    with pytest.raises(UserError, match="133"):
        run(released, given | {"panoptic_ids": given["panoptic_ids"] + 130})


def test_loss_counts_attended_labels_of_the_next_token(tmp_path):
    model, given = opened("collavo", tmp_path), inputs("collavo")
    length = given["input_ids"].shape[1] + model.image_tokens - 1
    labels = torch.full((1, length), -100)
    labels[0, -2:] = torch.tensor([5, 7])
    out = model(labels=labels, **given)
    by_hand = -sum(out.logits[0, -3 + n].log_softmax(-1)[labels[0, -2 + n]] for n in range(2)) / 2
    torch.testing.assert_close(out.loss, by_hand)


def test_pictures_and_placeholders_must_agree(tmp_path):
    model, given = opened("collavo", tmp_path), inputs("collavo")
    given["input_ids"][0, 5] = 40
    with pytest.raises(UserError, match="1 pictures for 2"):
        run(model, given)
