"""Models run by their own forward pass: those of transformers that place pictures, count positions or mask attention in
ways of their own (Qwen-VL's three-dimensional positions, Gemma 3's masks, DeepStack, Q-Formers ...).

A prompt is prefilled in one pass of the whole model, as `generate` does it; answers are then decoded together on the
slots. `make compat` compares each type with `generate`, token by token.

Letters: B rows, T tokens, V vocabulary, D width of the decoder.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from nunbit.engine.native_preparation import NativePreparation
from nunbit.engine.request import NativeInputs, PreparedPrompt
from nunbit.engine.runner import Runner
from nunbit.errors import UserError
from nunbit.media.bounds import processed

LONGEST_KEY = 4096
"""Numbers beside the pixels (sizes, grids, a question for a Q-Former) that a key of the feature cache may hold."""


@dataclass(slots=True)
class PictureFeatures:
    """What an encoder made of all pictures of a prompt, as the model's forward pass takes it."""

    output: Any
    nbytes: int


class NativeRunner(Runner):
    """Runs one model on a slot cache by its own forward pass. Arguments and attributes as of `Runner`."""

    preparation_type = NativePreparation

    def __init__(self, model: Any, processor: Any, **options: Any) -> None:
        super().__init__(model, processor, **options)
        inner = getattr(model, "language_model", None)
        # A Q-Former's model holds a whole language model, head included, which answers once the prompt is read.
        self._language = inner if inner is not None and hasattr(inner, "lm_head") else model
        self._encoder = model.base_model.get_image_features
        self._encoder_takes = set(inspect.signature(self._encoder).parameters)
        self._required = [
            name
            for name, p in inspect.signature(model.forward).parameters.items()
            if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD and name != "input_ids"
        ]

    @property
    def takes_static_shapes(self) -> bool:
        """No: what such a forward pass does in a decode step is its own affair, which may wait for the device."""
        return False

    @property
    def prefills_together(self) -> bool:
        """No: a prompt is read by the model's own forward pass, one at a time."""
        return False

    def chunk_tokens(self, chunk: int) -> int:
        """A prompt is read in one pass, whatever the chunk."""
        return self.length

    def prefix_bytes(self, bound: int) -> int:
        """Bound of the prefix cache: 0, where a prompt's beginning depends on its end."""
        return bound if getattr(self.preparation, "causal", False) else 0

    def reusable(self, prompt: PreparedPrompt, tokens: int) -> int:
        """A prefix is reused only if all that comes after it is causal text."""
        assert prompt.native is not None
        return tokens if tokens >= prompt.native.text_from else 0

    def embed(self, prompt: PreparedPrompt) -> Tensor:
        """Encode the pictures of a prompt; the ids ``(1, T)``, which the model embeds itself."""
        native, ids = prompt.native, torch.tensor([prompt.ids], device=self.device)
        assert native is not None
        if native.positions is None:
            native.tensors = {k: self._on_device(v) for k, v in native.tensors.items()}
            known = native.tensors | {"attention_mask": torch.ones_like(ids)}
            positions = self.model._prepare_position_ids_for_generation(ids, known)
            native.features = self._features_of(native, prompt.hashes)
            made = self._first_inputs(native, ids, positions)
            native.positions = made["position_ids"]
            rows = native.positions.reshape(-1, ids.shape[1])
            # Four rows: the place in the text, then the three dimensions of a position, which are what is counted on.
            native.offset = int(rows[1 if len(rows) == 4 else 0 :].max()) + 1 - ids.shape[1]
        return ids

    def prefill(self, slot: int, start: int, embeds: Tensor, prompt: PreparedPrompt) -> Tensor:
        """Read tokens ``start ...``, here ids ``(1, T)``: a whole prompt, or the text after a reused prefix. Logits of
        the last one, ``(V,)``."""
        native, count = prompt.native, embeds.shape[1]
        assert native is not None and native.positions is not None
        self.cache.set_prefill(slot, start, count)
        if not start:
            inputs = self._first_inputs(native, embeds, native.positions)
            inputs["position_ids"] = native.positions
            return self._run(self.model, prompt, inputs)[0]
        at = torch.arange(start, start + count, device=self.device)
        allowed = at.unsqueeze(-1) >= torch.arange(start + count, device=self.device)
        inputs = {"input_ids": embeds, "position_ids": native.positions[..., start:]}
        inputs["attention_mask"] = self._additive(allowed, self.model.dtype)[None, None]
        return self._run(self._language, prompt, inputs)[0]

    def decode(self, tokens: Sequence[int], lengths: Sequence[int], prompts: Sequence[PreparedPrompt]) -> Tensor:
        """One step of the first ``len(tokens)`` slots. Logits ``(B, V)``."""
        at, upto = torch.tensor(list(lengths), device=self.device), max(lengths) + 1
        self.cache.set_rows(0, upto - 1, at.unsqueeze(-1), upto)
        mask = at.unsqueeze(-1) >= torch.arange(upto, device=self.device)
        offsets = torch.tensor([p.native.offset if p.native else 0 for p in prompts], device=self.device)
        inputs = {
            "input_ids": torch.tensor(list(tokens), device=self.device).unsqueeze(-1),
            "position_ids": (at + offsets).unsqueeze(-1),
            "attention_mask": self._additive(mask, self.model.dtype)[:, None, None],
        }
        return self._run(self._language, None, inputs)

    def picture_vector(self, picture: Any) -> tuple[Tensor, int]:
        """The connector's tokens of a picture, averaged, at length 1: ``(D,)``, and how many tokens it took.

        Raises:
            UserError: the model encodes pictures together with a question only.
        """
        if any(name.startswith("qformer") for name in self._encoder_takes):
            raise UserError("a picture alone", allowed="text: this model reads a picture together with a question")
        made = dict(processed(self.processor.image_processor, [picture]))
        with torch.inference_mode():
            output = self._encode({k: self._on_device(torch.as_tensor(v)) for k, v in made.items()})
        tokens = torch.cat([t.flatten(0, -2) for t in _tensors(output["pooler_output"])])
        return normalize(tokens.float().mean(0), dim=0).cpu(), len(tokens)

    def _first_inputs(self, native: NativeInputs, ids: Tensor, positions: Tensor) -> dict[str, Any]:
        """What the forward pass of a whole prompt takes, ids ``(1, T)``, as `generate` prepares it."""
        rest = {k: v for k, v in native.tensors.items() if k not in self._encoder_takes}
        features = {} if native.features is None else {"image": native.features}
        return self.model.prepare_inputs_for_generation(
            ids,
            is_first_iteration=True,
            use_cache=True,
            position_ids=positions,
            mm_encoder_outputs=features,
            **rest,
            **{n: None if n.startswith("pixel") else native.tensors.get(n) for n in self._required if n not in rest},
        )

    def _run(self, model: Any, prompt: PreparedPrompt | None, inputs: dict[str, Any]) -> Tensor:
        """One forward pass on the slots; logits of the last token of each row, ``(B, V)``."""
        inputs = inputs | {"past_key_values": self.cache, "use_cache": True, "logits_to_keep": 1}
        with self._context(prefill=prompt):
            logits: Tensor = model(**inputs, return_dict=True).logits[:, -1].float()
        return logits

    def _features_of(self, native: NativeInputs, hashes: list[str]) -> Any:
        """The encoder's output for all pictures of a prompt, from the cache where the same were encoded before."""
        given = {k: v for k, v in native.tensors.items() if k in self._encoder_takes}
        if not any(k.startswith("pixel_values") for k in given):
            return None
        beside = {k: v for k, v in given.items() if not k.startswith("pixel")}
        if sum(v.numel() for v in beside.values()) > LONGEST_KEY:
            return self._encode(given)
        key = (*hashes, *((k, tuple(v.flatten().tolist())) for k, v in sorted(beside.items())))
        held = self.features.get(key)
        if held is None:
            output = self._encode(given)
            held = PictureFeatures(output, sum(t.nbytes for v in output.values() for t in _tensors(v)))
            self.features.put(key, held)
        return held.output

    def _encode(self, given: dict[str, Tensor]) -> Any:
        """The encoder's output, with only what a forward pass reads of it."""
        output = self._encoder(**{k: v for k, v in given.items() if k in self._encoder_takes}, return_dict=True)
        read = {k: output[k] for k in ("pooler_output", "deepstack_features") if output.get(k) is not None}
        return type(output)(**read)

    def _on_device(self, tensor: Tensor) -> Tensor:
        return tensor.to(self.device, self.model.dtype if tensor.is_floating_point() else tensor.dtype)


def _tensors(value: Any) -> list[Tensor]:
    """All tensors in a tensor, or in lists of tensors."""
    if isinstance(value, Tensor):
        return [value]
    return [t for v in value for t in _tensors(v)] if isinstance(value, (list, tuple)) else []
