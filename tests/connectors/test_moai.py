"""MoAI: arithmetic against plain loops, who may see whom, hooks on real decoders. Source: arXiv 2403.07508."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, Qwen3Config, Qwen3ForCausalLM

from nunbit.connectors import build
from nunbit.connectors.moai import MoAI
from nunbit.connectors.moai_compressor import MoAICompressor
from nunbit.connectors.moai_config import MoAIConfig
from nunbit.connectors.moai_mixer import MoAIExpert, MoAIMixer
from nunbit.connectors.moai_rows import MixerContext, Rows, attention_masks
from nunbit.errors import UserError

D, LAYERS = 16, 4
SIZES = {
    "vocab_size": 40, "hidden_size": D, "intermediate_size": 24, "num_hidden_layers": LAYERS, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 4, "max_position_embeddings": 128, "bos_token_id": 1, "eos_token_id": None,
    "pad_token_id": 0, "initializer_range": 0.4,
}  # fmt: skip
DECODERS = {"llama": (LlamaConfig, LlamaForCausalLM), "qwen3": (Qwen3Config, Qwen3ForCausalLM)}
every_decoder = pytest.mark.parametrize("kind", DECODERS)


def config(**values) -> MoAIConfig:
    small = {
        "layers": LAYERS,
        "every": 2,
        "latents": 3,
        "depth": 2,
        "heads": 2,
        "head_dim": 4,
        "rank": 5,
        "expert_heads": 2,
    }
    return MoAIConfig("moai", D, D, **(small | values))


def shaken(module: torch.nn.Module, seed: int = 0, scale: float = 0.5) -> torch.nn.Module:
    """Random parameters, zero initialisations included."""
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(torch.randn(p.shape, generator=g) * scale)
    return module.eval()


def noise(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def decoder(kind: str) -> torch.nn.Module:
    torch.manual_seed(3)
    config_class, model_class = DECODERS[kind]
    return model_class(config_class(**SIZES)).eval()


def masks(rows: list[str]) -> tuple[Tensor, Tensor]:
    """Rows of letters: i picture, w word of the prompt, anything else neither."""
    return tuple(torch.tensor([[c == k for c in row] for row in rows]) for k in "iw")


# ---- arithmetic, written again with loops


def gelu(x: Tensor) -> Tensor:
    return 0.5 * x * (1 + torch.erf(x / math.sqrt(2)))


def attention_by_hand(q: Tensor, k: Tensor, v: Tensor, heads: int, may=None) -> Tensor:
    """``(Q, W)``, ``(S, W)``, ``(S, W)``, one query and head at a time."""
    d, out = q.shape[1] // heads, torch.zeros(len(q), v.shape[1])
    for i in range(len(q)):
        keys = [j for j in range(len(k)) if may is None or may(i, j)]
        for h in range(heads):
            span = slice(h * d, (h + 1) * d)
            scores = (
                torch.stack([(q[i, span] * k[j, span]).sum() / math.sqrt(d) for j in keys]) if keys else torch.zeros(0)
            )
            weights = scores.exp() / scores.exp().sum()
            for w, j in zip(weights, keys, strict=True):
                out[i, span] += w * v[j, span]
    return out


def expert_by_hand(e: MoAIExpert, x: Tensor, source: Tensor, may=None) -> Tensor:
    def low(pair, y):
        return gelu(torch.einsum("sd,rd,er->se", y, pair[0].weight, pair[1].weight))

    seen = attention_by_hand(low(e.linear_q, x), low(e.linear_k, source), low(e.linear_v, source), e.heads, may)
    return x + low(e.linear_o, seen)


def norm_by_hand(x: Tensor, norm: torch.nn.LayerNorm) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    return centred / (centred.square().mean(-1, keepdim=True) + norm.eps).sqrt() * norm.weight + norm.bias


def test_compressor_against_loops():
    c = config()
    module, aux = shaken(MoAICompressor(c)), noise(7, D)
    latents = module.latents
    for attention, forward in module.layers:
        asking = norm_by_hand(latents, attention.norm_latents)
        source = torch.cat([norm_by_hand(aux, attention.norm_media), asking])
        wide = source @ attention.to_kv.weight.T
        half = c.heads * c.head_dim
        seen = attention_by_hand(asking @ attention.to_q.weight.T, wide[:, :half], wide[:, half:], c.heads)
        latents = latents + seen @ attention.to_out.weight.T
        latents = latents + gelu(norm_by_hand(latents, forward[0]) @ forward[1].weight.T) @ forward[3].weight.T
    torch.testing.assert_close(module(aux[None])[0], norm_by_hand(latents, module.norm), atol=1e-5, rtol=1e-4)


def test_compressor_ignores_padding_and_batch_mates_and_order():
    module, aux = shaken(MoAICompressor(config())), noise(2, 7, D)
    mask = torch.ones(2, 7, dtype=torch.bool)
    mask[1, :3] = False
    aux[1, :3] = float("nan")
    both = module(aux, mask)
    torch.testing.assert_close(both[:1], module(aux[:1]))
    torch.testing.assert_close(both[1:], module(aux[1:, 3:]), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(module(aux[:1].flip(1)), both[:1], atol=1e-5, rtol=1e-4)


def test_expert_against_loops():
    module, x, source = shaken(MoAIExpert(D, 5, 2)), noise(6, D), noise(4, D, seed=2)
    torch.testing.assert_close(
        module(x[None], source[None])[0], expert_by_hand(module, x, source), atol=1e-5, rtol=1e-4
    )
    mask = torch.ones(6, 4).tril(-1).bool()  # the first row may look at nothing
    ours = module(x[None], source[None], mask[None])[0]
    theirs = expert_by_hand(module, x, source, lambda i, j: bool(mask[i, j]))
    torch.testing.assert_close(ours[1:], theirs[1:], atol=1e-5, rtol=1e-4)
    assert torch.equal(ours[0], x[0])


def mix_by_hand(mixer: MoAIMixer, x: Tensor, latents: Tensor, row: str, compat: bool) -> Tensor:
    """One sequence; ``row`` as in `masks`."""
    images, words = ([i for i, c in enumerate(row) if c == k] for k in "iw")
    runs = [sum(1 for k in range(1, i + 1) if row[k] == "i" and row[k - 1] != "i") for i in range(len(row))]
    out = x.clone()
    for side, own, other, other_name in (("img", images, words, "lang"), ("lang", words, images, "img")):

        def may(i, j, own=own, source=None, side=side):
            a, b = own[i], source[j]
            return compat or b <= a or (side == "img" and row[b] == "i" and runs[a] == runs[b])

        experts, gate = getattr(mixer, side), getattr(mixer, f"gate_{side}")
        results = [
            expert_by_hand(experts["aux"], x[own], latents),
            expert_by_hand(experts[other_name], x[own], x[other], lambda i, j, m=may, o=other: m(i, j, source=o)),
            expert_by_hand(experts["self"], x[own], x[own], lambda i, j, m=may, o=own: m(i, j, source=o)),
        ]
        logits = x[own] @ gate.weight.T + gate.bias
        weights = logits.exp() / logits.exp().sum(-1, keepdim=True)
        for n, i in enumerate(own):
            out[i] = sum(weights[n, k] * results[k][n] for k in range(3))
    return out


def prompt(latents: Tensor, image: Rows, language: Rows, c: MoAIConfig) -> MixerContext:
    sides = {"img": image, "lang": language}
    return MixerContext(latents, image, language, image, language, attention_masks(sides, sides, c))


@pytest.mark.parametrize("compat", [False, True])
def test_mixer_against_loops_in_a_ragged_batch(compat):
    rows = ["wwiiiwwaa", "..wiiwiiw", "iiiwwwwww"]  # answers, left padding and two pictures, a picture first
    c = config(compat=compat)
    mixer, x, latents = shaken(MoAIMixer(c)), noise(3, 9, D), noise(3, 3, D, seed=5)
    image, language = (Rows.from_mask(m) for m in masks(rows))
    ours = mixer(x, prompt(latents, image, language, c))
    for b, row in enumerate(rows):
        torch.testing.assert_close(ours[b], mix_by_hand(mixer, x[b], latents[b], row, compat), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("name", "dtype"), [("float16", torch.float16), ("bfloat16", torch.bfloat16)])
def test_narrow_gates_are_a_softmax_in_that_type(name, dtype):
    mixer, rows = shaken(MoAIMixer(config(gate_dtype=name))), noise(1, 5, D)
    weights = mixer.gates(mixer.gate_img, rows)
    assert weights.dtype == dtype
    assert torch.equal(weights, mixer.gate_img(rows).to(dtype).softmax(-1))
    with pytest.raises(UserError, match="float16"):
        MoAIMixer(config(gate_dtype="float8"))


def test_no_expert_no_change():
    c = config()
    mixer, x = shaken(MoAIMixer(c)), noise(1, 6, D)
    for side in (mixer.img, mixer.lang):
        for e in side.values():
            torch.nn.init.zeros_(e.linear_o[1].weight)
    image, language = (Rows.from_mask(m) for m in masks(["wiiwww"]))
    mixed = mixer(x, prompt(noise(1, 3, D), image, language, c))
    torch.testing.assert_close(mixed, x)


# ---- on a decoder


def logits(model, moai, ids, rows, latents=None, expert_choice=None, **kwargs) -> Tensor:
    if latents is None:
        latents = noise(len(rows), 3, D, seed=7)
    moai.set_context(latents, *masks(rows), expert_choice=expert_choice)
    with torch.no_grad():
        return model(input_ids=ids, **kwargs).logits


def attached(kind: str, **values) -> tuple[torch.nn.Module, MoAI]:
    model, moai = decoder(kind), shaken(MoAI(config(**values)), seed=9)
    moai.attach(model)
    return model, moai


IDS = torch.tensor([[1, 5, 9, 9, 9, 6, 7, 8, 11, 12]])
ROW = "wwiiiwwwaa"


@every_decoder
def test_fresh_is_silent_and_trained_is_not(kind):
    model = decoder(kind)
    before = model(input_ids=IDS).logits
    moai = build("moai", vision_width=D, text_width=D, layers=LAYERS, every=2, expert_heads=2).eval()
    moai.attach(model)
    torch.testing.assert_close(logits(model, moai, IDS, [ROW], noise(1, 64, D)), before, atol=1e-5, rtol=1e-4)
    moai.detach()
    moai = shaken(MoAI(config()))
    moai.attach(model)
    changed = logits(model, moai, IDS, [ROW])
    assert (changed - before).abs().max() > 1e-2
    assert (logits(model, moai, IDS, [ROW], noise(1, 3, D, seed=8)) - changed).abs().max() > 1e-2
    moai.clear_context()
    assert torch.equal(model(input_ids=IDS).logits, before)


@every_decoder
def test_nothing_leaks_backwards(kind):
    model, moai = attached(kind)
    whole = logits(model, moai, IDS, [ROW])
    for place in (9, 8, 7, 5):  # answers, then words of the prompt
        other = IDS.clone()
        other[0, place] = 30
        changed = logits(model, moai, other, [ROW])
        assert torch.equal(changed[:, :place], whole[:, :place])
        assert (changed[:, place] - whole[:, place]).abs().max() > 1e-3


def test_released_behaviour_leaks_within_the_prompt_but_not_from_answers():
    other = IDS.clone()
    other[0, 7], answer = 30, IDS.clone()
    answer[0, 9] = 30
    for values in ({"compat": True}, {"image_reads_prompt": True}):
        model, moai = attached("llama", **values)
        whole = logits(model, moai, IDS, [ROW])
        assert (logits(model, moai, other, [ROW]) - whole)[:, :7].abs().max() > 1e-4
        assert torch.equal(logits(model, moai, answer, [ROW])[:, :9], whole[:, :9])


@every_decoder
def test_left_padding_and_batch_mates_change_nothing(kind):
    model, moai = attached(kind)
    alone = logits(model, moai, IDS, [ROW], noise(1, 3, D, seed=7))
    ids = torch.cat([torch.tensor([[0, 0, 0]]), IDS], 1)
    mates = torch.tensor([[1, 9, 9, 4, 9, 9, 3, 3, 4, 5, 6, 7, 8]])
    both = torch.cat([ids, mates])
    attention = torch.ones_like(both)
    attention[0, :3] = 0
    positions = (attention.cumsum(-1) - 1).clamp(min=0)
    latents = torch.cat([noise(1, 3, D, seed=7), noise(1, 3, D, seed=8)])
    out = logits(
        model, moai, both, ["..." + ROW, "wiiwiiwwwwaaa"], latents, attention_mask=attention, position_ids=positions
    )
    torch.testing.assert_close(out[:1, 3:], alone, atol=1e-4, rtol=1e-4)


@every_decoder
@pytest.mark.parametrize("compat", [False, True])
def test_cached_decoding_equals_a_full_pass(kind, compat):
    model, moai = attached(kind, compat=compat)
    latents = noise(1, 3, D, seed=7)
    moai.set_context(latents, *masks([ROW[:8]]))
    out = model.generate(
        input_ids=IDS[:, :8], max_new_tokens=5, do_sample=False, return_dict_in_generate=True, output_logits=True
    )
    whole = logits(model, moai, out.sequences, [ROW[:8]], latents)  # rows after the masks are answers
    torch.testing.assert_close(torch.stack(out.logits, 1), whole[:, 7:12], atol=1e-4, rtol=1e-4)
    beams = model.generate(input_ids=IDS[:, :8], max_new_tokens=3, num_beams=3, do_sample=False)
    assert beams.shape == (1, 11)


@every_decoder
@pytest.mark.parametrize("cuts", [(6,), (1, 8), (2, 6, 8)])
def test_a_prompt_in_passes_equals_one_pass(kind, cuts):
    model, moai = attached(kind)
    rows = ["wwiiiwiiwa", ".wiiiiwwwa"]
    ids = torch.cat([IDS, IDS + 3])
    latents, mixer_cache = noise(2, 3, D, seed=7), []
    whole = logits(model, moai, ids, rows, latents)
    past, parts = None, []
    with torch.no_grad():
        for begin, end in zip([0, *cuts], [*cuts, 10], strict=True):
            moai.set_context(latents, *masks(rows), mixer_cache=mixer_cache)  # told anew: other prompts come between
            out = model(input_ids=ids[:, begin:end], past_key_values=past, use_cache=True)
            past, parts = out.past_key_values, [*parts, out.logits]
    torch.testing.assert_close(torch.cat(parts, 1), whole, atol=1e-4, rtol=1e-4)
    assert all(b.shape[1] == 10 for b in mixer_cache)


def test_a_picture_in_pieces_is_refused():
    model, moai = attached("llama")
    mixer_cache = []
    with torch.no_grad():
        moai.set_context(noise(1, 3, D), *masks([ROW]), mixer_cache=mixer_cache)
        past = model(input_ids=IDS[:, :3], use_cache=True).past_key_values
        with pytest.raises(UserError, match="pictures whole"):
            model(input_ids=IDS[:, 3:], past_key_values=past)


def test_rows_of_another_prompt_are_refused():
    model, moai = attached("llama")
    mixer_cache = []
    logits(model, moai, IDS, [ROW])
    with torch.no_grad():
        moai.set_context(noise(1, 3, D), *masks([ROW]), mixer_cache=mixer_cache)
        model(input_ids=IDS)
        moai.set_context(
            noise(1, 3, D), *masks([ROW]), mixer_cache=mixer_cache
        )  # a new prompt, with what the last one left
        with pytest.raises(UserError, match="what came before"):
            model(input_ids=IDS)


def test_step_one_uses_the_drawn_expert_and_ignores_gates():
    model, moai = attached("llama")
    expert_choice = torch.tensor([[0, 1], [2, 0]])
    drawn = logits(model, moai, IDS, [ROW], expert_choice=expert_choice)
    assert not torch.equal(drawn, logits(model, moai, IDS, [ROW], expert_choice=expert_choice.flip(0)))
    for mixer in moai.mixers.values():
        torch.nn.init.zeros_(mixer.gate_img.weight)
        torch.nn.init.zeros_(mixer.gate_lang.bias)
    assert torch.equal(drawn, logits(model, moai, IDS, [ROW], expert_choice=expert_choice))
    first, second = (moai.sample_experts(torch.Generator().manual_seed(4)) for _ in range(2))
    assert torch.equal(first, second) and first.shape == (2, 2)
    many = torch.stack([moai.sample_experts() for _ in range(100)])
    assert set(many.flatten().tolist()) == {0, 1, 2}


def test_gradients_reach_what_the_step_trains():
    model, moai = attached("llama")
    model.requires_grad_(False)
    for step in (1, 2):
        moai.zero_grad()
        moai.train_step(step)
        moai.set_context(
            moai.compress(noise(1, 6, D)), *masks([ROW]), expert_choice=moai.sample_experts() if step == 1 else None
        )
        model(input_ids=IDS, labels=IDS).loss.backward()
        for name, p in moai.named_parameters():
            assert p.requires_grad == (step == 2 or "gate" not in name)
            if step == 2:
                assert p.grad is not None and p.grad.abs().sum() > 0, name
        assert moai.compressor.latents.grad.abs().sum() > 0


def test_a_copy_works_alone():
    pair = torch.nn.ModuleDict(dict(zip(("model", "moai"), attached("llama"), strict=True)))
    twin = copy.deepcopy(pair)
    before = logits(pair["model"], pair["moai"], IDS, [ROW])
    shaken(pair["moai"], seed=33)
    assert torch.equal(logits(twin["model"], twin["moai"], IDS, [ROW]), before)


def test_a_text_only_mate_and_a_batch_without_pictures():
    model, moai = attached("llama")
    out = logits(model, moai, IDS.expand(2, -1), [ROW, "wwwwwwwwaa"])
    alone = logits(model, moai, IDS, ["wwwwwwwwaa"], noise(2, 3, D, seed=7)[1:])
    assert out.isfinite().all()
    torch.testing.assert_close(out[1:], alone, atol=1e-4, rtol=1e-4)


def test_errors_say_what_to_do():
    model, moai = attached("llama")
    with pytest.raises(UserError, match="detach"):
        moai.attach(model)
    with pytest.raises(UserError, match="share no row"):
        moai.set_context(noise(1, 3, D), torch.ones(1, 4), torch.ones(1, 4))
    with pytest.raises(UserError, match="3"):
        MoAI(config(places=(4,)))
    moai.set_context(noise(2, 3, D), *masks([ROW, ROW]))
    with pytest.raises(UserError, match="set_context\\(\\)"):
        model(input_ids=IDS)
    past = model.model(input_ids=IDS.expand(2, -1)[:, :4], use_cache=True).past_key_values
    with pytest.raises(UserError, match="one pass"):
        model(input_ids=IDS.expand(2, -1)[:, 4:], past_key_values=past)
