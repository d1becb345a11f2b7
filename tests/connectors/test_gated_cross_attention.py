"""Gated cross-attention: the bare model at the start, the last picture only, and a cache that changes nothing."""

from __future__ import annotations

import copy

import pytest
import torch
import transformers

from nunbit.connectors import build
from nunbit.errors import UserError

DV, DT, LAYERS, VOCAB, IMAGE = 8, 16, 4, 40, 39
KINDS = ("llama", "qwen3", "opt", "gpt2")


def language_model(kind: str):
    torch.manual_seed(0)
    wide = {"hidden_size": DT, "num_hidden_layers": LAYERS, "num_attention_heads": 2, "vocab_size": VOCAB}
    if kind == "llama":
        config = transformers.LlamaConfig(**wide, intermediate_size=32, num_key_value_heads=1)
    elif kind == "qwen3":
        config = transformers.Qwen3Config(**wide, intermediate_size=32, num_key_value_heads=1, head_dim=8)
    elif kind == "opt":
        config = transformers.OPTConfig(**wide, ffn_dim=32, max_position_embeddings=64, word_embed_proj_dim=DT)
    else:
        config = transformers.GPT2Config(n_embd=DT, n_layer=LAYERS, n_head=2, vocab_size=VOCAB, n_positions=64)
    config.bos_token_id, config.eos_token_id, config.pad_token_id = 1, None, 0
    return transformers.AutoModelForCausalLM.from_config(config).eval()


def connector(open_gates: bool = True, **values):
    torch.manual_seed(1)
    resampler = {"resampler_depth": 1, "resampler_heads": 2, "resampler_head_dim": 4}
    sizes = {"layers": LAYERS, "every": 2, "heads": 2, "head_dim": 4, "latents": 3, "image_token_id": IMAGE} | resampler
    gated = build("gated_cross_attention", vision_width=DV, text_width=DT, **(sizes | values)).eval()
    if open_gates:
        for block in gated.blocks.values():
            torch.nn.init.constant_(block.attention_gate, 0.9)
            torch.nn.init.constant_(block.feed_forward_gate, 0.5)
    return gated


def features(batch: int, pictures: int, *frames: int, seed: int = 2) -> torch.Tensor:
    return torch.randn(batch, pictures, *frames, 5, DV, generator=torch.Generator().manual_seed(seed))


IDS = torch.tensor([[3, 4, IMAGE, 5, 6, 7, IMAGE, 8, 9, 10], [IMAGE, 11, 12, IMAGE, 13, 14, 15, 16, 17, 18]])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@torch.no_grad()
def test_closed_gates_are_the_bare_model_bit_for_bit(kind, dtype):
    lm, gated = language_model(kind).to(dtype), connector(open_gates=False)
    bare, names = lm(IDS).logits, list(lm.state_dict())
    gated.attach(lm)
    gated.set_context(gated.media_tokens(features(2, 2)))
    assert torch.equal(lm(IDS).logits, bare)
    assert list(lm.state_dict()) == names
    for block in gated.blocks.values():
        block.attention_gate.fill_(1.0)
    assert not torch.equal(lm(IDS).logits, bare)
    gated.detach()
    assert torch.equal(lm(IDS).logits, bare)


def attention_outputs(gated, lm, media, ids=IDS, **see):
    """What each block's attention gives: ``(blocks, B, T, Dt)``. Before the first, no picture has mixed in."""
    seen, hooks = [], []
    for block in gated.blocks.values():
        attend = block.attend
        block.attend = lambda *a, _attend=attend: seen.append(_attend(*a)) or seen[-1]
        hooks.append((block, attend))
    gated.set_context(media, **see)
    logits = lm(ids).logits
    for block, attend in hooks:
        block.attend = attend
    return torch.stack(seen), logits


@pytest.mark.parametrize("only_last", [True, False])
@torch.no_grad()
def test_a_word_sees_the_last_picture_or_all_before_it(only_last):
    lm, gated = language_model("llama"), connector(only_last=only_last)
    gated.attach(lm)
    media = gated.media_tokens(features(2, 2))
    seen, logits = attention_outputs(gated, lm, media)
    for picture in (0, 1):
        changed = media.clone()
        changed[:, picture] += torch.randn(3, DV)
        other, other_logits = attention_outputs(gated, lm, changed)
        differs = (other[0] != seen[0]).any(-1)  # (B, T), the first block
        index = (IDS == IMAGE).cumsum(-1)
        assert torch.equal(differs, (index == picture + 1) if only_last else (index > picture))
        before = index <= picture
        assert torch.equal(other_logits[before], logits[before])  # no word sees a picture that comes after it
        assert not torch.equal(other_logits[:, -1], logits[:, -1])  # older ones reach it through the model itself


@torch.no_grad()
def test_words_before_the_first_picture_see_exactly_nothing():
    lm, gated = language_model("llama"), connector()
    gated.attach(lm)
    seen, _ = attention_outputs(gated, lm, gated.media_tokens(features(2, 2)))
    blind = IDS.eq(IMAGE).cumsum(-1) == 0
    assert blind.sum() == 2
    assert (seen[:, blind] == 0).all()
    assert (seen[:, ~blind].abs().sum(-1) > 0).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("only_last", [True, False])
@torch.no_grad()
def test_cached_decoding_equals_the_full_pass(kind, only_last):
    lm, gated = language_model(kind), connector(only_last=only_last)
    gated.attach(lm)
    gated.set_context(gated.media_tokens(features(2, 2)))
    full = lm(IDS).logits
    for chunks in ([4] + [1] * 6, [1] * 10, [3, 5, 2]):
        gated.set_context(gated.media_tokens(features(2, 2)))
        past, parts = transformers.DynamicCache(), []
        for ids in IDS.split(chunks, dim=1):
            out = lm(ids, past_key_values=past, use_cache=True)
            past, parts = out.past_key_values, [*parts, out.logits]
        assert (torch.cat(parts, 1) - full).abs().max() < 1e-5


@torch.no_grad()
def test_a_rolled_back_cache_forgets_the_pictures_it_lost():
    lm, gated = language_model("llama"), connector()
    gated.attach(lm)
    gated.set_context(gated.media_tokens(features(2, 2)))
    other = torch.cat([IDS[:, :2], IDS[:, 2:].flip(1)], 1)  # the pictures stand elsewhere after the first two tokens
    full = lm(other).logits
    past = transformers.DynamicCache()
    lm(IDS, past_key_values=past)
    past.crop(2 - IDS.shape[1])
    parts = [lm(ids, past_key_values=past).logits for ids in other[:, 2:].split([5, 2, 1], dim=1)]
    assert (torch.cat(parts, 1) - full[:, 2:]).abs().max() < 1e-5


@pytest.mark.parametrize("beams", [1, 3])
@torch.no_grad()
def test_generate_with_a_cache_equals_without(beams):
    lm, gated = language_model("qwen3"), connector()
    gated.attach(lm)
    texts = []
    for use_cache in (True, False):
        gated.set_context(gated.media_tokens(features(2, 2)))
        config = transformers.GenerationConfig(
            max_new_tokens=6, do_sample=False, num_beams=beams, use_cache=use_cache, suppress_tokens=[IMAGE]
        )
        texts.append(lm.generate(IDS, attention_mask=torch.ones_like(IDS), generation_config=config))
    assert torch.equal(*texts)


@torch.no_grad()
def test_repeated_prompts_keep_their_own_pictures():
    """`generate` repeats each prompt for beams and samples, one after the other."""
    lm, gated = language_model("llama"), connector()
    gated.attach(lm)
    media = gated.media_tokens(features(2, 2))
    gated.set_context(media)
    once = lm(IDS).logits
    gated.set_context(media)
    assert (lm(IDS.repeat_interleave(3, 0)).logits - once.repeat_interleave(3, 0)).abs().max() < 1e-5


@torch.no_grad()
def test_masked_media_tokens_are_not_seen():
    lm, gated = language_model("llama"), connector()
    gated.attach(lm)
    media = gated.media_tokens(features(2, 2))
    gated.set_context(media[:, :, :2])
    expected = lm(IDS).logits
    media[:, :, 2] = float("nan")
    gated.set_context(media, torch.tensor([True, True, False]).expand(2, 2, 3))
    assert (lm(IDS).logits - expected).abs().max() < 1e-5


@torch.no_grad()
def test_an_image_token_that_the_model_wrote_brings_no_picture():
    lm, gated = language_model("llama"), connector()
    gated.attach(lm)
    out = []
    for written in ([[20], [20]], [[IMAGE], [IMAGE]]):
        gated.set_context(gated.media_tokens(features(2, 2)))
        past = transformers.DynamicCache()
        lm(IDS, past_key_values=past)
        lm(torch.tensor(written), past_key_values=past)
        out.append(gated._media.history[:, -1].tolist())
    assert out == [[2, 2], [2, 2]]


@torch.no_grad()
def test_a_batch_with_padding_equals_its_singles():
    """Different numbers of pictures, prompts padded on the left."""
    lm, gated = language_model("llama"), connector()
    gated.attach(lm)
    x = features(2, 2)
    short = torch.tensor([[3, IMAGE, 5, 6]])
    padded = torch.cat([torch.zeros(1, 6, dtype=torch.long), short], 1)
    ids = torch.cat([IDS[:1], padded])
    attention = torch.ones_like(ids)
    attention[1, :6] = 0
    media = gated.media_tokens(x)
    media[1, 1] = float("nan")
    gated.set_context(media, torch.tensor([[True, True], [True, False]]))
    position = (attention.cumsum(-1) - 1).clamp(min=0)
    batch = lm(ids, attention_mask=attention, position_ids=position).logits
    gated.set_context(gated.media_tokens(x[:1]))
    assert (lm(IDS[:1]).logits - batch[:1]).abs().max() < 1e-5
    gated.set_context(gated.media_tokens(x[1:, :1]))
    assert (lm(short).logits - batch[1:, 6:]).abs().max() < 1e-5


@torch.no_grad()
def test_without_pictures_the_words_still_pass_the_dense_half():
    lm, gated = language_model("llama"), connector()
    bare = lm(IDS.clamp(max=30)).logits
    gated.attach(lm)
    gated.set_context(None)
    without = lm(IDS.clamp(max=30)).logits
    assert not torch.equal(without, bare)
    gated.set_context(torch.zeros(2, 0, 3, DV))
    assert torch.equal(lm(IDS.clamp(max=30)).logits, without)
    gated.set_context(gated.media_tokens(features(2, 2)))  # pictures that no word stands after
    assert torch.equal(lm(IDS.clamp(max=30)).logits, without)


@torch.no_grad()
def test_embeddings_with_an_index_equal_ids():
    lm, gated = language_model("llama"), connector()
    gated.attach(lm)
    media = gated.media_tokens(features(2, 2))
    gated.set_context(media)
    expected = lm(IDS).logits
    embeds = lm.get_input_embeddings()(IDS)
    gated.set_context(media, index=IDS.eq(IMAGE).cumsum(-1)[:, :7])
    past = transformers.DynamicCache()
    first = lm(inputs_embeds=embeds[:, :7], past_key_values=past).logits
    then = lm(inputs_embeds=embeds[:, 7:], past_key_values=past).logits
    assert (torch.cat([first, then], 1) - expected).abs().max() < 1e-5
    gated.set_context(media)
    with pytest.raises(UserError, match="index"):
        lm(inputs_embeds=embeds)


@torch.no_grad()
def test_video_frames_have_an_order():
    gated = connector(max_frames=4)
    video = features(2, 2, 6)  # more frames than learned
    out = gated.media_tokens(video)
    assert out.shape == (2, 2, 3, DV)
    assert (gated.media_tokens(video.flip(2)) - out).abs().max() > 1e-3
    longer = torch.cat([video, torch.full((2, 2, 6, 3, DV), float("nan"))], 3)
    mask = torch.arange(8).expand(2, 2, 6, 8) < 5
    assert (gated.media_tokens(longer, mask) - out).abs().max() < 1e-5


@pytest.mark.parametrize("checkpointing", [False, True])
def test_gradients_reach_every_parameter_and_the_language_model_may_be_frozen(checkpointing):
    lm, gated = language_model("llama").requires_grad_(False).train(), connector().train()
    gated.attach(lm)
    gated.set_context(gated.media_tokens(features(2, 2)))
    if checkpointing:
        lm.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    lm(input_ids=IDS, labels=IDS, use_cache=False).loss.backward()
    for key, value in gated.named_parameters():
        assert value.grad is not None and value.grad.abs().sum() > 0, key
    assert all(p.grad is None for p in lm.parameters())


def test_save_and_load_are_bit_equal():
    one, other = connector(), build("gated_cross_attention", **_fields(connector()))
    other.load_state_dict(copy.deepcopy(one.state_dict()))
    outs = []
    for gated in (one, other):
        lm = language_model("llama")
        gated.attach(lm)
        gated.set_context(gated.media_tokens(features(2, 2)))
        outs.append(lm(IDS).logits)
    assert torch.equal(*outs)


def _fields(gated) -> dict:
    return {k: v for k, v in vars(gated.config).items() if k != "name"}


def test_errors_say_what_to_do():
    lm = language_model("llama")
    with pytest.raises(UserError, match="layers = 4"):
        connector(layers=6).attach(lm)
    with pytest.raises(UserError, match="every 9 layers"):
        connector(every=9)
    gated = connector()
    gated.attach(lm)
    with pytest.raises(UserError, match="detach"):
        gated.attach(lm)
    with pytest.raises(UserError, match="2 image tokens and 0 pictures"):
        lm(IDS)
    gated.set_context(gated.media_tokens(features(2, 1)))
    with pytest.raises(UserError, match="2 image tokens and 1 pictures"):
        lm(IDS)
    gated.set_context(gated.media_tokens(features(3, 2)))
    with pytest.raises(UserError, match="3 sequences and a batch of 2"):
        lm(IDS)


@torch.no_grad()
def test_the_block_is_the_arithmetic_of_the_paper():
    """Written again from Flamingo's figure 4, one word and one head at a time."""
    gated = connector()
    block = gated.blocks["1"]
    text, media = torch.randn(2, 10, DT), torch.randn(2, 2, 3, DV)
    index = IDS.eq(IMAGE).cumsum(-1)
    attention, (norm, up, _, down) = block.attention, block.feed_forward
    expected = torch.zeros_like(text)
    for b in range(2):
        for t in range(10):
            y, look = text[b, t], torch.zeros(DT)
            if index[b, t] > 0:
                picture = media[b, index[b, t] - 1]
                q = torch.einsum("hdw,w->hd", attention.q_proj.weight.view(2, 4, DT), _normed(y, block.norm))
                k = torch.einsum("hdw,mw->hmd", attention.k_proj.weight.view(2, 4, DV), picture)
                v = torch.einsum("hdw,mw->hmd", attention.v_proj.weight.view(2, 4, DV), picture)
                weights = (torch.einsum("hd,hmd->hm", q, k) / 2).exp()
                head = torch.einsum("hm,hmd->hd", weights / weights.sum(-1, keepdim=True), v)
                look = attention.out_proj.weight @ head.flatten()
            y = y + torch.tanh(torch.tensor(0.9)) * look
            hidden = (up.weight @ _normed(y, norm)).clamp(min=0) ** 2
            expected[b, t] = y + torch.tanh(torch.tensor(0.5)) * (down.weight @ hidden)
    gated.set_context(media)
    gated._media.now = index
    assert (gated._run(1, text) - expected).abs().max() < 1e-4


def _normed(x: torch.Tensor, norm: torch.nn.LayerNorm) -> torch.Tensor:
    centred = x - x.mean()
    return centred / (centred.square().mean() + norm.eps).sqrt() * norm.weight + norm.bias
