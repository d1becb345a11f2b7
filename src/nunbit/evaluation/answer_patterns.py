"""Patterns of chosen letters in English, Korean and Chinese, for the rules in `nunbit.evaluation.extraction`."""

from __future__ import annotations

import re

MARKUP = str.maketrans("*_`#$", "     ")
CIRCLED = "①②③④⑤⑥⑦⑧⑨"
NO_LETTER_BEFORE, NO_LETTER_AFTER = r"(?<![A-Za-z0-9])", r"(?![A-Za-z0-9])"
LETTER = rf"[\[(「『\"'“‘<]*\s*{NO_LETTER_BEFORE}([A-Za-z]){NO_LETTER_AFTER}(?!['’][A-Za-z])"
_NAMED = r"(?:(?:the\s+)?(?:correct\s+)?(?:option|choice|letter|answer)\s+)?"
STATED = re.compile(
    r"\b(?:answer|correct\s+(?:option|choice|one)|choice)\s*(?:is|would be|should be|must be|has to be|=|:)\s*:?\s*"
    r"(?:(?:clearly|therefore|thus|definitely|likely|probably|most likely|simply|then|hence|indeed)\s+)?"
    + _NAMED
    + LETTER
    + r"|\b(?:choose|chose|pick|select|go(?:ing)?\s+(?:with|for)|opt(?:ing)?\s+for)\s+"
    + _NAMED
    + LETTER
    + r"|\bwait\b[\s,.!:…–—-]*(?:(?:no|actually|sorry|it(?:['’]s|\s+is)|i\s+mean|make\s+(?:that|it))\b[\s,.!:…–—-]*)*"
    + _NAMED
    + LETTER
    + r"(?=\W*(?:\n|\Z))"
    + r"|(?:정답|(?<![가-힣])답|답변)\s*(?:은|는|이|:)\s*:?\s*(?:선택지\s*|보기\s*)?"
    + LETTER
    + r"|(?:答案|正确选项|正确答案)(?:应该|应当|应|就)?\s*(?:是|为|选|:)\s*:?\s*(?:选项)?\s*"
    + LETTER
    + r"|(?:我|应|故|因此|所以|就)*(?:选择|选)\s*(?:选项)?\s*"
    + LETTER,
    re.IGNORECASE,
)
"""A letter that is said to be the answer."""
NAMED = re.compile(
    r"\b(?:answer|correct\s+(?:option|choice))\s+"
    + _NAMED
    + LETTER
    + r"|(?:정답|(?<![가-힣])답|답변)\s*(?:선택지\s*|보기\s*)?"
    + LETTER
    + r"|(?:答案|正确选项|正确答案)\s*(?:选项)?\s*"
    + LETTER,
    re.IGNORECASE,
)
"""A letter behind the word "answer" alone, as explanations have it too: "Answer B would need a boat"."""
MENTIONED = re.compile(
    r"\b(?:option|choice)\s*(?:is\s+|:\s*)?" + LETTER + r"|(?:선택지|보기|选项)\s*" + LETTER, re.IGNORECASE
)
ALONE = re.compile(r"[\W_]*([A-Za-z])[\W_]*")
LEADING = re.compile(r"(?:[\[(<]\s*)?([A-Za-z])\s*(?:[\])>:]|[.,](?![A-Za-z])|\n)")
PARTICLE = re.compile(
    NO_LETTER_BEFORE
    + r"[\[(\"']*([A-Za-z])[\])\"']*\s*(?:입니다|이다|예요|이에요|번|(?:가|이|은|는|를|을|로)(?=[\s.,]|$)|선택지)"
    r"|" + NO_LETTER_BEFORE + r"[\[(\"']*([A-Za-z])[\])\"']*\s*(?:是正确|才是正确|正确|项|选项|是对的)"
)
NUMBERED = re.compile(rf"([{CIRCLED}])|(?<![\d.])([1-9])\s*번")
BRACKETED = re.compile(r"(?<![A-Za-z])[(\[]\s*([A-Za-z])\s*[)\]]")
LONE = re.compile(NO_LETTER_BEFORE + r"([A-Z])" + NO_LETTER_AFTER + r"(?!['’])")
LAST = re.compile(r"(?<![A-Za-z0-9.'’])([b-hj-z])[\W_]*\Z")
"""A small letter that ends the reply."""
NEXT_LETTER = re.compile(
    r"[\])」』\"'”’]*\s*(?:,?\s*\b(?:or|and)\b|,|/|&|또는|혹은|나|이나|와|과|或者?|和|、)\s*[\[(\"']*" + LETTER,
    re.IGNORECASE,
)
"""Another letter in the same breath: "B or C"."""
ARTICLE = re.compile(
    r" +(?!(?:and|as|based|because|but|for|from|if|in|is|or|since|to|which|with)\b|rather than|instead of)[a-z]{2,}"
)
"""Behind an A: a word, so that the A is an article."""
PRONOUN = re.compile(r" +(?!(?:and|because|is|or|since)\b)[a-z]|,")
"""Behind an I: a word, so that the I is a person."""
