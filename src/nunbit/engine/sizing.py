"""How large an engine's caches are: what is wanted, and for the rest what free memory allows."""

from __future__ import annotations

from typing import Any

from nunbit.engine.options import CPU_SLOTS, CUDA_SLOTS, CacheOptions
from nunbit.engine.supported import context_length, server_length
from nunbit.errors import UserError
from nunbit.models.free_memory import as_text, available_bytes

MB = 1 << 20
USABLE = 0.85
"""Share of the free memory that caches may take; the rest is for what a forward pass makes."""
SHORTEST = 256
"""Tokens below which a slot is of no use: a picture takes most of them."""
CHUNK, CUDA_CHUNK = 256, 2048
"""Prompt tokens of one pass: on a processor time grows with them, a CUDA device is idle below a thousand or two."""


def token_bytes(model: Any) -> int:
    """Bytes of the keys and values of one token."""
    text = model.config.get_text_config()
    heads = getattr(text, "num_key_value_heads", None) or text.num_attention_heads
    width = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    return 2 * int(text.num_hidden_layers) * int(heads) * int(width) * model.get_input_embeddings().weight.itemsize


def engine_sizes(model: Any, wanted: CacheOptions, *, server: bool, free: int | None = None) -> dict[str, Any]:
    """Arguments of `nunbit.engine.scheduler.Engine` for a model on its device.

    Args:
        server: whether one prompt of what suits the model is enough, rather than the model's whole context.
        free: bytes that are free; as the system says if not given.

    Raises:
        UserError: what is wanted does not fit on the CUDA device. A processor's slots grow with what they hold.
    """
    cuda = model.device.type == "cuda"
    free = available_bytes(str(model.device)) if free is None else free
    text, each = model.config.get_text_config(), token_bytes(model)
    length = context_length(text, wanted.length or (server_length(model.config) if server else 0))
    prefix = _bytes(wanted.prefix_mb, max(128 * MB, min(2 * length * each, free // 16)))
    feature = _bytes(wanted.feature_mb, 256 * MB if cuda else 64 * MB)
    room = max(0, int(USABLE * free) - prefix - feature)
    most = CUDA_SLOTS if cuda else CPU_SLOTS
    slots = wanted.slots or max(1, min(most, room // (length * each)))
    if cuda and slots * length * each > room:
        fitting = room // (slots * each)
        if wanted.length or fitting < SHORTEST:
            raise UserError(
                f"{slots} slots of {length} tokens, which take {as_text(slots * length * each)}",
                allowed=f"{as_text(room)}: that is free on {model.device} beside the model",
                todo="name fewer with --slots or --length, or hold the weights in fewer bits with --int8 or --int4",
            )
        length = fitting
    return {
        "slots": slots,
        "length": length,
        "prefix_bytes": prefix,
        "feature_bytes": feature,
        "chunk": CUDA_CHUNK if cuda else CHUNK,
        "together": CUDA_CHUNK if cuda else 0,
        "static": cuda and wanted.cuda_graphs and not getattr(model, "is_quantized", False),
    }


def _bytes(wanted_mb: int | None, otherwise: int) -> int:
    return otherwise if wanted_mb is None else wanted_mb * MB
