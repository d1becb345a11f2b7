"""How two widely used harnesses read replies: their rules, described in our own code, so that a score can be set
beside theirs.

Source: VLMEvalKit 0.2rc1 with ``--judge exact_matching``; lmms-eval 0.7.3. Where they would ask an LLM or draw lots,
the answer is unparsed.
"""

from __future__ import annotations

import re
import string
from collections.abc import Mapping, Sequence

from nunbit.evaluation.items import UNPARSED, ParsedAnswer
from nunbit.evaluation.metrics import without_marks

_BLANKED = str.maketrans(dict.fromkeys(".()[],:;!*#{}", " "))
_REJECTIONS = (
    "Sorry, I can't help with images of people yet.",
    "I can't process this file.",
    "I'm sorry, but without the image provided",
    "Cannot determine the answer",
)
_BOLD = re.compile(r"answer\s+is\s+\**([A-D])\**", re.IGNORECASE)
_ANNOUNCED = re.compile(
    r"answer is|(?:correct|best) option is|choice is|i (?:choose|select|pick)|"
    r"옵션|정답은|답은|답:|答案是|答案为|选|答えは"
)
_RANKED = (("({})", 6), ("{}.", 5), ("{}:", 4), ("{})", 3), ("{} ", 2))
_AFFIXED = ("{}.", "{},", "{}:", "{})", "{}).", "({})", "({}).", ":{}", ":{},", ":{}.", ":{})", ":{}).")


def vlmevalkit_choice(reply: str, options: Mapping[str, str]) -> ParsedAnswer:
    """VLMEvalKit's rule matcher: one distinct letter among the last four words, "answer is" and a letter in any case
    (so that "the answer is a red car" is A), else one option's text.
    """
    if any(r in reply for r in _REJECTIONS):
        return ParsedAnswer(None, "rejection")
    if "Failed to obtain answer via API" not in reply:
        tokens = reply.translate(_BLANKED).split()
        letters = [k for k in options if k in tokens]
        if len(letters) == 1 and tokens.index(letters[0]) > len(tokens) - 5:
            return ParsedAnswer(letters[0], "one letter at the end")
        stated = _BOLD.search(reply)
        if stated and stated[1].upper() in options:
            return ParsedAnswer(stated[1].upper(), "answer is", stated.span(1))
    lowered = reply.lower()
    texts = [k for k, v in options.items() if v.lower() in lowered]
    if len(texts) == 1 and len(reply) <= 2 * sum(len(v) for v in options.values()):
        return ParsedAnswer(texts[0], "one text inside")
    return UNPARSED


def vlmevalkit_yes_no(reply: str) -> ParsedAnswer:
    """VLMEvalKit's yes/no: one of the two words, not both, punctuation aside; "**Yes**" is neither, for it knows no
    asterisk.
    """
    tokens = without_marks(reply.lower()).split()
    found = {w for w in ("yes", "no") if w in tokens}
    return ParsedAnswer(found.pop(), "one of the words") if len(found) == 1 else UNPARSED


def lmms_mmbench_choice(reply: str, options: Mapping[str, str]) -> ParsedAnswer:
    """lmms-eval's static MMBench matcher: one letter of A to E as a word (none where an A may be an article), then
    with affixes, then one option's text, then whatever letter stands in the best place.

    A question of two options has "nan" as its third and fourth there.
    """
    tokens = reply.split()
    for form in ("{}", *_AFFIXED):
        letters = [k for k in "ABCDE" if form.format(k) in tokens]
        if len(letters) == 1 and not (form == "{}" and letters == ["A"] and len(tokens) > 3):
            return ParsedAnswer(letters[0], f"word {form.format('X')}")
    whole = {k: options.get(k, "nan").lower() for k in "ABCD"}
    texts = [k for k, v in whole.items() if v in reply.lower()]
    return ParsedAnswer(texts[0], "one text inside") if len(texts) == 1 else _best_placed(reply, [*whole])


def _best_placed(reply: str, letters: Sequence[str]) -> ParsedAnswer:
    """Of all letters in the reply the one in the form that ranks highest; of equals the last.

    At the end even a letter of a word counts.
    """
    bare = reply.strip()
    for mark in ",.!?;:'\"":
        bare = bare.strip(mark)
    text = f" {bare} "
    found = [(rank, text.rfind(form.format(k)), k) for form, rank in _RANKED for k in letters if form.format(k) in text]
    for announced in _ANNOUNCED.finditer(text.lower()):
        found += [(7, text.find(k, announced.end()), k) for k in letters if k in text[announced.end() :]]
    bare = bare.strip()
    found += [(10, 0, k) for k in letters if bare.startswith(k) and not bare[1:2].isalpha()]
    found += [(9, len(text), k) for k in letters if bare.endswith(k) and not bare[-2:-1].isalpha()]
    found = found or [(0, text.rfind(k), k) for k in letters if k in text]
    return ParsedAnswer(max(found, key=lambda f: f[:2])[2], "letter in the best place") if found else UNPARSED


def lmms_exact_letter(reply: str, options: Mapping[str, str]) -> ParsedAnswer:
    """lmms-eval's AI2D: ``X.`` in front, or nothing but the letter, case and punctuation aside; a space is already
    too much.
    """
    leading = re.match(r"\s*([A-Z])\.", reply)
    if leading and leading[1] in options:
        return ParsedAnswer(leading[1], "letter and full stop", leading.span(1))
    bare = reply.translate(str.maketrans("", "", string.punctuation)).upper()
    return ParsedAnswer(bare, "letter alone") if bare in options else UNPARSED


def lmms_whole_reply(reply: str, options: Mapping[str, str]) -> ParsedAnswer:
    """lmms-eval's ScienceQA: the reply is the letter, or starts with ``X.``; "(B)" is nothing."""
    answer = reply.strip()
    if answer.upper() in options:
        return ParsedAnswer(answer.upper(), "letter alone")
    leading = re.match(r"([A-Z])\.", answer)
    return ParsedAnswer(leading[1], "letter and full stop") if leading and leading[1] in options else UNPARSED


def first_character(reply: str, options: Mapping[str, str]) -> ParsedAnswer:
    """lmms-eval's SEED-Bench and K-DTCBench: the first character of the reply, whatever it begins."""
    first = reply.strip()[:1].upper()
    return ParsedAnswer(first, "first character", (0, 1)) if first in options else UNPARSED


def mme_yes_no(reply: str) -> ParsedAnswer:
    """MME's own calculation: the word, one letter, else "yes" or "no" within the first four characters ("None" is a
    no there).
    """
    answer = reply.lower().strip().replace(".", "")
    if answer in ("yes", "no"):
        return ParsedAnswer(answer, "word alone")
    if answer in ("y", "n"):
        return ParsedAnswer("yes" if answer == "y" else "no", "initial")
    for word in ("yes", "no"):
        if word in answer[:4]:
            return ParsedAnswer(word, "first four characters")
    return UNPARSED


def pope_yes_no(reply: str) -> ParsedAnswer:
    """POPE's own calculation: in the first sentence a "no" or "not" is no, anything else is yes."""
    if not reply.strip():
        return UNPARSED
    words = reply.split(".")[0].replace(",", "").split()
    return ParsedAnswer("no", "a no-word") if {"No", "not", "no"} & {*words} else ParsedAnswer("yes", "no no-word")


def lmms_pope(reply: str) -> ParsedAnswer:
    """lmms-eval's POPE: the reply must be the word and nothing else, so that "Yes." is not yes."""
    answer = reply.lower().strip()
    return ParsedAnswer(answer, "word alone") if answer in ("yes", "no") else UNPARSED


def mmmu_choice(reply: str, options: Mapping[str, str]) -> ParsedAnswer:
    """MMMU's own parser; where it draws an option by lot, the reply is unparsed.

    Source: arXiv 2311.16502, released evaluation code.
    """
    text = f" {_stripped(reply)} "
    for rule, form, place in (("brackets", "({})", "({})"), ("word", "{} ", " {} "), ("full stop", "{}.", " {} ")):
        hits = [k for k in options if form.format(k) in text]
        if hits:
            last = max(hits, key=lambda k: text.rfind(place.format(k))) if len(hits) > 1 else hits[0]
            return ParsedAnswer(last, rule)
    if len(text.split()) > 5:
        lowered = text.lower()
        hits = [k for k, v in options.items() if v.lower() in lowered]
        if hits:
            return ParsedAnswer(max(hits, key=lambda k: lowered.rfind(options[k].lower())), "option text")
    return UNPARSED


def _stripped(text: str) -> str:
    for mark in ",.!?;:'":
        text = text.strip(mark)
    return text
