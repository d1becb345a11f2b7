"""Counts that are written as words in Korean and Chinese: 세 개, 열두 명, 셋입니다, 三只."""

from __future__ import annotations

import re
from collections.abc import Iterator

COUNTERS_KO = (
    "개|명|마리|대|권|장|잔|살|사람|그루|송이|켤레|벌|척|자루|병|곳|군데|가지"
    "|층|줄|칸|쌍|집|조각|바퀴|글자|자리|종류|봉지|상자|채|번(?!째)"
)
"""Words that Korean counts with; no hours, which are of times."""
COUNTERS_ZH = "[个只条辆人名位张本杯件朵棵头匹双把台架艘块种座支根颗盏扇间]"
_TENS = {
    "열": 10,
    "스물": 20,
    "스무": 20,
    "서른": 30,
    "마흔": 40,
    "쉰": 50,
    "예순": 60,
    "일흔": 70,
    "여든": 80,
    "아흔": 90,
}
_ONES = {
    "하나": 1, "한": 1, "둘": 2, "두": 2, "셋": 3, "세": 3, "넷": 4, "네": 4, "다섯": 5, "여섯": 6,
    "일곱": 7, "여덟": 8, "아홉": 9,
}  # fmt: skip
_TENS_KO, _ONES_KO = "|".join(_TENS), "|".join(_ONES)
_BEFORE_COUNTER = re.compile(
    rf"(?<![가-힣])(?P<tens>{_TENS_KO})?(?P<ones>{_ONES_KO})?(?<=[가-힣])"
    rf"(?=\s?(?:{COUNTERS_KO})(?:[^가-힣]|[이가은는을를의도만와과]|입|있|뿐|예요|보|로|\Z))"
)
_AT_END = re.compile(
    rf"(?<![가-힣])(?P<tens>{_TENS_KO})?(?P<ones>하나|둘|셋|넷|다섯|여섯|일곱|여덟|아홉)?(?<=[가-힣])"
    r"(?=\s*(?:입니다|이에요|예요|이다|이요|요)?\s*(?:[.!]|\Z))"
)
_ZH = re.compile(
    r"(?<![第零百千万\d一二两三四五六七八九十])(?P<tens>[一二两三四五六七八九]?十)?(?P<ones>[一二两三四五六七八九])?"
    rf"(?<=[一-鿿])(?={COUNTERS_ZH})"
)
_DIGITS_ZH = {c: i for i, c in enumerate("一二三四五六七八九", start=1)} | {"两": 2}


def counted(text: str) -> Iterator[tuple[str, tuple[int, int]]]:
    """Digits and place of each count below a hundred."""
    for m in [*_BEFORE_COUNTER.finditer(text), *_AT_END.finditer(text)]:
        if m[0]:
            yield str(_TENS.get(m["tens"] or "", 0) + _ONES.get(m["ones"] or "", 0)), m.span()
    for m in _ZH.finditer(text):
        if m["tens"] or m["ones"]:
            tens = _DIGITS_ZH.get(m["tens"][0], 1) * 10 if m["tens"] else 0
            yield str(tens + _DIGITS_ZH.get(m["ones"] or "", 0)), m.span()
