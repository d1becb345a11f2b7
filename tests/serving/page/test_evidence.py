"""Evidence on the page: words and boxes lead to each other, and what answer and picture do not agree on is said."""

import pytest
from tests.serving.page.support import SCENE, add, ask, until

from nunbit.evidence import claims_of
from nunbit.evidence.wording import report
from nunbit.scene import Scene

ANSWER = "😀 There is a cat and no car. 얼룩말도 있습니다."


@pytest.fixture
def shown(open_page, stub, picture):
    stub.say = lambda question: ANSWER
    stub.evidence = report(claims_of("What is there?", ANSWER, [Scene.from_json(SCENE)]))
    page = open_page(stub.url)
    add(page, picture)
    ask(page, "What is there?")
    page.wait_for_selector(".thing")
    until(page, "!document.querySelector('.busy')")
    return page


def test_words_show_boxes_by_pointer_by_keys_and_by_click(shown, stub):
    page = shown
    assert stub.chats[0]["evidence"] is True and page.locator(".answer-words").inner_text() == ANSWER
    assert [t.inner_text() for t in page.locator(".thing").all()] == ["a cat", "car"]
    assert page.locator(".unfound").inner_text() == "얼룩말"
    page.locator(".thing").first.hover()
    assert page.locator("#marks .lit").count() == 1
    page.mouse.move(2, 2)
    assert page.locator("#marks .lit").count() == 0
    page.locator(".thing").nth(1).focus()
    assert page.locator("#marks .lit").count() == 3, "three cars"
    page.keyboard.press("Enter")
    assert page.locator(".thing").nth(1).get_attribute("aria-pressed") == "true"
    page.keyboard.press("Enter")
    assert page.locator("#marks .lit").count() == 0


def test_boxes_show_words_by_pointer_and_by_keys(shown):
    page = shown
    box = page.locator("#canvas").bounding_box()
    scale = min(box["width"] / 320, box["height"] / 240)
    left, top = box["x"] + (box["width"] - 320 * scale) / 2, box["y"] + (box["height"] - 240 * scale) / 2
    page.mouse.move(left + 60 * scale, top + 100 * scale)
    assert page.locator(".thing.lit").all_inner_texts() == ["a cat"]
    page.mouse.move(left + 180 * scale, top + 100 * scale)
    assert page.locator(".thing.lit").all_inner_texts() == ["car"]
    page.mouse.move(2, 2)
    assert page.locator(".thing.lit").count() == 0
    page.click("#tab-boxes")
    page.locator("#found button").first.focus()
    assert page.locator(".thing.lit").all_inner_texts() == ["a cat"]


def test_a_contradiction_is_said_in_the_language_of_the_page(shown):
    page = shown
    said = page.locator(".conflict").inner_text()
    assert "do not agree" in said and "no car" in said and "do not agree" in page.locator("#live").inner_text()
    assert "how the model came to its answer" in page.locator(".turn.assistant").inner_text()
    assert page.locator(".thing.against").inner_text() == "car"
    page.click("#language")
    assert "다릅니다" in page.locator(".conflict").inner_text()


def test_without_automatic_perception_no_evidence_is_asked_for(open_page, stub, picture):
    page = open_page(stub.url)
    page.click("#options")
    page.uncheck("#auto")
    add(page, picture)
    ask(page, "What is there?")
    assert "evidence" not in stub.chats[0] and page.locator(".thing").count() == 0
