"""Chat templates: what a template writes around the words of each turn.

The template is rendered with one private-use character in place of each piece of content. Where content goes is then
known whatever it is:
nothing is searched for in it, and the template's own logic cannot be steered by it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nunbit.errors import UserError
from nunbit.messages import Message

FLATTEN = (
    "{%- set enable_thinking = false -%}{%- set ns = namespace(flat=[]) -%}"
    "{%- for m in messages -%}{%- set said = namespace(text='') -%}"
    "{%- if m['content'] is string -%}{%- set said.text = m['content'] -%}{%- else -%}"
    "{%- for p in m['content'] -%}{%- if p['type'] == 'image' -%}{%- set said.text = said.text + '<image>\\n' -%}"
    "{%- elif p['type'] == 'text' -%}{%- set said.text = said.text + p['text'] -%}{%- endif -%}"
    "{%- endfor -%}{%- endif -%}"
    "{%- set ns.flat = ns.flat + [dict(m, content=said.text)] -%}{%- endfor -%}{%- set messages = ns.flat -%}"
)
"""Put before a language model's own template: pictures become ``<image>`` and a line break before the words, as in
LLaVA-1.5, and a
template that can think aloud is asked not to."""

VICUNA = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ messages[0]['content'] }}{% else %}"
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite "
    "answers to the user's questions.{% endif %}{% for m in messages %}"
    "{% if m['role'] == 'assistant' %}{{ ' ASSISTANT: ' + m['content'] + eos_token }}"
    "{% elif m['role'] == 'user' %}"
    "{{ ('' if loop.index0 and messages[loop.index0 - 1]['role'] == 'assistant' else ' ') "
    "+ 'USER: ' + m['content'] }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ ' ASSISTANT:' }}{% endif %}"
)
"""For language models without a template. Source: LLaVA, conversation template ``vicuna_v1``."""

FIRST_SLOT, MAX_SLOTS = 0xE000, 6400
_SLOT = re.compile(f"[{chr(FIRST_SLOT)}-{chr(FIRST_SLOT + MAX_SLOTS - 1)}]")


def template_with_images(template: str | None) -> str:
    """A chat template that takes pictures, made from a language model's own (or from none)."""
    template = template or VICUNA
    return template if "'image'" in template or '"image"' in template else FLATTEN + template


@dataclass(slots=True)
class RenderedText:
    """What a template wrote.

    Attributes:
        text: template and content together.
        content: (characters,) bool, true where a character is content and not the template's.
        target: (characters,) bool, true where a character is to be learnt: the answers and the mark after each.
        stops: characters at which generation begins to write an answer.
    """

    text: str
    content: np.ndarray
    target: np.ndarray
    stops: list[int]


@dataclass(slots=True)
class _Slots:
    """Pieces of content by number, and which of them are answers."""

    words: list[str] = field(default_factory=list)
    answers: set[int] = field(default_factory=set)

    def add(self, text: str, *, answer: bool = False) -> str:
        if len(self.words) >= MAX_SLOTS:
            raise UserError(f"more than {MAX_SLOTS} pieces of text in a conversation", todo="split the conversation")
        if answer:
            self.answers.add(len(self.words))
        self.words.append(text)
        return chr(FIRST_SLOT + len(self.words) - 1)


class ChatTemplate:
    """Renders conversations with one template.

    Args:
        tokenizer: renders the template (its chat template is not used, `template` is).
        template: Jinja source that takes parts of type ``image`` and ``text``.
        first_control: the character after a text's first control token, None without one (`TextEncoder.first_control`).

    Attributes:
        end: what the template writes after an answer, up to the token at which generation stops.
        begin: the token that begins a text, if the template writes one.
    """

    def __init__(self, tokenizer: Any, template: str, first_control: Callable[[str], int | None]) -> None:
        self.tokenizer, self.template, self._first_control = tokenizer, template, first_control
        question, answer = _turn("user", chr(FIRST_SLOT)), _turn("assistant", chr(FIRST_SLOT + 1))
        both = self._render([question, answer], "the template's trial")
        prompt = self._render([question], "the template's trial", generate=True)
        at = both.index(chr(FIRST_SLOT + 1))
        # What stands between the generation prompt and an answer (a space, say) is written by the model, so it is
        # learnt.
        self._lead = at - len(prompt) if both.startswith(prompt) and len(prompt) <= at else 0
        self.begin = tokenizer.bos_token if tokenizer.bos_token and both.startswith(tokenizer.bos_token) else ""
        self.end = _up_to_control(both[at + 1 :], first_control)
        self._trimmed = {role: self._trims(role) for role in ("user", "assistant")}

    def render(
        self, messages: Sequence[Message], *, generate: bool, tools: Sequence[Any] | None = None, name: str = "sample"
    ) -> RenderedText:
        """Write a conversation.

        Args:
            messages: turns in order.
            generate: end with the prompt after which the assistant writes.
            tools: schemas of functions that the model may call, as the template takes them.
            name: names the conversation in errors.

        Raises:
            UserError: the template refuses the conversation or leaves out some of its words.
        """
        _check_json(tools)
        slots = _Slots()
        turns = [self._turn_of(m, slots) for m in messages]
        schemas = None if tools is None else [self._guarded(t, slots) for t in tools]
        return self._fill(self._render(turns, name, generate=generate, tools=schemas), slots, name)

    def _turn_of(self, message: Message, slots: _Slots) -> dict[str, Any]:
        if message.role == "assistant":
            text = message.text.strip()
            content = [{"type": "text", "text": slots.add(text, answer=True)}] if text else []
        else:
            content = self._content(message, slots)
        turn: dict[str, Any] = {"role": message.role, "content": content}
        if message.tool_calls:
            turn["tool_calls"] = [
                {"id": self._guarded(c.id, slots), "type": "function",
                 "function": {"name": self._guarded(c.name, slots), "arguments": self._guarded(c.arguments, slots)}}
                for c in message.tool_calls
            ]  # fmt: skip
        if message.name:
            turn["name"] = self._guarded(message.name, slots)
        if message.tool_call_id:
            turn["tool_call_id"] = self._guarded(message.tool_call_id, slots)
        return turn

    def _content(self, message: Message, slots: _Slots) -> list[dict[str, str]]:
        """Parts of a turn that is no answer; white space at its ends goes where the template cuts it off."""
        trim, last = self._trimmed.get(message.role, False), len(message.parts) - 1
        content = []
        for i, part in enumerate(message.parts):
            if part.kind == "image":
                content.append({"type": "image"})
            elif part.kind == "text":
                text = part.content.lstrip() if trim and i == 0 else part.content
                text = text.rstrip() if trim and i == last else text
                content.append({"type": "text", "text": slots.add(text)})
            else:
                raise UserError("a sound in the conversation", allowed="text and pictures", todo="leave the sound out")
        return content

    def _guarded(self, value: Any, slots: _Slots) -> Any:
        """JSON values whose strings are slots (filled in as JSON writes them) where they hold a control token."""
        if isinstance(value, str):
            risky = self._first_control(value) is not None or _SLOT.search(value)
            return slots.add(json.dumps(value, ensure_ascii=False)[1:-1]) if risky else value
        if isinstance(value, Mapping):
            return {self._guarded(k, slots): self._guarded(v, slots) for k, v in value.items()}
        if isinstance(value, (list, tuple)):
            return [self._guarded(v, slots) for v in value]
        return value

    def _fill(self, skeleton: str, slots: _Slots, name: str) -> RenderedText:
        pieces: list[tuple[str, bool, bool]] = []
        stops: list[int] = []
        at, length, after_answer, seen = 0, 0, False, set()

        def add(text: str, content: bool, target: bool) -> None:
            nonlocal length
            pieces.append((text, content, target))
            length += len(text)

        for found in _SLOT.finditer(skeleton):
            number = ord(found.group()) - FIRST_SLOT
            between, answer = skeleton[at : found.start()], number in slots.answers
            head = len(self.end) if after_answer and between.startswith(self.end) else 0
            lead = min(self._lead, len(between) - head) if answer and slots.words[number] else 0
            add(between[:head], False, True)
            add(between[head : len(between) - lead], False, False)
            if answer:
                stops.append(length)
            add(between[len(between) - lead :], False, True)
            add(slots.words[number], True, answer)
            seen.add(number)
            at, after_answer = found.end(), answer and bool(slots.words[number])
        if len(seen) < len(slots.words):
            raise UserError(f"the chat template leaves out words of {name}", todo="use another template")
        rest = skeleton[at:]
        head = len(self.end) if after_answer and rest.startswith(self.end) else 0
        add(rest[:head], False, True)
        add(rest[head:], False, False)
        return joined(pieces, stops)

    def _render(
        self, turns: list[dict[str, Any]], name: str, *, generate: bool = False, tools: list[Any] | None = None
    ) -> str:
        from jinja2 import TemplateError

        try:
            return str(
                self.tokenizer.apply_chat_template(
                    turns, chat_template=self.template, tokenize=False, add_generation_prompt=generate, tools=tools
                )
            )
        except (TemplateError, TypeError, ValueError) as e:
            raise UserError(
                f"the chat template refuses {name} ({str(e)[:160]})",
                allowed="roles and tools in the form the model was trained with",
                todo="leave that turn out or use another template",
            ) from None

    def _trims(self, role: str) -> bool:
        """Whether the template cuts white space off the words of a role."""
        slot = f" {chr(FIRST_SLOT)} "
        turns = [_turn("user", slot if role == "user" else "x")]
        turns += [_turn("assistant", slot)] if role == "assistant" else []
        return slot not in self._render(turns, "the template's trial")


def joined(pieces: Sequence[tuple[str, bool, bool]], stops: Sequence[int] = ()) -> RenderedText:
    """Pieces ``(text, is content, is target)`` one after another."""
    sizes = [len(text) for text, _, _ in pieces]
    return RenderedText(
        "".join(p[0] for p in pieces),
        np.repeat(np.array([p[1] for p in pieces], bool), sizes),
        np.repeat(np.array([p[2] for p in pieces], bool), sizes),
        list(stops),
    )


def _check_json(tools: Sequence[Any] | None) -> None:
    try:
        json.dumps(tools).encode()
    except (TypeError, ValueError) as e:
        raise UserError(
            f"tools that are no JSON ({str(e)[:160]})", allowed="schemas of functions as JSON values"
        ) from None


def _turn(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "content": [{"type": "text", "text": text}]}


def _up_to_control(tail: str, first_control: Callable[[str], int | None]) -> str:
    """What follows an answer, up to and with the first control token; without one, all of it."""
    if not tail:
        raise UserError(
            "a chat template that writes nothing after an answer",
            allowed="one with an end mark",
            todo="add the end mark: without it the model never learns to stop",
        )
    stop = first_control(tail)
    return tail if stop is None else tail[:stop]
