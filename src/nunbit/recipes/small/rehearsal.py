"""The base model's own replies to prompts without a picture. A share of the training rows repeats them, so that
learning to look up in the words about a picture does not cost the language."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from nunbit.files import write_text
from nunbit.recipes.small.rows import Turn

FILE = "chats.json"
TOKENS_MAX = 80
ABOUT = [
    ("Who are you?", "I am Nunbit, a small model that answers questions about pictures."),
    (
        "What can you do?",
        "I answer questions about pictures: what is there, where it is, how many there are, and what is written.",
    ),
    ("Hello!", "Hello! Show me a picture and ask me about it."),
    ("누구세요?", "저는 그림에 대한 질문에 답하는 작은 모델 Nunbit입니다."),
    ("안녕하세요?", "안녕하세요! 그림을 보여 주시고 물어보세요."),
    ("What is in the picture?", "There is no picture."),
    ("그림에 무엇이 있나요?", "그림이 없습니다."),
]
"""Said of itself, and where no picture was given."""


def prompts() -> list[str]:
    """The questions: the lines of `prompts.txt`."""
    return (Path(__file__).parent / "prompts.txt").read_text(encoding="utf-8").splitlines()


def chats(folder: Path) -> list[list[Turn]]:
    """Conversations about itself, and the conversations that `generate` wrote into the folder."""
    file = folder / FILE
    own = [[turn] for turn in ABOUT]
    if not file.is_file():
        return own
    return own + [[(q, a)] for q, a in json.loads(file.read_text(encoding="utf-8"))]


def generate(model: Any, tokenizer: Any, folder: Path, batch: int = 8) -> int:
    """Let the base model reply to every prompt (greedily) and write the conversations; returns how many ended by
    themselves or in a sentence."""
    import torch

    # The base is asked under its own system message, without which its replies are worse; they are learnt without it.
    tokenizer.padding_side = "left"
    done: list[Turn] = []
    asked = prompts()
    for i in range(0, len(asked), batch):
        part = asked[i : i + batch]
        texts = [
            tokenizer.apply_chat_template([{"role": "user", "content": p}], tokenize=False, add_generation_prompt=True)
            for p in part
        ]
        given = tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=False)
        with torch.inference_mode():
            out = model.generate(**given, max_new_tokens=TOKENS_MAX, do_sample=False, repetition_penalty=1.05)
        for prompt, ids in zip(part, out[:, given.input_ids.shape[1] :], strict=True):
            reply = _whole_sentences(tokenizer.decode(ids, skip_special_tokens=True))
            if reply:
                done.append((prompt, reply))
        write_text(folder / FILE, json.dumps(done, ensure_ascii=False, indent=0))
    return len(done)


def generate_from(base: Path, folder: Path) -> int:
    """`generate` with the model of a folder."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    return generate(model, AutoTokenizer.from_pretrained(base), folder)


def _whole_sentences(text: str) -> str:
    """The reply up to its last full stop, if it was cut off."""
    text = text.strip()
    if text.endswith((".", "!", "?", '"')):
        return text
    end = max(text.rfind(c) for c in ".!?")
    return text[: end + 1]
