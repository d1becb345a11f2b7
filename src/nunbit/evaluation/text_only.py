"""A language model alone, asked without the picture: what its answers are worth is what a picture must add to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from nunbit.messages import Message

MAX_NEW_TOKENS = 24


def text_only(folder: str | Path, device: str = "cpu") -> Callable[[Sequence[Sequence[Message]]], list[str]]:
    """An answerer of conversations by the causal language model in a folder; pictures are left out."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval().to(device)

    def ask(conversations: Sequence[Sequence[Message]]) -> list[str]:
        turns = [[{"role": m.role, "content": m.text} for m in c] for c in conversations]
        texts = [tokenizer.apply_chat_template(t, tokenize=False, add_generation_prompt=True) for t in turns]
        given = tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=False).to(device)
        with torch.inference_mode():
            made = model.generate(**given, max_new_tokens=MAX_NEW_TOKENS, do_sample=False)
        new = made[:, given.input_ids.shape[1] :]
        return [str(tokenizer.decode(row, skip_special_tokens=True)).strip() for row in new]

    return ask
