"""Patterns of questions about writing, English and Korean: superlatives, days, lines, and values by how they look."""

from __future__ import annotations

import re

MOST = re.compile(
    r"\b(?:most|highest|largest|biggest|longest|tallest|oldest|heaviest|fastest|dearest|latest|last|maximum|max|best"
    r"|greatest|top)\b"
    r"|(?:가장|제일|최고로?|최대)\s*(?:\S+\s)?(?:비싼|비싸|높|큰|크|많|긴|길|늦|무거|오래|나이|빠른 속도|마지막)"
    r"|최댓값|최고|마지막",
    re.I,
)
LEAST = re.compile(
    r"\b(?:least|lowest|smallest|shortest|cheapest|fewest|youngest|lightest|slowest|earliest|first|minimum|min|worst)\b"
    r"|(?:가장|제일|최소|최저)\s*(?:\S+\s)?(?:싼|싸|저렴|낮|작|적|짧|이른|일찍|먼저|빠른|빨리|가벼|어린)|최솟값|최저",
    re.I,
)
SORTS = {
    "price": re.compile(r"expensive|cheap|dear|cost|price|비싼|비싸|싼 |싼가|저렴|가격", re.I),
    "time": re.compile(r"\b(?:earliest|latest|first|last)\b|먼저|이른|늦|일찍", re.I),
}
"""Superlatives that are said of one sort of figures."""
WORKDAYS = re.compile(r"\b(?:mon|tues?|wednes|thurs?|fri)(?:day)?s?\b|[월화수목금]요일|평일|weekday", re.I)
WEEKEND = re.compile(r"\b(?:satur|sun)days?\b|[토일]요일|주말|weekend", re.I)
WORKDAY_ROW = re.compile(r"^(?:mon\w*\s*(?:[-–~]|to)\s*fri\w*|weekdays?|평일|월\s*[-–~]\s*금)", re.I)
WEEKEND_ROW = re.compile(r"^(?:sat\w*\s*(?:[-–~&]|to|and)\s*sun\w*|weekends?|주말|토\s*[-–~,·]\s*일)", re.I)
SMALL_WORDS = frozenset(
    "what which when where how much many does the this that have has with from for are was were there they their your"
    " time name number cost price total page item items list text say says written sign picture image 얼마 무엇 어디"
    " 언제 몇 개 있나요 인가요 이름 가격".split()
)


LINE = re.compile(
    r"\b(?:line|row) (?:number )?(\d{1,2})\b|\b(\d{1,2})(?:st|nd|rd|th) (?:line|row)\b"
    r"|(\d{1,2})\s?(?:번째|번) (?:줄|행)",
    re.I,
)
MANY_LINES = re.compile(
    r"\b(?:how many|number of) (?:lines|rows)\b|몇 (?:줄|행)|(?<![가-힣])(?:줄|행)(?:은|이) 몇", re.I
)
SPAN = re.compile(r"(\d{1,2}:\d{2}(?:\s?[ap]m)?)\s*[-–~]\s*(\d{1,2}:\d{2}(?:\s?[ap]m)?)", re.I)
"""From when to when."""
ENDS = {
    "closes": re.compile(r"\bclos\w+|\buntil\b|\bends?\b|\bover\b|닫|까지|끝", re.I),
    "opens": re.compile(
        r"\bopen(?:s|ing)?\b|\bstarts?\b|\bbegins?\b|\bfrom when\b|여나|열어|엽니|여는|시작|부터", re.I
    ),
}
"""Which end of a span is asked for."""
BOX = re.compile(r"\bbox\b|\bregion\b|영역")
INK = re.compile(r"\b(?:letters?|text|writing|words?|font|ink)\b|글자|글씨", re.I)
TITLE = re.compile(r"\b(?:title|heading|headline)\b|제목|머리글", re.I)
VALUES = (
    (re.compile(r"e-?mail|이메일|메일 주소", re.I), re.compile(r"\S+@\S+\.\w")),
    (re.compile(r"\bphone\b|\btel\b|\bcall\b|전화|연락처", re.I), re.compile(r"\d{2,4}[-. )]\s?\d{3,4}[-. ]\d{3,4}")),
    (
        re.compile(r"web ?site|\burl\b|homepage|web address|웹사이트|홈페이지", re.I),
        re.compile(r"www\.|https?:|\.(?:com|org|net|kr|io)\b"),
    ),
    (re.compile(r"\btemperature\b|기온|온도|몇 도", re.I), re.compile(r"\d\s?(?:°|℃|도\b)")),
    (
        re.compile(r"\bdate\b|날짜|며칠", re.I),
        re.compile(r"\d{4}[-./년]\s?\d{1,2}[-./월]|\d{1,2}[-./]\d{1,2}[-./]\d{2,4}|\d{1,2}월 ?\d{1,2}일"),
    ),
)
"""What a question asks for by its sort, and how such a value looks."""
