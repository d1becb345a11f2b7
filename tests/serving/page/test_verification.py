"""Corrections on the page: asked for by a setting, said in one line, in the language of the page."""

import pytest
from tests.serving.page.support import CARD, SCENE, add, ask, until

from nunbit.evidence.wording import report
from nunbit.scene import Scene
from nunbit.trust.woodpecker import EVERYTHING, verify

ANSWER = "There are two cars, a zebra, a dog, a tiger and a cat. The cat is right of the cars."


@pytest.fixture
def corrected(stub):
    made = verify("What is there?", ANSWER, [Scene.from_json(SCENE)], known=[EVERYTHING])
    assert made.answer == "There are three cars and a cat. The cat is left of the cars."
    stub.verification, stub.evidence = made.to_json(), report(made.claims)
    return made


def test_one_line_says_what_was_corrected(open_page, stub, picture, corrected):
    page = open_page(stub.url)
    page.click("#options")
    page.check("#verify")
    page.keyboard.press("Escape")
    add(page, picture)
    ask(page, "What is there?")
    page.wait_for_selector(".corrected")
    until(page, "!document.querySelector('.busy')")
    assert stub.chats[0]["verify"] is True
    assert page.locator(".answer-words").inner_text() == corrected.answer
    line = page.locator(".corrected")
    assert line.count() == 1 and page.locator(".conflict").count() == 0
    assert line.inner_text() == ("Corrected: “two cars” → “three cars”; “a zebra” taken out; “a dog” taken out; 2 more")
    assert "perception finds: there is no zebra" in line.get_attribute("title")
    page.click("#language")
    assert line.inner_text().startswith("고침: “two cars” → “three cars”; “a zebra” 삭제")


def test_without_the_setting_nothing_is_asked_for_and_the_operator_may_turn_it_on(
    open_page, stub, picture, corrected, monkeypatch
):
    page = open_page(stub.url)
    add(page, picture)
    ask(page, "What is there?")
    page.wait_for_selector(".foot")
    assert "verify" not in stub.chats[0] and page.locator(".corrected").count() == 0
    monkeypatch.setitem(CARD["about"], "verify", True)
    page = open_page(stub.url)
    add(page, picture)
    ask(page, "What is there?")
    page.wait_for_selector(".corrected")
    assert stub.chats[-1]["verify"] is True
    page.click("#options")
    page.uncheck("#verify")
    page.keyboard.press("Escape")
    ask(page, "What is there?")
    until(page, "document.querySelectorAll('.foot').length === 2")
    assert stub.chats[-1]["verify"] is False
