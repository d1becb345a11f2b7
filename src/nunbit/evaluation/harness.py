"""How two widely used harnesses read replies: their rules, described in our own code, so that a score can be set beside theirs.

Source: VLMEvalKit 0.2rc1 with ``--judge exact_matching``; lmms-eval 0.7.3. Where they would ask an LLM or draw lots, the answer is unparsed.
"""

from __future__ import annotations

import re
import string
from collections.abc import Mapping

from nunbit.evaluation.items import UNPARSED, Found

_BLANKED = str.maketrans(dict.fromkeys(".()[],:;!*#{}", " "))
_REJECTIONS = ("Sorry, I can't help with images of people yet.", "I can't process this file.",
               "I'm sorry, but without the image provided", "Cannot determine the answer")  # fmt: skip
_AFFIXED = ("{}.", "{},", "{}:", "{})", "{}).", "({})", "({}).", ":{}", ":{},", ":{}.", ":{})", ":{}).")


def vlmevalkit_choice(reply: str, options: Mapping[str, str]) -> Found:
    """VLMEvalKit's rule matcher: one distinct letter among the last four words, a bold "answer is", else one option's text."""
    if "Failed to obtain answer via API" in reply:
        return UNPARSED
    if any(r in reply for r in _REJECTIONS):
        return Found(None, "rejection")
    tokens = reply.translate(_BLANKED).split()
    letters = [k for k in options if k in tokens]
    if len(letters) == 1 and tokens.index(letters[0]) > len(tokens) - 5:
        return Found(letters[0], "one letter at the end")
    bold = re.search(r"(?:correct )?answer is \*\*([A-D])\*\*", reply)
    if bold and bold[1] in options:
        return Found(bold[1], "bold answer", bold.span(1))
    said = reply.lower()
    texts = [k for k, v in options.items() if v.lower() in said]
    if len(texts) == 1 and len(reply) <= 2 * sum(len(v) for v in options.values()):
        return Found(texts[0], "one text inside")
    return UNPARSED


def vlmevalkit_yes_no(reply: str) -> Found:
    """VLMEvalKit's yes/no: one of the two words, not both, punctuation aside."""
    tokens = re.sub(rf"[{re.escape(string.punctuation)}]", " ", reply.lower()).split()
    said = {w for w in ("yes", "no") if w in tokens}
    return Found(said.pop(), "one of the words") if len(said) == 1 else UNPARSED


def lmms_mmbench_choice(reply: str, options: Mapping[str, str]) -> Found:
    """lmms-eval's static MMBench matcher: a letter as a word, then with affixes, then one option's text."""
    tokens = reply.split()
    for form in ("{}", *_AFFIXED):
        letters = [k for k in options if form.format(k) in tokens]
        if len(letters) == 1:
            return Found(letters[0], f"word {form.format('X')}")
    texts = [k for k, v in options.items() if v.lower() in reply.lower()]
    return Found(texts[0], "one text inside") if len(texts) == 1 else UNPARSED


def lmms_exact_letter(reply: str, options: Mapping[str, str]) -> Found:
    """lmms-eval's AI2D and ScienceQA: ``X.`` in front, or nothing but the letter, case and punctuation aside."""
    leading = re.match(r"\s*([A-Z])\.", reply)
    if leading and leading[1] in options:
        return Found(leading[1], "letter and full stop", leading.span(1))
    bare = reply.strip().translate(str.maketrans("", "", string.punctuation)).strip().upper()
    return Found(bare, "letter alone") if bare in options else UNPARSED


def lmms_whole_reply(reply: str, options: Mapping[str, str]) -> Found:
    """lmms-eval's ScienceQA: the reply is the letter, or starts with ``X.``; "(B)" is nothing."""
    said = reply.strip()
    if said.upper() in options:
        return Found(said.upper(), "letter alone")
    leading = re.match(r"([A-Z])\.", said)
    return Found(leading[1], "letter and full stop") if leading and leading[1] in options else UNPARSED


def first_character(reply: str, options: Mapping[str, str]) -> Found:
    """lmms-eval's SEED-Bench and K-DTCBench: the first character of the reply, whatever it begins."""
    first = reply.strip()[:1]
    return Found(first, "first character", (0, 1)) if first in options else UNPARSED


def mme_yes_no(reply: str) -> Found:
    """MME's own calculation: the word, one letter, else "yes" or "no" within the first four characters ("None" is a no there)."""
    said = reply.lower().strip().replace(".", "")
    if said in ("yes", "no"):
        return Found(said, "word alone")
    if said in ("y", "n"):
        return Found("yes" if said == "y" else "no", "initial")
    for word in ("yes", "no"):
        if word in said[:4]:
            return Found(word, "first four characters")
    return UNPARSED


def pope_yes_no(reply: str) -> Found:
    """POPE's own calculation: in the first sentence a "no" or "not" is no, anything else is yes."""
    if not reply.strip():
        return UNPARSED
    said = reply.split(".")[0].replace(",", "").split()
    return Found("no", "a no-word") if {"No", "not", "no"} & {*said} else Found("yes", "no no-word")


def lmms_pope(reply: str) -> Found:
    """lmms-eval's POPE: the reply must be the word and nothing else, so that "Yes." is not yes."""
    said = reply.lower().strip()
    return Found(said, "word alone") if said in ("yes", "no") else UNPARSED


def mmmu_choice(reply: str, options: Mapping[str, str]) -> Found:
    """MMMU's own parser; where it draws an option by lot, the reply is unparsed. Source: arXiv 2311.16502, released evaluation code."""
    text = f" {_stripped(reply)} "
    for rule, form, place in (("brackets", "({})", "({})"), ("word", "{} ", " {} "), ("full stop", "{}.", " {} ")):
        hits = [k for k in options if form.format(k) in text]
        if hits:
            last = max(hits, key=lambda k: text.rfind(place.format(k))) if len(hits) > 1 else hits[0]
            return Found(last, rule)
    if len(text.split()) > 5:
        said = text.lower()
        hits = [k for k, v in options.items() if v.lower() in said]
        if hits:
            return Found(max(hits, key=lambda k: said.rfind(options[k].lower())), "option text")
    return UNPARSED


def _stripped(text: str) -> str:
    for mark in ",.!?;:'":
        text = text.strip(mark)
    return text
