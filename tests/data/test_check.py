"""Checks of instruction data: each kind of fault is found in the sample that has it, and clean data has none."""

import json

import numpy as np
import pytest
from PIL import Image, ImageFilter

from nunbit.data.check import CODES, Known, check, language_of, plain
from nunbit.data.check_page import page
from nunbit.data.personal import personal_data
from nunbit.media.similar import ALIKE_BITS, alike, hash_of, perceptual_hash


def photo(seed, side=96):
    """A smooth random picture."""
    small = np.random.default_rng(seed).integers(0, 255, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((side, side), Image.Resampling.BICUBIC)


def sample(number, image, question="What is shown in this picture?", answer="A dog."):
    turns = [{"from": "human", "value": f"<image>\n{question}"}, {"from": "gpt", "value": answer}]
    return {"id": f"s{number}", "image": image, "conversations": turns}


@pytest.fixture
def folder(tmp_path):
    for i in range(6):
        photo(i).save(tmp_path / f"{i}.png")
    return tmp_path


def found(folder, records, **options):
    (folder / "data.json").write_text(json.dumps(records), encoding="utf-8")
    return check(folder / "data.json", **options)


def test_clean_data_has_no_findings(folder):
    report = found(folder, [sample(i, f"{i}.png", f"What is shown here, number {i}?") for i in range(6)])
    assert report.samples == 6 and not report.findings
    assert report.facts["language"] == {"en": 6} and report.facts["longest side in pixels"] == {"65 - 128": 6}


def test_each_fault_is_found_where_it_is(folder):
    (folder / "broken.png").write_bytes((folder / "0.png").read_bytes()[:200])
    photo(1).resize((300, 200)).filter(ImageFilter.GaussianBlur(1)).save(folder / "again.jpg", quality=60)
    records = [
        sample(0, "0.png"),
        sample(1, "gone.png"),
        sample(2, "broken.png"),
        {"id": "s3", "image": "1.png", "conversations": [{"from": "human", "value": "no mark"}]},
        sample(4, "1.png", answer=" "),
        sample(5, "0.png", question="What is  shown in THIS picture"),
        sample(6, "again.jpg", question="다른 질문입니다"),
        sample(7, "2.png", answer="Write to jane.doe@example.org."),
        sample(8, "../2.png"),
        ["no object"],
    ]
    report = found(folder, records)
    where = {(f.code, f.number) for f in report.findings}
    assert where == {
        ("missing picture", 1), ("damaged picture", 2), ("malformed", 3), ("no target", 4), ("same sample", 5),
        ("similar picture", 6), ("personal data", 7), ("malformed", 8), ("malformed", 9),
    }  # fmt: skip
    assert report.facts["language"] == {"en": 6, "both": 1} or report.facts["language"]["en"] >= 6


def test_what_a_benchmark_holds_is_found(folder):
    photo(3).resize((60, 60)).save(folder / "bench.png")
    known = Known({"b 7": hash_of(folder / "bench.png")}, {plain("How many dogs are there?"): "b 8"})
    records = [sample(0, "3.png"), sample(1, "4.png", "how many dogs are there"), sample(2, "5.png", "How many?")]
    report = found(folder, records, known=[known])
    assert {(f.code, f.number) for f in report.findings} == {("in a benchmark", 0), ("in a benchmark", 1)}


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("mail jane.doe+x@mail.example.co.kr now", ["mail address"]),
        ("card 4111 1111 1111 1111.", ["card number"]),
        ("number 4111 1111 1111 1112", []),  # the check digit is wrong
        ("call 010-1234-5678 or (02) 345-6789", ["phone number"] * 2),
        ("+82 10 1234 5678", ["phone number"]),
        ("주민번호 900101-1234567", ["resident number"]),
        ("901301-1234567", []),  # no thirteenth month
        ("server 192.168.3.14", ["network address"]),
        ("version 5.23.0.1 and 999.1.1.1", ["network address"]),
        ("sk-abcdefghijklmnopqrstuvwx", ["key of an API"]),
        ("2026-11-28 17:32, total 1,234,567 won, [12, 30, 45, 60], 3.14159265358979", []),
        ("order 1234567890123", []),
    ],
)
def test_personal_data(text, kinds):
    assert [p.kind for p in personal_data(text)] == kinds
    assert all("*" in p.hidden and p.hidden not in text for p in personal_data(text))


def test_hashes_of_changed_pictures_are_alike_and_of_others_are_not():
    hashes = {i: perceptual_hash(photo(i)) for i in range(60)}
    assert alike(hashes) == []
    for i in range(60):
        changed = photo(i).resize((70, 50)).filter(ImageFilter.GaussianBlur(0.5)).point(lambda v: int(v * 0.85))
        assert (perceptual_hash(changed) ^ hashes[i]).bit_count() <= ALIKE_BITS
    assert perceptual_hash(Image.new("RGB", (40, 40), "red")) is None


def test_pairs_are_those_of_comparing_all():
    rng = np.random.default_rng(1)
    base = [int(x) for x in rng.integers(0, 2**63, 40)]
    near = [b ^ sum(1 << int(k) for k in set(rng.integers(0, 64, rng.integers(1, 10)))) for b in base]
    hashes = dict(enumerate(base + near))
    expected = {(a, b) for a in hashes for b in hashes if a < b and (hashes[a] ^ hashes[b]).bit_count() <= ALIKE_BITS}
    assert {(a, b) for a, b, _ in alike(hashes)} == expected and expected


@pytest.mark.parametrize(
    ("text", "language"),
    [("a dog", "en"), ("개 한 마리", "ko"), ("이것은 LLaVA 모델입니다", "both"), ("犬です", "other"), ("12", "other")],
)
def test_languages(text, language):
    assert language_of(text) == language


def test_the_page_shows_every_finding_and_no_code_of_the_data(folder):
    report = found(folder, [sample(0, "gone<script>.png", answer="<img src=x>"), sample(1, "0.png", answer="")])
    report.targets = [("s", [("<b>asked", False), ("learnt</mark>", True)])]
    html = page(report, "data <x>", {1: folder / "0.png"})
    assert all(code[:1].upper() + code[1:] in html for code in ("missing picture", "no target")) and len(CODES) == 9
    assert "<script" not in html and "<img src=x>" not in html and "<mark>learnt&lt;/mark&gt;</mark>" in html
    assert "data:image/jpeg;base64," in html
