"""Encoder + connector + language model as one model: the splice, and a type of our own for compositions without a
native one.

`embed` is the only place where picture tokens enter a sequence; training, the engine and the studies call it, for
native LLaVAs and for
`ComposedModel` alike. Parameters of a `ComposedModel` are named as in a native LLaVA.

Letters: B rows, T tokens, P pictures, N features and M tokens a picture, D width of the language model, Dv of the
    encoder, V vocabulary.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoConfig, AutoModel, AutoModelForImageTextToText
from transformers.configuration_utils import PreTrainedConfig
from transformers.generation import GenerationMixin
from transformers.modeling_outputs import CausalLMOutputWithPast
from transformers.modeling_utils import PreTrainedModel

# Registered, so that a folder of nunbit-small opens by its path.
import nunbit.encoders.efficientnet_lite  # noqa: F401
from nunbit.connectors import TokenConnector, build
from nunbit.encoders.vision import hidden_states, picture_features
from nunbit.errors import UserError
from nunbit.models.image_tokens import ANY_RESOLUTION


def embed(model: Any, ids: Tensor, features: Tensor | None) -> Tensor:
    """Words with the pictures' tokens in their places.

    Args:
        ids: (B, T), the image token once for every token of a picture.
        features: ``(P, M, D)`` or all pictures' tokens in order ``(sum of M, D)``; None without pictures.

    Returns:
        (B, T, D).

    Raises:
        UserError: another number of places than of tokens.
    """
    words = model.get_input_embeddings()(ids)
    if features is None:
        return words
    places = ids == model.config.image_token_id
    tokens = features.flatten(0, -2)
    if int(places.sum()) != len(tokens):
        raise UserError(
            f"{int(places.sum())} image tokens and {len(tokens)} tokens of pictures",
            allowed="as many image tokens as the pictures take",
        )
    return words.masked_scatter(places.unsqueeze(-1), tokens.to(words.dtype))


def image_features(model: Any, pixels: Tensor, *, sizes: Tensor | None = None, learning: bool = False) -> Tensor:
    """The connector's tokens of pictures, ready for `embed`.

    Args:
        pixels: ``(P, 3, H, W)``; of an any-resolution model tiles ``(P, K, 3, H, W)`` with the pictures' ``sizes`` (P,
            2).
        learning: keep a graph behind the encoder.

    Returns:
        ``(P, M, D)``, or of an any-resolution model all tokens in order ``(sum of M, D)``.
    """
    config, inner = model.config, model.model
    if config.model_type == ANY_RESOLUTION:
        return torch.cat(inner.get_image_features(pixels.to(inner.vision_tower.dtype), sizes).pooler_output)
    if isinstance(model, ComposedModel):
        return model.image_tokens(pixels, learning=learning)
    with torch.set_grad_enabled(learning and torch.is_grad_enabled()):
        states = hidden_states(inner.vision_tower, pixels)
    extra = 1 if config.vision_feature_select_strategy == "default" else 0
    return inner.multi_modal_projector(picture_features(states, config.vision_feature_layer, extra))


def is_gated(model: Any) -> bool:
    """Whether pictures stay outside the sequence and are attended to inside the decoder layers (Flamingo)."""
    return isinstance(model, ComposedModel) and model.gated


class ComposedConfig(PreTrainedConfig):
    """Config of a `ComposedModel`.

    Args:
        vision_config, text_config: of the two ends.
        connector: ``name`` and fields of a registered connector (`nunbit.connectors`).
        image_token_id: the token that stands for a picture.
        image_seq_length: M, tokens that a picture takes in the sequence.
        vision_feature_layer: hidden state of the encoder that the connector reads.
        vision_extra_tokens: class and register tokens of the encoder, which are left out.
        vision_grid: rows and columns of the features.
        head_bias: the language model's head has a bias.
    """

    model_type = "nunbit_composed"
    sub_configs = {"vision_config": AutoConfig, "text_config": AutoConfig}
    is_composition = True

    def __init__(
        self,
        vision_config: Any = None,
        text_config: Any = None,
        connector: dict[str, Any] | None = None,
        image_token_id: int = 0,
        image_seq_length: int = 1,
        vision_feature_layer: int = -2,
        vision_extra_tokens: int = 0,
        vision_grid: tuple[int, int] | list[int] = (1, 1),
        head_bias: bool = False,
        tie_word_embeddings: bool = False,
        **kwargs: Any,
    ) -> None:
        self.vision_config, self.text_config = _sub_config(vision_config), _sub_config(text_config)
        self.connector = dict(connector or {})
        self.image_token_id, self.image_seq_length = image_token_id, image_seq_length
        self.vision_feature_layer, self.vision_extra_tokens = vision_feature_layer, vision_extra_tokens
        self.vision_grid = list(vision_grid)
        self.head_bias = head_bias
        super().__init__(**{"tie_word_embeddings": tie_word_embeddings, **kwargs})

    @property
    def image_token_index(self) -> int:
        """The name of ``image_token_id`` in a LLaVA."""
        return self.image_token_id


def _sub_config(values: Any) -> Any:
    if isinstance(values, dict):
        values = dict(values)
        return AutoConfig.for_model(values.pop("model_type"), **values)
    return values


class ComposedBody(nn.Module):
    """The three parts under the names that they have in a native LLaVA; ``image_marker`` is the row of ``<image>`` of a
    gated model."""

    def __init__(self, vision: nn.Module, connector: nn.Module, language: nn.Module, marker: Tensor | None) -> None:
        super().__init__()
        self.vision_tower, self.multi_modal_projector, self.language_model = vision, connector, language
        self.image_marker = None if marker is None else nn.Parameter(marker)


class ComposedModel(PreTrainedModel, GenerationMixin):
    """Any vision encoder, any registered connector, any causal language model.

    A token connector's output is spliced into the sequence. Gated cross-attention acts inside the decoder layers
    instead: a picture then
    takes one token, whose row learns although the embedding table is frozen. Source: OpenFlamingo, arXiv 2308.01390,
    sec. 3.1.
    A gated model holds the pictures of one batch at a time, so one thread at a time may run it.
    """

    config_class = ComposedConfig
    base_model_prefix = "model"
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _skip_keys_device_placement = ["past_key_values"]
    _tied_weights_keys = {"lm_head.weight": "model.language_model.embed_tokens.weight"}

    def __init__(self, config: ComposedConfig) -> None:
        super().__init__(config)
        connector: Any = build(**config.connector)
        language = AutoModel.from_config(config.text_config)
        gated = not isinstance(connector, TokenConnector)
        width = config.text_config.hidden_size
        self.model = ComposedBody(
            AutoModel.from_config(config.vision_config), connector, language, torch.zeros(width) if gated else None
        )
        self.lm_head = nn.Linear(width, config.text_config.vocab_size, bias=config.head_bias)
        table = next((n for n, m in language.named_modules() if m is language.get_input_embeddings()), "embed_tokens")
        self._tied_weights_keys = {"lm_head.weight": f"model.language_model.{table}.weight"}
        if gated:
            connector.attach(language)
        self.post_init()

    @property
    def connector(self) -> Any:
        """The connection module."""
        return self.model.multi_modal_projector

    @property
    def gated(self) -> bool:
        """Whether pictures act inside the decoder layers instead of standing in the sequence."""
        return self.model.image_marker is not None

    def get_input_embeddings(self) -> Any:
        """The language model's embedding table."""
        return self.model.language_model.get_input_embeddings()

    def set_input_embeddings(self, value: Any) -> None:
        """Replace the language model's embedding table."""
        self.model.language_model.set_input_embeddings(value)

    def get_output_embeddings(self) -> Any:
        """The language model's head."""
        return self.lm_head

    def get_decoder(self) -> Any:
        """The language model without its head."""
        return self.model.language_model

    def encoder_features(self, pixels: Tensor, *, learning: bool = False) -> Tensor:
        """``(P, 3, H, W)`` to the encoder's features ``(P, N, Dv)``, without a graph behind an encoder that is not
        ``learning``."""
        with torch.set_grad_enabled(learning and torch.is_grad_enabled()):
            states = hidden_states(self.model.vision_tower, pixels)
        found = picture_features(states, self.config.vision_feature_layer, self.config.vision_extra_tokens)
        return found.to(next(self.connector.parameters()).dtype)

    def image_tokens(self, pixels: Tensor, *, learning: bool = False) -> Tensor:
        """``(P, 3, H, W)`` to what stands in the sequence: ``(P, M, D)``, of a gated model the marker ``(P, 1, D)``."""
        if self.gated:
            return self.model.image_marker.expand(len(pixels), 1, -1)
        rows, columns = self.config.vision_grid
        return self.connector(self.encoder_features(pixels, learning=learning), grid=(rows, columns))

    def media(self, pixels: Tensor) -> Tensor:
        """Of a gated model: ``(P, 3, H, W)`` to what its blocks attend to, ``(P, M, Dv)``."""
        return self.connector.media_tokens(self.encoder_features(pixels).unsqueeze(1)).squeeze(1)

    def set_image_context(self, ids: Tensor, pixels: Tensor | None, index: Tensor | None = None) -> None:
        """Of a gated model: set the pictures of the next forward passes, decode steps included; none clears them.

        Args:
            ids: (B, T) with one image token a picture; pixels: ``(P, 3, H, W)`` in the order of the tokens.
            index: (B, T), which picture of its row each token attends to, from 1; the last one before it if not given.
        """
        places = ids == self.config.image_token_id
        each = places.sum(1)
        given = 0 if pixels is None else len(pixels)
        if int(each.sum()) != given:
            raise UserError(
                f"{int(each.sum())} image tokens and {given} pictures", allowed="one picture for each image token"
            )
        if pixels is None or not given:
            self.connector.clear_context()
            return
        rows = pad_sequence(list(self.media(pixels).split(each.tolist())), batch_first=True)  # (B, I, M, Dv)
        there = torch.arange(rows.shape[1], device=each.device) < each.unsqueeze(1)
        self.connector.set_context(rows, there, index=places.long().cumsum(1) if index is None else index)

    def forward(
        self,
        input_ids: Tensor | None = None,
        pixel_values: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Any = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        logits_to_keep: int | Tensor = 0,
        **kwargs: Any,
    ) -> CausalLMOutputWithPast:
        """``(B, T)`` ids (or ``(B, T, D)`` embeddings) and pictures ``(P, 3, H, W)`` to logits ``(B, T, V)``."""
        if inputs_embeds is None:
            assert input_ids is not None, "ids or embeddings"
            first = past_key_values is None or not past_key_values.get_seq_length()
            if self.gated and first:
                self.set_image_context(input_ids, pixel_values)
            features = None if pixel_values is None else self.image_tokens(pixel_values)
            inputs_embeds = embed(self, input_ids, features)
        out = self.model.language_model(
            inputs_embeds=inputs_embeds,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            **kwargs,
        )
        hidden = out.last_hidden_state
        kept = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) and logits_to_keep else slice(None)
        logits = self.lm_head(hidden[:, kept if isinstance(logits_to_keep, int) else logits_to_keep])
        loss = None
        if labels is not None:
            loss = self.loss_function(logits=logits, labels=labels, vocab_size=logits.shape[-1])
        return CausalLMOutputWithPast(loss=loss, logits=logits, past_key_values=out.past_key_values)

    def prepare_inputs_for_generation(self, *args: Any, pixel_values: Tensor | None = None, **kwargs: Any) -> Any:
        """As in transformers; pictures ``(P, 3, H, W)`` are given to the first pass alone."""
        inputs = cast(Any, super()).prepare_inputs_for_generation(*args, **kwargs)
        past = inputs.get("past_key_values")
        if past is None or not past.get_seq_length():
            inputs["pixel_values"] = pixel_values
        return inputs


AutoConfig.register(ComposedConfig.model_type, ComposedConfig)
AutoModelForImageTextToText.register(ComposedConfig, ComposedModel)
