"""A causal language model in a folder as teacher, by transformers' own ``generate``; one request at a time."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from nunbit.data.teacher.base import ItemError, Teacher, TeacherReply, TeacherRequest
from nunbit.data.teacher.prompting import ChatMessage
from nunbit.errors import UserError

TEMPERATURE, TOP_P = 0.7, 0.95
"""How another try differs from the first, which is greedy."""


def local_teacher(folder: Path, device: str = "cpu") -> Teacher:
    """Open the model of a folder.

    Raises:
        UserError: no causal language model, or one without a chat template.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True).eval().to(device)
    except (OSError, ValueError, KeyError) as e:
        raise UserError(
            f"'{folder}' cannot be opened as a teacher ({e})", allowed="a folder with a causal language model"
        ) from None
    if not tokenizer.chat_template:
        raise UserError(f"the model in '{folder}' has no chat template", todo="name an instruction-tuned model")
    limit = int(getattr(model.config, "max_position_embeddings", 0) or 1 << 20)
    lock = threading.Lock()

    def ask(request: TeacherRequest) -> TeacherReply:
        given = _encoded(tokenizer, request.messages).to(device)
        length = int(given["input_ids"].shape[1])
        if length + request.max_tokens > limit:
            raise ItemError(f"{length} tokens of prompt and {request.max_tokens} of reply in a context of {limit}")
        first = request.attempt == 0
        settings = {"do_sample": False} if first else {"do_sample": True, "temperature": TEMPERATURE, "top_p": TOP_P}
        with lock, torch.inference_mode(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(request.seed)
            made = model.generate(
                **given, max_new_tokens=request.max_tokens, pad_token_id=tokenizer.eos_token_id, **settings
            )
        new = made[0, length:]
        return TeacherReply(str(tokenizer.decode(new, skip_special_tokens=True)).strip(), length, len(new))

    return Teacher(f"local:{folder.name}", ask, most_at_once=1)


def _encoded(tokenizer: Any, messages: list[ChatMessage]) -> Any:
    """The prompt's tokens. Templates that refuse a system turn (Gemma, Mistral) get the rules with the first
    example."""
    from jinja2 import TemplateError

    settings = {"add_generation_prompt": True, "return_tensors": "pt", "return_dict": True}
    try:
        return tokenizer.apply_chat_template(messages, **settings)
    except TemplateError:
        rules, first, *rest = messages
        joined = {"role": "user", "content": f"{rules['content']}\n\n{first['content']}"}
        return tokenizer.apply_chat_template([joined, *rest], **settings)
