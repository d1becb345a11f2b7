"""Any Hugging Face chat template -> token ids with a trainable flag each.

The template is rendered once with one private-use character in place of each turn's words: where the words go is then known whatever
they are, and nothing is ever searched for in them. Words are spelled, never obeyed: a special token written in them is cut in two
before tokenising.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nunbit.errors import UserError
from nunbit.messages import Message, check
from nunbit.models.chat import Rendered
from nunbit.models.tokenizer import IMAGE

FLATTEN = (
    "{%- set enable_thinking = false -%}{%- set ns = namespace(flat=[]) -%}"
    "{%- for m in messages -%}{%- set said = namespace(text='') -%}"
    "{%- if m['content'] is string -%}{%- set said.text = m['content'] -%}{%- else -%}"
    "{%- for p in m['content'] -%}{%- if p['type'] == 'image' -%}{%- set said.text = said.text + '<image>\\n' -%}"
    "{%- elif p['type'] == 'text' -%}{%- set said.text = said.text + p['text'] -%}{%- endif -%}{%- endfor -%}{%- endif -%}"
    "{%- set ns.flat = ns.flat + [dict(m, content=said.text)] -%}{%- endfor -%}{%- set messages = ns.flat -%}"
)
"""Put before a language model's own template: pictures become ``<image>`` and a line break before the words, as in LLaVA-1.5, and a
template that can think aloud is asked not to."""

VICUNA = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ messages[0]['content'] }}{% else %}"
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, and polite "
    "answers to the user's questions.{% endif %}{% for m in messages %}"
    "{% if m['role'] == 'assistant' %}{{ ' ASSISTANT: ' + m['content'] + eos_token }}"
    "{% elif m['role'] == 'user' %}{{ ('' if loop.index0 and messages[loop.index0 - 1]['role'] == 'assistant' else ' ') "
    "+ 'USER: ' + m['content'] }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ ' ASSISTANT:' }}{% endif %}"
)
"""For language models without a template. Source: LLaVA, conversation template ``vicuna_v1``."""

_FIRST_SLOT, _SLOTS = 0xE000, 6400


def for_pictures(template: str | None) -> str:
    """A chat template that takes pictures, made from a language model's own (or from none)."""
    template = template or VICUNA
    return template if "'image'" in template or '"image"' in template else FLATTEN + template


@dataclass(slots=True)
class _Written:
    """What a template wrote: the text, which characters are words of a turn, which are to be learnt."""

    text: str
    words: np.ndarray
    learnt: np.ndarray


class Renderer:
    """Renders conversations with one tokenizer and one template; pictures are one ``<image>`` id each (`expand` makes them many).

    Attributes:
        end: what the template writes after an answer, up to the mark at which generation stops.
    """

    def __init__(self, tokenizer: Any, template: str | None = None, *, image_token: str = IMAGE) -> None:
        if not getattr(tokenizer, "is_fast", False):
            raise UserError(
                "a tokenizer without offsets", allowed="fast tokenizers (a tokenizer.json)", todo="convert it"
            )
        self.tokenizer, self.template = tokenizer, template or for_pictures(tokenizer.chat_template)
        self.image_token, self.image_id = image_token, tokenizer.convert_tokens_to_ids(image_token)
        marks = sorted(tokenizer.get_added_vocab(), key=len, reverse=True)
        self._marks = re.compile(f"(?=({'|'.join(map(re.escape, marks))}))" if marks else "(?!)")
        one = self._skeleton([_slot_turn("user", 0), _slot_turn("assistant", 1)], "the template's trial")
        prompt = self._skeleton([_slot_turn("user", 0)], "the template's trial", generate=True)
        at = one.index(chr(_FIRST_SLOT + 1))
        self._lead = at - len(prompt) if one.startswith(prompt) and len(prompt) <= at else 0
        self._begin = tokenizer.bos_token if tokenizer.bos_token and one.startswith(tokenizer.bos_token) else ""
        self.end = self._up_to_mark(one[at + 1 :])

    @property
    def end_id(self) -> int:
        """The token at which generation should stop."""
        return int(self.tokenizer(self.end, add_special_tokens=False)["input_ids"][-1])

    def render(self, messages: Sequence[Message], *, name: str = "sample", plain: bool = False) -> Rendered:
        """Ids and flags: True on every answer and its end mark.

        Args:
            name: names the sample in errors.
            plain: no template, as in LLaVA-1.5's first stage: the pictures, then the answers, a line each.

        Raises:
            UserError: turns out of order, a template that refuses them, or no answer to learn from.
        """
        check(messages)
        if not any(m.role == "assistant" and m.text.strip() for m in messages):
            raise UserError(
                f"{name} has no trainable token", allowed="at least one assistant turn with words", todo="add an answer"
            )
        return self._encode(self._plain(messages) if plain else self._write(messages, name))

    def _plain(self, messages: Sequence[Message]) -> _Written:
        pieces = [(self._begin, False, False), *((self.image_token, False, False) for m in messages for _ in m.images)]
        pieces += [(m.text.strip() + "\n", True, True) for m in messages if m.role == "assistant" and m.text.strip()]
        return _join(pieces)

    def _write(self, messages: Sequence[Message], name: str) -> _Written:
        """Render the skeleton, then put the words where their slots are."""
        turns: list[dict[str, Any]] = []
        words: list[tuple[str, bool]] = []
        for m in messages:
            if m.role == "assistant":
                turns.append(_slot_turn(m.role, len(words)))
                words.append((m.text.strip(), True))
                continue
            content: list[dict[str, str]] = []
            for p in m.parts:
                content.append({"type": "image"} if p.kind == "image" else _slot(len(words)))
                if p.kind != "image":
                    words.append((p.content.strip(), False))
            turns.append({"role": m.role, "content": content})
        if len(words) > _SLOTS:
            raise UserError(f"{name} has {len(words)} turns", allowed=f"at most {_SLOTS}", todo="split it")
        return self._fill(self._skeleton(turns, name), words, name)

    def _fill(self, skeleton: str, words: Sequence[tuple[str, bool]], name: str) -> _Written:
        pieces: list[tuple[str, bool, bool]] = []
        at, learn_end = 0, False
        for number, (text, spoken) in enumerate(words):
            slot = skeleton.find(chr(_FIRST_SLOT + number), at)
            if slot < 0:
                raise UserError(
                    f"the chat template leaves out or reorders words of {name}", todo="use another template"
                )
            between = skeleton[at:slot]
            head = len(self.end) if learn_end and between.startswith(self.end) else 0
            lead = min(self._lead, len(between) - head) if spoken and text else 0
            cut = len(between) - lead
            pieces += [(between[:head], False, True), (between[head:cut], False, False), (between[cut:], False, True)]
            pieces.append((text, True, spoken))
            at, learn_end = slot + 1, spoken and bool(text)
        rest = skeleton[at:]
        head = len(self.end) if learn_end and rest.startswith(self.end) else 0
        return _join([*pieces, (rest[:head], False, True), (rest[head:], False, False)])

    def _encode(self, written: _Written) -> Rendered:
        text, out = written.text, Rendered([], [])
        cuts = [m.start() + 1 for m in self._marks.finditer(text) if written.words[m.start() : m.end(1)].any()]
        learnt = np.concatenate([[0], np.cumsum(written.learnt)])
        for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True):
            done = self.tokenizer(text[a:b], add_special_tokens=False, return_offsets_mapping=True)
            out.ids += done["input_ids"]
            out.trainable += [
                bool(learnt[min(a + max(e, s + 1), b)] > learnt[a + s]) for s, e in done["offset_mapping"]
            ]
        return out

    def _skeleton(self, turns: list[dict[str, Any]], name: str, *, generate: bool = False) -> str:
        from jinja2 import TemplateError

        try:
            return str(self.tokenizer.apply_chat_template(
                turns, chat_template=self.template, tokenize=False, add_generation_prompt=generate
            ))  # fmt: skip
        except TemplateError as e:
            raise UserError(
                f"the chat template refuses {name} ({e})", todo="leave that turn out or use another template"
            ) from None

    def _up_to_mark(self, tail: str) -> str:
        """The tail of an answer up to and with its first special token; without one, all of it."""
        if not tail:
            raise UserError("a chat template that writes nothing after an answer", allowed="one with an end mark",
                            todo="add the end mark: without it the model never learns to stop")  # fmt: skip
        found = next((m for m in self._marks.finditer(tail)), None)
        return tail[: found.end(1)] if found else tail


def expand(ids: Sequence[int] | np.ndarray, image_id: int, count: int | Sequence[int]) -> np.ndarray:
    """How often each id is repeated: ``count`` (one for all, or one each) for a picture, else once.

    ``np.repeat(ids, expand(...))`` is the model's sequence.
    """
    often = np.ones(len(ids), np.int32)
    often[np.asarray(ids) == image_id] = count
    return often


def _slot(number: int) -> dict[str, str]:
    return {"type": "text", "text": chr(_FIRST_SLOT + number)}


def _slot_turn(role: str, number: int) -> dict[str, Any]:
    return {"role": role, "content": [_slot(number)]}


def _join(pieces: Sequence[tuple[str, bool, bool]]) -> _Written:
    sizes = [len(text) for text, _, _ in pieces]
    return _Written(
        "".join(p[0] for p in pieces),
        np.repeat([p[1] for p in pieces], sizes),
        np.repeat([p[2] for p in pieces], sizes),
    )
