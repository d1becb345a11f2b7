"""What writing in a picture means in the other language."""

import pytest

from nunbit.world.glosses import gloss


@pytest.mark.parametrize(
    "text,language,meaning",
    [
        ("CHANGE", "ko", "거스름돈"),
        ("Total:", "ko", "합계"),
        ("거스름돈", "en", "Change"),
        ("대구", "en", "Daegu"),
        ("Daegu", "ko", "대구"),
        ("cheese bagel", "ko", "치즈 베이글"),
        ("2 x Latte", "ko", "라떼"),
        ("Average", "ko", "평균"),
        ("월요일", "en", "Monday"),
        ("Monday", "en", ""),
        ("월요일", "ko", ""),
        ("Maple_5G", "ko", ""),
        ("", "ko", ""),
    ],
)
def test_meanings(text, language, meaning):
    assert gloss(text, language) == meaning


def test_single_letters_mean_nothing():
    assert not any(gloss(c, "ko") for c in "SLWP")
