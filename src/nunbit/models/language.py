"""A language model's folder -> tokenizer and causal language model that are ready for pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nunbit.encoders.vision import opened
from nunbit.models.prompt import IMAGE, PromptBuilder


def load_language_model(folder: str | Path) -> tuple[Any, Any]:
    """Tokenizer and causal language model (float32), with a row of the embedding for every token."""
    from transformers import AutoModelForCausalLM

    tokenizer = load_tokenizer(folder)
    text = opened("language model", folder, lambda: AutoModelForCausalLM.from_pretrained(folder, dtype="float32"))
    table: Any = text.get_input_embeddings()
    if table.num_embeddings < len(tokenizer):
        text.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    return tokenizer, text


def load_tokenizer(folder: str | Path) -> Any:
    """The language model's tokenizer, with ``<image>`` and a padding token that it may have lacked."""
    from tokenizers import AddedToken
    from transformers import AutoTokenizer

    tokenizer = opened("tokenizer", folder, lambda: AutoTokenizer.from_pretrained(folder))
    if IMAGE not in tokenizer.get_vocab():
        tokenizer.add_tokens([AddedToken(IMAGE, special=True, normalized=False)], special_tokens=True)
    if tokenizer.pad_token is None:
        tokenizer.add_special_tokens({"pad_token": "<pad>"})
    tokenizer.padding_side = "left"  # for generation; training pads on the right itself
    return tokenizer


def set_end_tokens(generation: Any, tokenizer: Any, template: str) -> None:
    """Let generation stop where the template ends an answer."""
    ends = {tokenizer.eos_token_id, PromptBuilder(tokenizer, template).end_id} - {None}
    generation.eos_token_id = sorted(ends)
    generation.bos_token_id, generation.pad_token_id = tokenizer.bos_token_id, tokenizer.pad_token_id
