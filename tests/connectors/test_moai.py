"""MoAI on real decoders: which rows depend on which, caches, passes and training steps. Source: arXiv 2403.07508."""

from __future__ import annotations

import copy

import pytest
import torch
from tests.connectors.decoders import D, decoder, every_decoder
from tests.connectors.moai_by_hand import LAYERS, config, masks, noise, shaken
from torch import Tensor

from nunbit.connectors import build
from nunbit.connectors.moai import MoAI
from nunbit.errors import UserError


def logits(model, moai, ids, rows, latents=None, expert_choice=None, **kwargs) -> Tensor:
    if latents is None:
        latents = noise(len(rows), 3, D, seed=7)
    moai.set_context(latents, *masks(rows), expert_choice=expert_choice)
    with torch.no_grad():
        return model(input_ids=ids, **kwargs).logits


def attached(kind: str, **values) -> tuple[torch.nn.Module, MoAI]:
    model, moai = decoder(kind, LAYERS), shaken(MoAI(config(**values)), seed=9)
    moai.attach(model)
    return model, moai


IDS = torch.tensor([[1, 5, 9, 9, 9, 6, 7, 8, 11, 12]])
ROW = "wwiiiwwwaa"


@every_decoder
def test_fresh_is_silent_and_trained_is_not(kind):
    model = decoder(kind, LAYERS)
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
