"""A small tokenizer that can spell any string in English and Korean.

Whole words come from a list (template words, object names); everything else is spelled, character by character, Hangul
as jamo (NFD), and what is left as UTF-8 bytes. There are no partial merges, so a word read off a picture is always
spelled the same way: one token a character or jamo, which is what makes copying learnable for a small model.
Decoding yields NFD Hangul; `nunbit` composes it (NFC) before anybody reads it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Any

from nunbit.models.prompt import IMAGE

USER, ASSISTANT, BOS, EOS, PAD = "<user>", "<assistant>", "<bos>", "<eos>", "<pad>"
SPACE = "▁"
SPECIAL = (PAD, BOS, EOS, IMAGE, USER, ASSISTANT)
JAMO = [chr(c) for c in (*range(0x1100, 0x1113), *range(0x1161, 0x1176), *range(0x11A8, 0x11C3))]
PARTICLES = ["은", "는", "이", "가", "을", "를", "와", "과", "의", "도", "로", "으로", "보다", "에", "이나", "나"]
PUNCTUATION = r"[\.,\?!:;\(\)\[\]\"'“”‘’%/\$₩#&\*\+=<>_~@-]"

CHAT_TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}{{ '<user>' if m['role'] != 'assistant' else '<assistant>' }}"
    "{% if m['content'] is string %}{{ m['content'] }}{% else %}{% for p in m['content'] %}"
    "{% if p['type'] == 'image' %}<image>{% else %}{{ p['text'] }}{% endif %}{% endfor %}{% endif %}"
    "{% if m['role'] == 'assistant' %}{{ eos_token }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
"""The chat template of the models made here."""


def words_of(text: str) -> list[str]:
    """The words a text is split into before look-up, without the word mark: the unit of the word list."""
    spaced = re.sub(PUNCTUATION, " ", text)
    return [w for w in re.sub(r"\d", " ", spaced).split() if w]


def build_tokenizer(words: Iterable[str], names: Iterable[str] = ()) -> Any:
    """Make the tokenizer.

    Args:
        words: whole words that get a token of their own, in order of importance.
        names: Korean object names; a particle after one becomes a token of its own (고양이는 -> 고양이 + 는).

    Returns:
        A `PreTrainedTokenizerFast` with the chat template set.
    """
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocab = {t: i for i, t in enumerate(SPECIAL)}
    marked = [_nfd("▁" + w) for w in words]
    for token in (
        *(f"<0x{b:02X}>" for b in range(256)),
        "▁",
        *(chr(c) for c in range(33, 127)),
        *JAMO,
        *map(_nfd, PARTICLES),
        *marked,
        *(_nfd("▁" + n) for n in names if " " not in n),
    ):
        vocab.setdefault(token, len(vocab))
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[], ignore_merges=True, byte_fallback=True, unk_token=None))
    tokenizer.normalizer = normalizers.NFD()
    hangul = sorted({_nfd(n) for n in names if _is_hangul(n)}, key=len, reverse=True)
    split_name = (
        f"▁(?:{'|'.join(map(re.escape, hangul)) or '$^'})(?=(?:{'|'.join(map(_nfd, PARTICLES))})(?:▁|$|[\\.,\\?]))"
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Metaspace(prepend_scheme="always", split=True),
            pre_tokenizers.Split(Regex(split_name), behavior="isolated"),
            pre_tokenizers.Split(Regex(PUNCTUATION), behavior="isolated"),
            pre_tokenizers.Digits(individual_digits=True),
        ]
    )
    tokenizer.decoder = decoders.Sequence(
        [decoders.ByteFallback(), decoders.Metaspace(prepend_scheme="always"), decoders.Fuse()]
    )
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in SPECIAL])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=BOS,
        eos_token=EOS,
        pad_token=PAD,
        padding_side="left",
        extra_special_tokens={"image_token": IMAGE},
        clean_up_tokenization_spaces=False,
    )
    fast.chat_template = CHAT_TEMPLATE
    return fast


def spelt(text: str, tokenizer: Any) -> list[int]:
    """Ids of a text with every word spelt out, also those that have a token of their own; it decodes to the same
    text."""
    ids = [tokenizer.convert_tokens_to_ids(c) for word in text.split(" ") for c in (SPACE, *_nfd(word))]
    known = all(i is not None and i != tokenizer.unk_token_id for i in ids)
    return ids if known else tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]


def _nfd(text: str) -> str:
    return unicodedata.normalize("NFD", text)


def _is_hangul(text: str) -> bool:
    return any("가" <= c <= "힣" for c in text)
