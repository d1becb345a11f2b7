"""Whether a reply names something only to deny it: "it is not B", "A is wrong", "B가 아니라", "不选A".

Letters are options' letters. A denial reaches a list of letters ("neither A nor B", "A and C are wrong").
"""

from __future__ import annotations

import re

_OPTION = r"[\[(「『\"'“‘<]*(?<![A-Za-z0-9])[A-Za-z](?![A-Za-z0-9])[\])」』\"'”’>]*"
_JOIN = r"\s*(?:,?\s*\b(?:and|or|nor)\b|[&/、]|和|或|与|及|也不是|也不选|와|과|나|이나|및)\s*"
_NAMED = r"(?:(?:the\s+)?(?:options?|choices?|answers?|letters?)\s+|选项\s*|선택지\s*|보기\s*)?"
_LIST = rf"(?:{_NAMED}{_OPTION}{_JOIN})*{_NAMED}"

_DENY_EN = (
    r"(?:\bnot\b|n['’]t\b|\bcannot\b|\bnever\b|\bneither\b|\bnor\b|\bwithout\b|\binstead\s+of\b|\brather\s+than\b"
    r"|(?<!none )\bother\s+than\b|\bexcept(?:ing)?(?:\s+for)?\b|\bexclud\w+|\beliminat\w+|\brul\w+\s+out\b"
    r"|\breject\w*|\bdismiss\w*|\bdiscard\w*|\bunlike\b|\bavoid\w*|\bno\s+longer\b"
    r"|\b(?:wrong|incorrect|mistake|mistaken|error)\s+to\b"
    r"|(?<!no )(?<!a )(?<!any )(?<!without )(?<!beyond )\bdoubt(?:ful)?\b"
    r"|\bnobody\b|\bno\s*one\b|\bhardly\b|\bscarcely\b|\bfar\s+from\b|\banything\s+but\b)"
)
_FILLER_EN = (
    r"(?:\s+(?:be|is|it|it['’]s|was|the|a|an|that|this|to|as|correct|right|best|answer|option|choice|letter|options"
    r"|choose|choosing|select|selecting|pick|picking|think|believe|say|necessarily|simply|really|likely|either|both"
    r"|would|should|could|go|with|for|out|any|of|have|been|being|agree|mean))*\s*[\[(\"'“‘<]*\s*"
)
_DENY_ZH = (
    r"(?:不(?:应该?|能|会|要|可以?|该)?选择?|别选择?|没有?选择?|并?不是|并非|而非|绝非|非|既非|不为|排除(?:了|掉)?|除了?)"
    r"\s*(?:选项|答案)?\s*[\[(「『\"'“‘<]*\s*"
)
_BEFORE = re.compile(rf"(?:{_DENY_EN}{_FILLER_EN}|{_DENY_ZH}){_LIST}[\[(「『\"'“‘<]*\s*$", re.IGNORECASE)
_MORE = re.compile(rf"(?:\s*,\s*{_NAMED}{_OPTION})*\s*,?\s*\b(?:or|nor)\b\s*{_NAMED}{_OPTION}", re.IGNORECASE)
_COMMA = re.compile(rf"(?:{_DENY_EN}{_FILLER_EN}){_NAMED}(?:{_OPTION}\s*,\s*{_NAMED})+[\[(\"'“‘<]*\s*$", re.IGNORECASE)

_GAP = r"[\])」』\"'”’>]*[ \t]*(?:\([^()\n]{2,60}\)[ \t]*)?[-–—:]?[ \t]*"
_REST_OF_LIST = (
    rf"(?:(?:\s*,\s*{_NAMED}{_OPTION}){{0,9}}{_JOIN}{_NAMED}{_OPTION}|(?:\s*도\s*,?\s*{_OPTION}(?=\s*도)){{1,9}})?"
)
"""More letters of a list that ends in a denial: "A, B and C", "A도 B도"."""
_BE = r"(?:is|are|was|were|seems?|looks?|appears?|must\s+be|would\s+be|could\s+be|being|['’]s)"
_SURELY = (
    r"(?:\s*(?:also|clearly|definitely|obviously|simply|therefore|thus|both|all|just|completely|totally|an?|the)\b)*"
)
_WRONG = (
    r"(?:incorrect|wrong|false|invalid|inaccurate|untrue|impossible|unlikely|ruled\s+out|eliminated|excluded|irrelevant"
    r"|mistaken|distractors?|unsupported)\b"
)
_AFTER_EN = re.compile(
    rf"{_REST_OF_LIST}{_GAP}(?:"
    rf"{_BE}{_SURELY}\s*(?:(?:hardly|scarcely|far\s+from|anything\s+but)\b"
    rf"|not\b(?!\s+(?:only|just|wrong|incorrect|false|the\s+wrong))|{_WRONG})"
    rf"|(?:is|are|was|were)n['’]t\b(?!\s+(?:only|just|wrong|incorrect|false))"
    rf"|{_WRONG}(?!\s+(?:options?|answers?|choices?|statements?|ones?)\b)"
    r"|(?:can|could|does|do|did|would|should|will|must|may|might|has|have)(?:\s+not\b|n['’]t\b|not\b)"
    r"|can['’]t\b|won['’]t\b"
    rf"|(?:can|could|may|must|should)(?:\s+\w+ly)?\s+be\s+{_WRONG}"
    r"|(?:can|could|may|must|should)(?:\s+\w+ly)?\s+be\s+(?:dismissed|discarded|rejected|crossed\s+out)\b"
    r"|(?:fails?|contradicts?|lacks?)\b"
    r"|\?[\"'”’)]*\s*(?:no|nope|not)\b"
    r")",
    re.IGNORECASE,
)
_AFTER_KO = re.compile(
    rf"{_REST_OF_LIST}{_GAP}(?:번|선택지|보기|항목?)?\s*(?:은|는|이|가|을|를|도|로|란|라고|이라고|일|둘\s*다|모두)?\s*"
    r"(?:둘\s*다\s*|모두\s*|전혀\s*)?(?:(?:정답|답|올바른\s*답|맞는\s*답|옳은\s*답|답변)(?:이|은|으로|은|도)?\s*)?"
    r"(?:[될할볼일]\s*수\s*없|수\s*없|보기\s*(?:는\s*)?어렵|아니(?!면|ㄹ)|아닙|아닌|아님|아녜|아녀|않|틀리|틀렸|틀린|틀립|오답|잘못|제외|빼|말고"
    r"|대신|리(?:가|는|도)?\s*(?:없|만무)|가능성(?:이|은|도)?\s*(?:거의\s*)?(?:낮|없|적|희박)"
    r"|(?:생각|판단|추측|확신|말)(?:하|되)?지(?:는|도)?\s*(?:않|못)|(?:믿|여기|보)지(?:는|도)?\s*(?:않|못)"
    r"|부적절|적절하지|적합하지|맞지\s*않|옳지\s*않|올바르지\s*않|거짓|배제|탈락|고르지|선택하지"
    r"|(?:고르|선택하|답하)면\s*안|(?:골라|선택해|답해)서는\s*안|함정)"
)
_AFTER_ZH = re.compile(
    rf"{_REST_OF_LIST}{_GAP}(?:选项|项|答案)?\s*(?:都|也|均|是|为|显然|明显|并|就|则|更|肯定|绝对|完全|一定)*\s*"
    r"(?:不是|不对|不正确|不成立|不符|不可能|不合适|不能|不会|不行|不选|错误|错的|错了|错(?=$|[\s,.，。;；!！])|有误|有错|(?:可以?|应|应该|被)?排除"
    r"|非正确)"
)
_AFFIRMED = re.compile(
    rf"{_GAP}(?:{_BE}{_SURELY}\s*(?:correct|right|true|best|answer|(?:correct|right|best)\s+(?:answer|option|choice))\b"
    r"|(?:번)?\s*(?:이|가|은|는)?\s*(?:정답입|정답이(?!\s*아)|맞습|맞아|맞다|맞는|옳)|(?:是|才是|选项)*(?:正确|对的))",
    re.IGNORECASE,
)
REACH = 160
"""Characters before a letter in which its denial is looked for."""


def denied(text: str, span: tuple[int, int], own_text: str = "") -> bool:
    """Whether what stands at ``span`` is only named to be denied.

    Args:
        text: the prepared reply.
        span: of an option's letter, its number or its text.
        own_text: the option's text, which may stand between the letter and its denial ("A (red) is wrong").
    """
    start, stop = span
    after = text[stop : stop + 200]
    if _AFFIRMED.match(after):
        return False
    if own_text.strip():
        bare = re.escape(own_text.strip().rstrip("."))
        named = re.match(rf"[\])」』\"'”’>.:]*\s*[-–—:]?\s*[\[(\"'“‘]*{bare}[\])\"'”’]*", after, re.IGNORECASE)
        rest = after[named.end() :] if named else after
    else:
        rest = after
    if any(p.match(x) for p in (_AFTER_EN, _AFTER_KO, _AFTER_ZH) for x in {after, rest}):
        return True
    before = text[max(0, start - REACH) : start]
    if _BEFORE.search(before):
        return True
    return bool(_COMMA.search(before) and _MORE.match(after.lstrip("])」』\"'”’>")))
