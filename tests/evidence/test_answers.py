"""Questions, answers and a Scene give the claims that a reader would expect, in English and Korean, traps included."""

import time

import pytest
from tests.evidence.scenes import scene

from nunbit.evidence import claims_of
from nunbit.scene import Scene, SceneObject, TextLine

S, C, N = "supported", "contradicted", "not found"
# (question, answer, [(kind, words of the answer, verdict, what the Scene says instead)])
TABLE = [
    # existence: the thing stands in the question
    ("Is there a dog?", "Yes", [("existence", "Yes", S, "")]),
    ("Is there a dog?", "No.", [("existence", "No", C, "dog")]),
    ("Are there any dogs in the picture?", "no", [("existence", "no", C, "dog")]),
    ("Is there a zebra?", "No", [("existence", "No", N, "")]),
    ("Is there a zebra?", "Yes", [("existence", "Yes", N, "")]),
    ("Is there an elephant?", "No", [("existence", "No", N, "")]),  # 0.4 is too weak for a contradiction
    ("Is there an animal?", "No", [("existence", "No", C, "cat")]),
    ("개가 있나요?", "네", [("existence", "네", S, "")]),
    ("개가 있나요?", "아니요", [("existence", "아니요", C, "dog")]),
    ("얼룩말이 있나요?", "아니요.", [("existence", "아니요", N, "")]),
    ("강아지가 보이나요?", "아니요", [("existence", "아니요", C, "dog")]),
    # existence with a colour
    ("Is there a red cat?", "No", [("existence", "No", C, "cat")]),
    ("Is there a blue cat?", "Yes", [("existence", "Yes", C, "red")]),
    ("Is there a blue cat?", "No", [("existence", "No", S, "")]),
    ("파란 고양이가 있나요?", "네", [("existence", "네", C, "red")]),
    # count
    ("How many dogs are there?", "2", [("count", "2", S, "")]),
    ("How many dogs are there?", "Two.", [("count", "Two", S, "")]),
    ("How many dogs are there?", "3", [("count", "3", C, "2")]),
    ("How many dogs are there?", "There are three dogs.", [("count", "three dogs", C, "2")]),
    ("How many dogs are there?", "0", [("count", "0", C, "2")]),
    ("How many dogs are there?", "At least two dogs.", [("count", "two dogs", S, "")]),
    ("How many dogs are sitting?", "1", [("count", "1", N, "")]),  # which of them sit is not known
    ("How many zebras are there?", "0", [("count", "0", N, "")]),
    ("How many elephants are there?", "1", [("count", "1", S, "")]),
    ("How many elephants are there?", "2", [("count", "2", N, "")]),
    ("How many things are there in all?", "4", [("count", "4", S, "")]),  # or 5, with the unsure one
    ("How many things are there in all?", "7", [("count", "7", C, "4-5")]),
    ("개가 몇 마리 있나요?", "3", [("count", "3", C, "2")]),
    ("개는 모두 몇 개인가요?", "두 마리입니다.", [("count", "두 마리", S, "")]),
    ("개는 모두 몇 마리인가요?", "네 마리", [("count", "네 마리", C, "2")]),  # 네: four, not yes
    ("개가 있나요?", "네, 두 마리 있습니다.", [("existence", "네", S, ""), ("count", "두 마리", S, "")]),
    ("사람은 몇 명인가요?", "1명", [("count", "1명", S, "")]),
    # colour
    ("What color is the cat?", "red", [("attribute", "red", S, "")]),
    ("What color is the cat?", "blue", [("attribute", "blue", C, "red")]),
    ("What color is the cat?", "orange", [("attribute", "orange", N, "")]),  # near red: no contradiction
    ("Is the cat blue?", "Yes", [("attribute", "Yes", C, "red")]),
    ("Is the cat red?", "No", [("attribute", "No", C, "red")]),
    ("What colour is the person?", "green", [("attribute", "green", N, "")]),  # was not measured
    ("고양이는 무슨 색인가요?", "빨간색", [("attribute", "빨간색", S, "")]),
    ("고양이는 무슨 색인가요?", "파란색입니다", [("attribute", "파란색", C, "red")]),
    # place
    ("Where is the cat?", "bottom right", [("place", "bottom right", S, "")]),
    ("Where is the cat?", "top left", [("place", "top left", C, "bottom right")]),
    ("Where is the cat?", "[67, 60, 97, 95]", [("place", "[67, 60, 97, 95]", S, "")]),
    ("Where is the cat?", "[0, 0, 10, 10]", [("place", "[0, 0, 10, 10]", C, "bottom right")]),
    ("고양이는 어느 쪽에 있나요?", "오른쪽 아래", [("place", "오른쪽 아래", S, "")]),
    ("고양이는 어느 쪽에 있나요?", "왼쪽 위", [("place", "왼쪽 위", C, "bottom right")]),
    # relation
    ("Is the cat to the left of the person?", "Yes", [("relation", "Yes", C, "right of")]),
    ("Is the cat to the left of the person?", "No", [("relation", "No", S, "")]),
    ("Is the cat below the person?", "Yes", [("relation", "Yes", S, "")]),
    ("고양이는 사람의 왼쪽에 있나요?", "네", [("relation", "네", C, "right of")]),
    ("고양이가 사람보다 아래에 있나요?", "네", [("relation", "네", S, "")]),
    # text
    ("What does the sign say?", "NO SMOKlNG", [("text", "NO SMOKlNG", S, "")]),
    ("What does the sign say?", "It says: no smoking.", [("text", "no smoking", S, "")]),
    ("How much is the coffee?", "$3.25", [("text", "$3.25", S, "")]),
    ("What is written next to the price?", "Coffee $8.25", [("text", "Coffee $8.25", C, "Coffee $3.25")]),
    ('Does it say "EXIT"?', "No", [("text", "No", N, "")]),
    ('Does it say "NO SMOKING"?', "No", [("text", "No", C, "NO SMOKING")]),
    ("Is there any text?", "No", [("text", "No", C, "NO SMOKING")]),
    ("뭐라고 쓰여 있나요?", '"NO SMOKING"이라고 쓰여 있습니다.', [("text", "NO SMOKING", S, "")]),
    ("글자가 있나요?", "아니요", [("text", "아니요", C, "NO SMOKING")]),
    # naming
    ("What is this?", "a dog", [("naming", "a dog", S, "")]),
    ("What is this?", "a zebra", [("naming", "a zebra", N, "")]),
    ("이것은 무엇인가요?", "고양이입니다.", [("naming", "고양이", S, "")]),
    # sentences
    ("Describe it.", "A red cat and two dogs.", [("attribute", "A red cat", S, ""), ("count", "two dogs", S, "")]),
    ("Describe it.", "No cats or zebras.", [("existence", "cats", C, "cat"), ("existence", "zebras", N, "")]),
    ("Describe it.", "The cat is at the top left.", [("existence", "The cat", S, ""), ("place", None, C, None)]),
    ("설명해 주세요.", "개와 고양이는 없습니다.", [("existence", "개", C, "dog"), ("existence", "고양이", C, "cat")]),
    ("설명해 주세요.", "파란 고양이 한 마리", [("count", "파란 고양이 한 마리", N, "")]),
    # traps
    ("Describe it.", "No dog is red.", []),
    ("Describe it.", "There are no dogs on the left.", [("existence", "dogs", N, "")]),
    ("Describe it.", "On the right there is no dog.", [("existence", "dog", N, "")]),
    ("Describe it.", "There are no dogs in the picture.", [("existence", "dogs", C, "dog")]),
    ("설명해 주세요.", "오른쪽에는 고양이가 없습니다.", [("existence", "고양이", N, "")]),
    ("설명해 주세요.", "모자를 쓴 고양이는 없습니다.", [("existence", "모자", N, ""), ("existence", "고양이", N, "")]),
    ("설명해 주세요.", "이 그림에는 개가 없습니다.", [("existence", "개", C, "dog")]),
    ("What is this?", "a caterpillar", []),
    ("What is this?", "Two of the three dogs sleep.", [("count", "three dogs", C, "2")]),
    ("What is this?", "It is not a dog but a cat.", [("naming", "a dog", N, ""), ("naming", "a cat", S, "")]),
    ("이것은 무엇인가요?", "개가 아니라 고양이입니다.", [("naming", "고양이", S, "")]),
    ("Describe it.", "The man is not holding a dog.", [("existence", "The man", S, ""), ("relation", None, N, None)]),
    ("What is it?", "A hot dog.", [("naming", "A hot dog", N, "")]),
    ("Describe it.", "A woman.", [("existence", "A woman", S, "")]),
    ("Is there no dog?", "Yes", []),
    ("Are there a dog and a zebra?", "No", []),  # which of them is denied?
    ("Is it red?", "Yes", []),
    ("Describe it.", "새 자동차를 말해 주세요.", [("existence", "자동차", N, "")]),
    ("What is this?", "", []),
    ("What is this?", "   \n", []),
    ("", "a dog", [("existence", "a dog", S, "")]),
]


def rows_of(claims):
    return [(c.kind, c.text, c.verdict, c.found) for c in claims]


@pytest.mark.parametrize(("question", "answer", "expected"), TABLE, ids=lambda v: str(v)[:40])
def test_table(question, answer, expected):
    found = rows_of(claims_of(question, answer, [scene()]))
    assert len(found) == len(expected), found
    for got, wanted in zip(found, expected, strict=True):
        assert all(w is None or g == w for g, w in zip(got, wanted, strict=True)), found


def test_supported_claims_name_what_they_rest_on():
    [claim] = claims_of("How many dogs are there?", "2", [scene()])
    assert [e.id for e in claim.evidence] == ["0.object.0", "0.object.1"] and claim.about == "dog"
    assert claim.evidence[0].source == "coco-detector" and claim.evidence[0].box == (10, 20, 80, 90)
    assert claim.span == (0, 1) and not claim.weak
    for question, answer, _ in TABLE:
        for c in claims_of(question, answer, [scene()]):
            assert answer[slice(*c.span)] == c.text
            assert c.evidence or c.verdict == N
            assert c.verdict != C or (c.found and min(e.score for e in c.evidence) >= 0.4)


def test_what_is_unsure_or_more_general_supports_weakly():
    weak = {c.text: c.weak for c in claims_of("", "an elephant, a woman and a person", [scene()])}
    assert weak == {"an elephant": True, "a woman": True, "a person": False}


def test_finer_names_and_kinds_of_a_scene_count():
    tabby = SceneObject("tabby", (0, 0, 9, 9), 0.9, {"kind": "cat", "fine_name": "tabby cat"})
    for answer in ("a cat", "a tabby", "a tabby cat", "an animal", "고양이"):
        assert claims_of("", answer, [Scene(10, 10, [tabby])])[0].verdict == S, answer


def test_the_only_animal_contradicts_another_name():
    cheetah = [Scene(10, 10, [SceneObject("cheetah", (0, 0, 9, 9), 0.9), SceneObject("tree", (0, 0, 5, 5), 0.9)])]
    assert rows_of(claims_of("What animal is this?", "clock", cheetah)) == [("naming", "clock", C, "cheetah")]
    assert rows_of(claims_of("이것은 무슨 동물인가요?", "개", cheetah)) == [("naming", "개", C, "cheetah")]
    assert rows_of(claims_of("What is this?", "clock", cheetah)) == [("naming", "clock", N, "")]


def test_several_pictures():
    dog, cat = (Scene(10, 10, [SceneObject(n, (0, 0, 9, 9), 0.9)]) for n in ("dog", "cat"))
    assert rows_of(claims_of("Is there a dog?", "No", [dog, cat])) == [("existence", "No", N, "")]
    assert rows_of(claims_of("Is there a dog?", "No", [dog, dog]))[0][2] == C
    assert rows_of(claims_of("Is there a dog in the first picture?", "No", [dog, cat]))[0][2] == C
    assert rows_of(claims_of("두 번째 사진에 고양이가 있나요?", "아니요", [dog, cat]))[0][2] == C
    assert rows_of(claims_of("How many dogs are there?", "2", [dog, dog]))[0][2] == S
    [claim] = claims_of("", "a cat", [dog, cat])
    assert [(e.picture, e.id) for e in claim.evidence] == [(1, "1.object.0")]


def test_nothing_to_compare_with():
    assert claims_of("Is there a dog?", "No", []) == []
    assert rows_of(claims_of("Is there a dog?", "No", [Scene(4, 4)])) == [("existence", "No", N, "")]


def test_the_same_twice_and_in_any_order_of_objects():
    one = claims_of("Describe.", "A red cat, two dogs and a zebra.", [scene()])
    assert one == claims_of("Describe.", "A red cat, two dogs and a zebra.", [scene()])


@pytest.mark.parametrize(
    "unit",
    [
        "There are two red dogs left of a cat and no zebra. ",
        "개 두 마리와 빨간 고양이가 있습니다. ",
        "no dogs or cats or ",
    ],
)
def test_long_answers_and_large_scenes_take_linear_time(unit):
    objects = [SceneObject(("dog", "cat", f"thing{i}")[i % 3], (i, 0, i + 5, 9), 0.9) for i in range(500)]
    lines = [TextLine.from_box(f"Line {i} of text", (0, i, 50, i + 1), 0.9) for i in range(500)]
    large = Scene(600, 600, objects, text_lines=lines)

    def seconds(words: int) -> float:
        answer = (unit * words)[: words * 6]
        began = time.process_time()
        claims_of("What does it say?" if "no" in unit else "Describe the picture.", answer, [large])
        return time.process_time() - began

    seconds(10)
    large_answer = seconds(5000)
    assert large_answer < 2.5
    assert large_answer < 9 * max(seconds(1250), 0.05)  # four times as long: quadratic would be sixteen


ODD = [
    *(" ", ".", "'", '"', "not ", "no dog, ", "[1, ", "개 ", "개가 \n", " 그림", "몇 ", "라고 ", "글자 ", "나요 "),
    *("the ", "two ", "and ", "a, ", "빨간 ", "sign "),
]


@pytest.mark.parametrize("unit", ODD)
def test_odd_texts_take_no_long_time(unit):
    text = "dog" + unit * (60_000 // len(unit)) + "x cat"
    began = time.process_time()
    claims_of("Is there " + text, text, [scene()])
    claims_of("What does it say?", text, [scene()])
    claims_of("그림에" + unit * 500 + "X", "네", [scene()])
    assert time.process_time() - began < 4
