"""MoAI: what other vision models say, compressed to a few latents and mixed into the prompt before attention.

Source: MoAI, arXiv 2403.07508, sec. 3; details (ranks, heads, places, what is residual to what): released code.

    compressor  aux tokens -> latents, a Perceiver resampler (Flamingo, arXiv 2204.14198)
    mixer       in every k-th layer, between the input norm and attention: six low-rank attention experts and two gates.
                image rows look at [aux, language, image], language rows at [aux, image, language]; a gate weighs them.

The released mixer has no causal mask: earlier rows read later ones. Ours lets a row look only at rows before it (the
rows of one picture at each other), so that no prompt row knows what comes after it. ``compat=True`` is the released
behaviour. Rows in neither mask (answers, padding, decode steps) are not mixed.

Letters: B sequences, L rows of the prompt, N aux tokens, M latents, Q rows that ask, S rows asked, R rows of a side, D
width of the decoder.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nunbit.connectors.base import CONNECTORS, ConnectorConfig, blank, feed_forward
from nunbit.connectors.prefill import PrefillConnector, check_mask, cut
from nunbit.errors import UserError, unknown_name

IMAGE_EXPERTS = ("aux", "lang", "self")
LANGUAGE_EXPERTS = ("aux", "img", "self")
"""In the order of the gates."""
NORMS = ("input_layernorm", "attention_norm", "ln_1", "self_attn_layer_norm")
"""Names of the norm before attention, as decoders of transformers call it."""
GATE_TYPES = {"": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class MoAIConfig(ConnectorConfig):
    """Args:
    layers: decoder layers of the language model.
    every: one mixer in every how many layers; layer i (from 0) has one when ``(i + 1) % every == 0``.
    places: the mixer's layers by number, instead of ``every``.
    latents, depth, heads, head_dim, ff_mult: of the compressor.
    rank, expert_heads: of the experts.
    gate_dtype: ``float16`` or ``bfloat16`` rounds gates as the released evaluation and training do; empty for float32.
    image_reads_prompt: image rows also look at language rows after them (the question), never at answers.
    compat: look everywhere, as released; only padding of the prompt is left out.
    ``vision_width`` is not used: aux tokens are as wide as the decoder.
    """

    layers: int = 32
    every: int = 8
    places: tuple[int, ...] = ()
    latents: int = 64
    depth: int = 4
    heads: int = 4
    head_dim: int = 64
    ff_mult: int = 1
    rank: int = 64
    expert_heads: int = 4
    gate_dtype: str = ""
    image_reads_prompt: bool = False
    compat: bool = False

    def mixer_layers(self) -> tuple[int, ...]:
        return self.places or tuple(range(self.every - 1, self.layers, self.every))


class CompressorAttention(nn.Module):
    """Latents look at the aux tokens and at themselves. Parameters are named as in the released checkpoint."""

    def __init__(self, config: MoAIConfig) -> None:
        super().__init__()
        width, inner = config.text_width, config.heads * config.head_dim
        self.heads = config.heads
        self.norm_media, self.norm_latents = nn.LayerNorm(width), nn.LayerNorm(width)
        self.to_q = nn.Linear(width, inner, bias=False)
        self.to_kv = nn.Linear(width, 2 * inner, bias=False)
        self.to_out = nn.Linear(inner, width, bias=False)

    def forward(self, media: Tensor, latents: Tensor, mask: Tensor | None) -> Tensor:
        """``(B, N, D)`` and ``(B, M, D)`` to ``(B, M, D)``; ``mask`` is ``(B, 1, 1, N + M)``."""
        latents = self.norm_latents(latents)
        keys, values = self.to_kv(torch.cat([self.norm_media(media), latents], dim=1)).chunk(2, dim=-1)
        return self.to_out(attend(self.to_q(latents), keys, values, self.heads, mask))


class MoAICompressor(nn.Module):
    """Aux tokens ``(B, N, D)`` to latents ``(B, M, D)``; no positions: the order of the aux tokens does not matter."""

    def __init__(self, config: MoAIConfig) -> None:
        super().__init__()
        width = config.text_width
        self.latents = nn.Parameter(torch.randn(config.latents, width))
        self.layers = nn.ModuleList(
            nn.ModuleList([CompressorAttention(config), feed_forward(width, config.ff_mult, "gelu")])
            for _ in range(config.depth)
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, aux: Tensor, mask: Tensor | None = None) -> Tensor:
        """``mask`` is ``(B, N)`` bool, false for padding."""
        aux = blank(aux, mask)
        latents = self.latents.expand(len(aux), -1, -1)
        if mask is not None:
            mask = F.pad(mask.bool(), (0, latents.shape[1]), value=True)[:, None, None]
        for layer in self.layers:
            pair: Any = layer
            latents = latents + pair[0](aux, latents, mask)
            latents = latents + pair[1](latents)
        return self.norm(latents)


class MoAIExpert(nn.Module):
    """Attention through low-rank maps without biases: ``q + GELU(o)``. The last map starts at zero: no change."""

    def __init__(self, width: int, rank: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.linear_q, self.linear_k = low_rank(width, rank), low_rank(width, rank)
        self.linear_v, self.linear_o = low_rank(width, rank), low_rank(width, rank)
        nn.init.zeros_(self.linear_o[1].weight)  # type: ignore[arg-type]

    def forward(self, x: Tensor, source: Tensor, mask: Tensor | None = None) -> Tensor:
        """``(B, Q, D)`` looks at ``(B, S, D)``; ``mask`` ``(B, Q, S)`` or ``(B, 1, S)`` bool: where it may."""
        return x + self.branch(x, source, mask)

    def branch(self, x: Tensor, source: Tensor, mask: Tensor | None = None) -> Tensor:
        """What is added to x: exactly 0 for a row that may look at nothing."""
        if not source.shape[1]:
            return torch.zeros_like(x)
        queries, keys = F.gelu(self.linear_q(x)), F.gelu(self.linear_k(source))
        values = F.gelu(self.linear_v(source))
        if mask is None:
            return F.gelu(self.linear_o(attend(queries, keys, values, self.heads)))
        blind = ~mask.any(-1, keepdim=True)  # a softmax over nothing would be NaN
        seen = attend(queries, keys, values, self.heads, (mask | blind).unsqueeze(1))
        return F.gelu(self.linear_o(seen.masked_fill(blind, 0)))


def low_rank(width: int, rank: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, rank, bias=False), nn.Linear(rank, width, bias=False))


def attend(q: Tensor, k: Tensor, v: Tensor, heads: int, mask: Tensor | None = None) -> Tensor:
    """Multi-head attention on ``(B, Q, heads * d)``; ``mask`` broadcasts to ``(B, heads, Q, S)``."""
    q, k, v = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (q, k, v))
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).flatten(2)


@dataclass
class Rows:
    """The true cells of a mask ``(B, L)``, packed to the left: ``index`` and ``real`` are ``(B, R)``."""

    mask: Tensor
    index: Tensor
    real: Tensor

    @classmethod
    def of(cls, mask: Tensor) -> Rows:
        count = mask.sum(-1)
        index = mask.logical_not().to(torch.uint8).sort(dim=-1, stable=True).indices[:, : int(count.max())]
        return cls(mask, index, torch.arange(index.shape[1], device=mask.device) < count[:, None])

    def take(self, x: Tensor) -> Tensor:
        """``(B, L, D)`` to ``(B, R, D)``; rows that are not real are zero."""
        return blank(x.gather(1, self.index.unsqueeze(-1).expand(-1, -1, x.shape[-1])), self.real)

    def put(self, x: Tensor, rows: Tensor) -> Tensor:
        """``x`` with its rows replaced."""
        return x.index_put((self.mask,), rows[self.real].to(x.dtype))


@dataclass
class MixerContext:
    """What the mixers of one forward pass share.

    Args:
        latents: ``(B, M, D)``.
        image, language: the rows of the two sides in this pass.
        all_image, all_language: and those of the earlier passes too.
        looks: who may look where: ``(B, Q, S)`` bool for ("img", "lang") and the other pairs.
        expert_choice: ``(mixers, 2)`` numbers of the one expert of each side, or None for soft gates.
        mixer_cache: of each mixer all rows that came in so far, ``(B, cached, D)``; grows with the pass. None: the prompt comes in one pass.
    """

    latents: Tensor
    image: Rows
    language: Rows
    all_image: Rows
    all_language: Rows
    looks: dict[tuple[str, str], Tensor]
    expert_choice: Tensor | None = None
    mixer_cache: list[Tensor] | None = None


def looks(asking: dict[str, Rows], asked: dict[str, Rows], config: MoAIConfig, cached: int = 0,
          attention_mask: Tensor | None = None) -> dict[tuple[str, str], Tensor]:  # fmt: skip
    """The masks of `MixerContext`: released, everybody at everybody; otherwise backwards and within a picture.

    Args:
        asking, asked: the sides "img" and "lang" of a pass, and of everything up to its end; the pass begins at row ``cached``.
        attention_mask: of `MoAI.set_context`.
    """
    allowed = {}
    for side, a in asking.items():
        at = a.index + cached
        for other, b in asked.items():
            mask = b.real.unsqueeze(1).expand(-1, at.shape[1], -1)
            if not config.compat and not (config.image_reads_prompt and (side, other) == ("img", "lang")):
                backwards = at.unsqueeze(-1) >= b.index.unsqueeze(1)
                if side == other == "img":
                    picture = (b.mask & ~F.pad(b.mask, (1, 0))[:, :-1]).cumsum(-1)
                    same = picture.gather(1, at).unsqueeze(-1) == picture.gather(1, b.index).unsqueeze(1)
                    backwards = backwards | same
                mask = mask & backwards
            if attention_mask is not None and not side == other == "img":
                row = torch.arange(len(at), device=at.device)[:, None, None]
                mask = mask & attention_mask[row, at.unsqueeze(-1), b.index.unsqueeze(1)]
            allowed[side, other] = mask
    return allowed


class MoAIMixer(nn.Module):
    """Six experts and two gates of one layer."""

    def __init__(self, config: MoAIConfig) -> None:
        super().__init__()
        width = config.text_width
        self.img = nn.ModuleDict({n: MoAIExpert(width, config.rank, config.expert_heads) for n in IMAGE_EXPERTS})
        self.lang = nn.ModuleDict({n: MoAIExpert(width, config.rank, config.expert_heads) for n in LANGUAGE_EXPERTS})
        self.gate_img, self.gate_lang = nn.Linear(width, 3), nn.Linear(width, 3)
        for gate in (self.gate_img, self.gate_lang):  # all three alike at the start
            nn.init.zeros_(gate.weight)
            nn.init.zeros_(gate.bias)
        if config.gate_dtype not in GATE_TYPES:
            raise unknown_name("gate_dtype", config.gate_dtype, filter(None, GATE_TYPES))
        self.gate_dtype = GATE_TYPES[config.gate_dtype]

    def forward(self, x: Tensor, prompt: MixerContext, draw: tuple[int, int] | None = None, whole: Tensor | None = None) -> Tensor:
        """``(B, L, D)`` to ``(B, L, D)``; both sides are computed from the rows as they came in. ``whole`` are the rows of the earlier
        passes and of this one, if there were earlier ones."""
        image, language = prompt.image.take(x), prompt.language.take(x)
        all_image, all_language = image, language
        if whole is not None:
            all_image, all_language = prompt.all_image.take(whole), prompt.all_language.take(whole)
        see = prompt.looks
        of_image = {
            "aux": (prompt.latents, None),
            "lang": (all_language, see["img", "lang"]),
            "self": (all_image, see["img", "img"]),
        }
        of_language = {
            "aux": (prompt.latents, None), "img": (all_image, see["lang", "img"]), "self": (all_language, see["lang", "lang"]),
        }  # fmt: skip
        pick = draw or (None, None)
        mixed = prompt.image.put(x, self.mix(self.img, self.gate_img, image, of_image, pick[0]))
        return prompt.language.put(mixed, self.mix(self.lang, self.gate_lang, language, of_language, pick[1]))

    def mix(self, experts: Any, gate: nn.Linear, rows: Tensor, sources: dict, pick: int | None) -> Tensor:
        """One expert, or all of them weighed by the gate. The weights are of a narrow type only in compat."""
        if pick is not None:
            name = tuple(experts)[pick]
            return experts[name](rows, *sources[name])
        weights = self.gates(gate, rows)
        outputs = [experts[name](rows, *sources[name]) for name in experts]
        return sum(weights[..., k : k + 1] * y for k, y in enumerate(outputs))

    def gates(self, gate: nn.Linear, rows: Tensor) -> Tensor:
        """``(B, R, D)`` to ``(B, R, 3)``."""
        return gate(rows).to(self.gate_dtype).softmax(-1)


@dataclass
class MixerState:
    latents: Tensor
    image_mask: Tensor
    language_mask: Tensor
    expert_choice: Tensor | None
    mixer_cache: list[Tensor] | None
    attention_mask: Tensor | None = None

    def __len__(self) -> int:
        return len(self.latents)


@CONNECTORS.register("moai")
class MoAI(PrefillConnector):
    """The compressor and the mixers of a decoder."""

    config_class = MoAIConfig
    paper = "MoAI, arXiv 2403.07508, sec. 3"

    def __init__(self, config: MoAIConfig) -> None:
        super().__init__(config.layers)
        if not config.mixer_layers() or not all(0 <= i < config.layers for i in config.mixer_layers()):
            raise UserError(
                f"mixers in the layers {list(config.mixer_layers())} of {config.layers}",
                allowed=f"one or more of 0 to {config.layers - 1}",
                todo="set 'layers' to the language model's number of layers and 'every' to at most that",
            )
        self.config = config
        self.compressor = MoAICompressor(config)
        self.mixers = nn.ModuleDict({str(i): MoAIMixer(config) for i in config.mixer_layers()})

    def compress(self, aux: Tensor, mask: Tensor | None = None) -> Tensor:
        """Aux tokens ``(B, N, D)`` to latents ``(B, M, D)`` for `set_context`; the released model does not mask padding."""
        return self.compressor(aux, None if self.config.compat else mask)

    @property
    def supports_chunked_prefill(self) -> bool:
        """Whether a prompt may come in several passes: no row reads later ones, other than those of its own picture."""
        return not (self.config.compat or self.config.image_reads_prompt)

    def set_context(self, latents: Tensor, image_mask: Tensor, language_mask: Tensor, *, expert_choice: Tensor | None = None,
            mixer_cache: list[Tensor] | None = None, attention_mask: Tensor | None = None) -> None:  # fmt: skip
        """Set the latents and the two sides of the next prompt.

        Args:
            latents: ``(B, M, D)`` from `compress`.
            image_mask: ``(B, L)`` bool, the image rows.
            language_mask: ``(B, L)`` bool, the prompt's words: no padding, no answers.
            expert_choice: ``(mixers, 2)``, from `draw`, for training step 1.
            mixer_cache: what came into each mixer in the prompt's earlier passes, ``(B, cached, D)`` (an empty list at its beginning); every
                pass puts its own rows there. None: the prompt comes in one pass. A picture never comes in pieces.
            attention_mask: ``(B, L, L)`` bool, which rows (columns) a row may read at all, where several questions about one picture stand in one
                sequence and must not know of each other.
        """
        image, language = check_mask(image_mask, "image_mask"), check_mask(language_mask, "language_mask")
        if image.shape != language.shape or len(image) != len(latents) or (image & language).any():
            raise UserError(
                f"latents of {len(latents)} sequences, masks of {tuple(image.shape)} and {tuple(language.shape)}",
                allowed="two masks of one shape (sequences, rows) that share no row, and latents for each sequence",
                todo="make both masks from the same merged sequence",
            )
        self._context = MixerState(latents, image, language, expert_choice, mixer_cache if self.supports_chunked_prefill else None, attention_mask)

    def sample_experts(self, generator: torch.Generator | None = None) -> Tensor:
        """Training step 1: one random expert a mixer and side, ``(mixers, 2)``, image first, in the gates' order."""
        return torch.randint(3, (len(self.mixers), 2), generator=generator)

    def train_step(self, step: int) -> None:
        """Which parameters learn: step 1 the compressor and the experts, step 2 the gates too."""
        if step not in (1, 2):
            raise UserError(f"training step {step}", allowed="1 (random experts) or 2 (soft gates)")
        for name, parameter in self.named_parameters():
            parameter.requires_grad_(step == 2 or ".gate_" not in name)

    def _window(self, seen: MixerState, times: int, cached: int, length: int) -> MixerContext | None:
        image, language = (cut(m, times, cached, length) for m in (seen.image_mask, seen.language_mask))
        if not (image.any() or language.any()):
            return None
        upto = cached + length
        all_image, all_language = (cut(m, times, 0, upto) for m in (seen.image_mask, seen.language_mask))
        there = [rows.shape[1] for rows in seen.mixer_cache or ()] == [cached] * (len(self.mixers) if cached else 0)
        if not there or (cached and (all_image[:, cached - 1] & all_image[:, cached]).any()):
            raise UserError(
                f"a prompt in pieces: {cached} rows are cached and more rows to mix follow",
                allowed="the whole prompt in one pass, or in passes that keep pictures whole and say what came before",
                todo="turn off prefill in chunks, or start with an empty cache",
            )
        now = {"img": Rows.of(image), "lang": Rows.of(language)}
        ever = {"img": Rows.of(all_image), "lang": Rows.of(all_language)} if cached else now
        attention_mask = None if seen.attention_mask is None else seen.attention_mask.repeat_interleave(times, 0)
        return MixerContext(
            seen.latents.repeat_interleave(times, 0), now["img"], now["lang"], ever["img"], ever["lang"],
            looks(now, ever, self.config, cached, attention_mask), seen.expert_choice, seen.mixer_cache,
        )  # fmt: skip

    def _register_hooks(self, layers: nn.ModuleList) -> list[Any]:
        places = self.config.mixer_layers()
        return [input_norm(layers[i]).register_forward_hook(partial(self._mix, n)) for n, i in enumerate(places)]

    def _mix(self, number: int, _norm: nn.Module, _inputs: tuple, output: Tensor) -> Tensor | None:
        """One mixer in its own precision: a 16-bit language model may have 32-bit mixers."""
        if self._now is None:
            return None
        mixer: Any = self.mixers[str(self.config.mixer_layers()[number])]
        draw = None if self._now.expert_choice is None else tuple(self._now.expert_choice[number].tolist())
        rows, mixer_cache, whole = output.to(mixer.gate_img.weight.dtype), self._now.mixer_cache, None
        if mixer_cache is not None:
            if number < len(mixer_cache):
                whole = mixer_cache[number] = torch.cat([mixer_cache[number], rows], 1)
            else:
                mixer_cache.append(rows)
        return mixer(rows, self._now, draw, whole).to(output.dtype)


def input_norm(layer: nn.Module) -> nn.Module:
    """The norm before a decoder layer's attention."""
    for name in NORMS:
        if isinstance(getattr(layer, name, None), nn.Module):
            return getattr(layer, name)
    raise UserError(
        f"{type(layer).__name__} has no norm before its attention",
        allowed="decoders whose layers have " + ", ".join(NORMS),
        todo="use a pre-norm decoder such as Llama, Qwen3 or InternLM2",
    )
