"""Errors in Korean: every sentence has one, values keep their places, and the language is the user's."""

import re
import string

import pytest
from tools import error_templates

from nunbit.errors import UserError, unknown_name
from nunbit.translation import CATALOGUE, accepted_language, catalogue, korean, message, translated, user_language

HANGUL = re.compile("[가-힣]")
NAMES_ONLY = (
    "text, image",
    "message, function_call, function_call_output and item_reference",
    "true, false",
    "pip install {}",
    "the data: URI",
    "a content",
    "a role",
    "content",
)
"""Templates that hold names of the API and commands only."""


def plain(template: str) -> str:
    """The words of a template that are neither values, nor quoted, nor forms of JSON."""
    text = re.sub(r"\{\{.*\}\}", "", template)
    return re.sub(r"'[^']*'|\"[^\"]*\"|`[^`]*`", "", text).replace("{}", "")


def has_words(template: str) -> bool:
    return any(re.fullmatch(r"\(?[a-z]{3,}[,.;:)?]*", word) for word in plain(template).split())


def places(template: str) -> list[str]:
    return [name for _, name, _, _ in string.Formatter().parse(template) if name is not None]


def test_every_sentence_of_every_error_has_a_korean_one():
    missing = [t for t in error_templates.templates() if has_words(t) and t not in catalogue()]
    assert not missing, "add to src/nunbit/korean.tsv:\n" + "\n".join(missing)


def test_values_keep_their_places_and_the_words_are_korean():
    for english, other in catalogue().items():
        count = len(places(english))
        assert sorted({*places(other)}) == [str(i) for i in range(count)], english
        assert HANGUL.search(other) or english in NAMES_ONLY or not has_words(english), english


def test_the_catalogue_has_one_line_a_template():
    lines = CATALOGUE.read_text(encoding="utf-8").removesuffix("\n").split("\n")[1:]
    assert all(line.count("\t") == 1 and "  " not in line for line in lines)
    assert len({line.split("\t")[0] for line in lines}) == len(lines) > 800


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (
            UserError("'a.png' is empty", allowed="PNG, JPEG, WebP, GIF (first frame) and BMP pictures"),
            "'a.png': 파일이 비어 있습니다. 허용: PNG, JPEG, WebP, GIF(첫 장), BMP 이미지.",
        ),
        (
            UserError("line 3 of 'q.jsonl' is not a question", allowed="one JSON object a line"),
            "'q.jsonl'의 3번째 줄은 질문이 아닙니다. 허용: 한 줄에 JSON 객체 하나.",
        ),
        (
            unknown_name("recipe", "tinny", ["tiny"]),
            "알 수 없는 레시피 'tinny'. 허용: tiny. 혹시 'tiny'인가요?",
        ),
        (UserError("something new {0}", todo="do it"), "something new {0}. do it."),
        (UserError("the picture is 3x20000 pixels"), "이미지: 3x20000픽셀입니다."),
    ],
)
def test_an_error_is_told_in_korean(error, says):
    assert message(error, "ko") == says and message(error, "en") == str(error)


def test_text_of_others_within_a_sentence_stays_as_it_is():
    assert korean("the file '{x} is empty' holds no question") == "'{x} is empty' 파일에 질문이 없습니다"
    assert translated("at most 5 characters", "ko") == "5자 이하" and translated("at most 5", "en") == "at most 5"
    assert korean("x" * 3000) == "x" * 3000


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({}, "en"),
        ({"LANG": "ko_KR.UTF-8"}, "ko"),
        ({"LANG": "ko_KR.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "en_US.UTF-8", "LC_MESSAGES": "ko_KR.UTF-8"}, "ko"),
        ({"LANG": "ko", "LC_ALL": ""}, "ko"),
    ],
)
def test_the_language_of_the_command_line(environment, language):
    assert user_language(environment) == language


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("ko-KR,ko;q=0.9,en-US;q=0.8", "ko"),
        ("en-US,en;q=0.9,ko;q=0.8", "en"),
        ("fr,ko;q=0.5", "ko"),
        ("ko;q=0.2, en;q=0.7", "en"),
        ("*", "en"),
        ("ko;q=nonsense", "en"),
        (",;=," * 200, "en"),
    ],
)
def test_the_language_of_a_request(header, language):
    assert accepted_language(header) == language
