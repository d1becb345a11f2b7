r"""What makes a number in a reply only a part of something: what stands before, behind, or between it and the next.

Used by `nunbit.evaluation.quantities`.
"""

from __future__ import annotations

import re

SPACES = " \u00a0\u2009\u202f'’_"
"""Thousands separators beside the comma."""
SIGN = r"[-−–+]?"
_GROUPED = rf"\d{{1,3}}(?P<sep>,|\{{,\}}|\\,|[{SPACES}])\d{{3}}(?:(?P=sep)\d{{3}})*(?!\d)"
_LAKHS = r"\d{1,2}(?:,\d{2})+,\d{3}(?!\d)"
PLAIN = rf"(?:(?:{_GROUPED}|{_LAKHS}|\d+)(?:\.\d+)?(?:[eE][-+−]?\d+)?|\.\d+)"
"""Digits with separators of thousands, a point and an exponent of ten."""
SCRIPT = r"[A-Za-zμΩ°가-힣)}\]]\s*(?:\^|\*\*|_)\s*(?:\{\s*[-−–]?\d+\s*\}|\(?[-−–]?\d+\)?)"
"""An exponent or index of a unit or a variable: ``cm^2``, ``m^{-2}``, ``x_1``. Its digits are no number of a reply."""

_SCALE = (
    r"\s?(?:thousands?|millions?|billions?|trillions?|hundreds?|dozens?|[만억천백십万亿千百十兆]|조(?!각))"
    r"|[kKMBT](?!\w)"
)
_MARKED_ABOVE = r"\^(?!\s*\{?\s*(?:\\circ|\\text|\\mathrm|\\prime|°|st\b|nd\b|rd\b|th\b))"
BEHIND = re.compile(
    rf"{_SCALE}|\s*(?:√|∛|∜|\\sqrt|π|\\pi\b|\bpi\b|\\[dtc]?frac)|\s*{_MARKED_ABOVE}|\s?\*\*\s?[\w(]"
    r"|[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]|\s?[¼½¾⅐⅑⅒⅓⅔⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞⅟]|[.,]\d|\.?\s*\\(?:overline|bar|dot)\b|[xyz](?![A-Za-z])"
    r"|\s?h(?:rs?)?\s?\d|D(?!\w)|\s*분의|\s*分之"
)
"""Behind a number: scales, roots, pi, fractions, powers, a second point or comma, a variable."""
BEFORE = re.compile(
    r"(?:\\[dtc]?frac\s*\{?\s*|(?:√|∛|∜|\\sqrt|\bsqrt)\s*(?:\[[^\]]*\]\s*)?[({]?\s*"
    r"|[±∓]\s*|\\pm\s*|\\(?:overline|bar|dot)\s*\{?\s*|\d\s*[⁄/]\s*|분의\s*|分之\s*|\^\s*[({]?\s*"
    r"|(?<!\d)\d{1,3}(?:\.\d{3})+,)$"
)
UNIT = r"(?:\s?(?:[A-Za-z%°μ€$£¥₩㎝㎞㎏²³]{1,4}|\\%|\^\s*\{?\\circ\}?|[가-힣一-鿿]{1,2}))?"
_SIGNS = r"//|[-–—‒−~∼〜～∶:/⁄×✕✖÷*·⋅±∓+^]|\*\*|\\(?:times|cdot|div|pm|mp|over|sim)\b|x"
_WORDS = r"\s(?:to|or|and|by|through|thru|over|of|out\s+of|times|plus|minus|divided\s+by|in|mod|modulo)\s"
_WORDS_ASIA = r"에서|부터|내지|또는|혹은|이나|분의|배|대|到|至|或者?|分之|比|和"
_LONGER = (
    r"hours?|hrs?|h|minutes?|mins?|m|years?|months?|weeks?|days?|feet|foot|ft|['′]|pounds?|lbs?|dollars?"
    r"|시간?|년|개월|달|주|일|월|분|小时|点|时|年|个?月|天|日|分钟?|时"
)
BETWEEN = re.compile(
    rf"{UNIT}\s*(?:{_SIGNS})\s*[({{\\]*|{UNIT}{_WORDS}\s*|{UNIT}\s*(?:{_WORDS_ASIA})\s*|[ \t]+|"
    rf"\s*(?:{_LONGER})\s*(?:and\s+)?|\}}\s*\{{\s*|,",
)
"""All that stands between two numbers of one expression: ``10-12``, ``3 x 10``, ``2 hours 30``, ``1}{2``, ``2 1/2``."""
_MONTH = (
    r"(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?|Oct(?:ober)?"
    r"|Nov(?:ember)?|Dec(?:ember)?)\.?"
)
MONTH_BEFORE = re.compile(rf"(?<![A-Za-z]){_MONTH}\s+(?:the\s+)?$")
DAY_OR_YEAR = re.compile(r"(?:0?[1-9]|[12]\d|3[01]|1\d{3}|20\d\d)$")
IN_DATE = re.compile(rf"(?:st|nd|rd|th)?(?:\s+(?:of\s+)?{_MONTH})?,?\s+")
"""Between the day and the year, or around the month: ``5, 2024``, ``5th of May 2024``."""
DENIED_BEFORE = re.compile(
    r"(?:\bnot|n['’]t|\binstead\s+of|\brather\s+than|(?:并?不|而不|不)是|并非|而非)\s*(?:\b(?:be|equal\s+to|exactly|the)\s+)*$",
    re.IGNORECASE,
)
DENIED_BEHIND = re.compile(
    r"\s?(?:개|명|마리|대|권|장|잔|살|번|가지|사람|송이|채|그루|켤레|층|원|%|도|점|회|cm|m|kg|g)?\s?(?:이|가|은|는)?\s*"
    r"(?:아니라|아니고|아닌|아닙니다|아니다|아니에요|아님|말고)"
)
"""A number that is named to be denied: ``not 3``, ``3개가 아니라``."""
LABEL = re.compile(r":\s+")
"""``1: 5`` is a label and a number, no ratio."""
FRAME = re.compile(
    r"(?:\banswer|\bresult|\btotal|정답|답변|답|결과|答案|结果)\s*(?:is|was|should\s+be|would\s+be|equals|은|는|이|是|为)?\s*[:=]?\s*"
    r"(?:(?:about|approximately|approx\.?|roughly|around|nearly|exactly|equal\s+to|약|대략|大约|约)\s*)?[$€£¥₩(\[\"'“]*\s*",
    re.IGNORECASE,
)
"""What stands before a number that is stated as the answer."""

ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_ANY = "|".join(ONES + TENS)
WORD = re.compile(
    rf"(?<![\w-])(?:(?P<tens>{'|'.join(TENS)})(?:[- ](?P<unit>{'|'.join(ONES[1:10])}))?|(?P<one>{'|'.join(ONES)}))"
    r"(?P<more>\s+(?:hundred|thousand|million|billion|dozen|point|and\s+a|thirds?|quarters?|fourths?|fifths?|halves"
    rf"|(?:to|or|and|out\s+of|over|times|plus|minus)\s+(?:{_ANY}|\d+)))?(?![\w-])",
    re.IGNORECASE,
)
"""Number words of English below a hundred; ``more`` where they are only a part."""
