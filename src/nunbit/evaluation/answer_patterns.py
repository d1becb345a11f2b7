"""Patterns of answers in English, Korean and Chinese, for the rules in `nunbit.evaluation.extraction`."""

from __future__ import annotations

import re

FULL_WIDTH = {c: chr(c - 0xFEE0) for c in range(0xFF01, 0xFF5F)} | {0x3000: " "}
MARKUP = str.maketrans("*_`#$", "     ")
THINKING = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.DOTALL | re.IGNORECASE)
BOXED = re.compile(r"\\boxed\s*\{\s*(?:\\(?:text|mathrm|mathbf)\s*\{)?\s*([^{}]*?)\s*\}")
CIRCLED = "①②③④⑤⑥⑦⑧⑨"
NO_LETTER_BEFORE, NO_LETTER_AFTER = r"(?<![A-Za-z0-9])", r"(?![A-Za-z0-9])"
LETTER = rf"[\[(「『\"'<]*\s*([A-Z]){NO_LETTER_AFTER}(?!['’][A-Za-z])"
STATED = re.compile(
    r"(?:answer|correct (?:option|choice))\s*(?:is|would be|should be|must be|=|:)?\s*:?\s*"
    r"(?:(?:the\s+)?(?:option|choice|letter)\s+)?"
    + LETTER
    + r"|(?:정답|(?<![가-힣])답|답변)(?:은|는|이|:|\s)*\s*(?:선택지\s*|보기\s*)?"
    + LETTER
    + r"|(?:答案|正确选项|正确答案)(?:应该)?(?:是|为|选|:|\s)*\s*(?:选项)?\s*"
    + LETTER
    + r"|(?:我)?(?:应)?(?:选择|选)\s*"
    + LETTER
)
MENTIONED = re.compile(r"(?:option|choice)\s*(?:is\s+|:\s*)?" + LETTER + r"|(?:선택지|보기|选项)\s*" + LETTER)
ALONE = re.compile(r"[\W_]*([A-Za-z])[\W_]*")
LEADING = re.compile(r"\s*[\[(<]?\s*([A-Z])\s*[\])>.:,\n]")
PARTICLE = re.compile(
    NO_LETTER_BEFORE
    + r"[\[(\"']*([A-Z])[\])\"']*\s*(?:입니다|이다|예요|이에요|번|(?:가|이|은|는|를|을|로)(?=[\s.,]|$)|선택지)"
    r"|" + NO_LETTER_BEFORE + r"[\[(\"']*([A-Z])[\])\"']*\s*(?:是正确|正确|项|选项|是对的)"
)
NUMBERED = re.compile(rf"([{CIRCLED}])|(?<![\d.])([1-9])\s*번")
BRACKETED = re.compile(r"[(\[]\s*([A-Z])\s*[)\]]")
LONE = re.compile(NO_LETTER_BEFORE + r"([A-Z])" + NO_LETTER_AFTER + r"(?!['’])")
WORD_AFTER = re.compile(r" +(?!(?:and|as|based|because|but|for|from|if|in|is|or|since|to|which|with)\b)[a-z]{2,}")
REFUSALS = re.compile(
    r"\b(?:i(?:'m| am) sorry|sorry, (?:but )?i|i (?:can ?not|can't|am unable to|do not|don't) "
    r"(?:see|view|help|know|answer|determine|process))"
    r"|죄송|알 수 없|모르겠|抱歉|对不起|无法(?:确定|回答|看到|判断)|不知道",
    re.IGNORECASE,
)
NUMBER = r"[-−+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:[eE][-+]?\d+)?|[-−+]?\.\d+"
STATED_NUMBER = re.compile(
    r"(?:answer|result|정답|답|결과|答案|结果)\s*(?:is|was|should be|equals|은|는|이|是|为)?\s*[:=]?\s*"
    r"(?:about|approximately|약|大约|约)?\s*\$?\s*(" + NUMBER + ")",
    re.IGNORECASE,
)
WORDS = {w: str(i) for i, w in enumerate("zero one two three four five six seven eight nine ten eleven twelve".split())}
YES = {
    *"yes yeah yep true correct 네 예 응 그렇습니다 맞습니다".split(),
    *"맞아요 있습니다 있어요 是 是的 对 对的 有 有的 正确".split(),
}
NO = {
    *"no nope false incorrect 아니요 아니오 아뇨 아닙니다 아니에요".split(),
    *"없습니다 없어요 否 不 不是 不对 没有 没 不正确 错误".split(),
}
STATED_YES_NO = re.compile(
    r"(?:answer is|answer:|정답은|답은|答案是|答案为)\s*[\"'(]*\s*(yes|no|네|예|아니요|아니오|不是|是|否|没有|有)",
    re.IGNORECASE,
)
DENIED = re.compile(r"\bthere (?:is|are|was|were)(?: not|n['’]t)\b", re.IGNORECASE)
