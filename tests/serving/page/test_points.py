"""What new users of the page stumbled over, one test each: see the names of the tests."""

import json
import re

import pytest
from PIL import Image
from tests.serving.page.support import ANSWER, SCENE, add, ask, drag, opened_uri, pictures_of, until

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
DENSE = SCENE | {
    "objects": [
        SCENE["objects"][1] | {"name": name, "box": [i * 20, i * 12, i * 20 + 60, i * 12 + 60]}
        for i, name in enumerate("car cat dog horse bicycle elephant bird refrigerator bus sheep".split())
    ],
    "relations": [
        {"subject": a, "predicate": p, "object": b, "score": 0.9}
        for a, b, p in [(i, j, ("left of", "above", "overlapping")[(i + j) % 3]) for i in range(6) for j in range(10)]
        if a != b
    ],
}


@pytest.mark.parametrize("wishes", [{}, PHONE], ids=["desktop", "phone"])
def test_an_empty_page_shows_the_limits_of_the_model_and_offers_pictures(open_page, stub, wishes):
    page = open_page(stub.url, **wishes)
    until(page, "document.querySelector('#served').innerText.split('\\n')[0] === 'stub-model'")
    assert page.locator("#summary").is_visible() and "check its answers" in page.locator("#summary").inner_text()
    page.click("#served")
    limits = page.locator("#limits li").all_inner_texts()
    assert len(limits) >= 5 and any("8 images" in t for t in limits) and any("1,024 tokens" in t for t in limits)
    page.keyboard.press("Escape")
    assert page.locator("#limits").is_hidden()
    samples = page.locator(".sample:visible")
    assert samples.count() == 4
    until(page, "[...document.querySelectorAll('.sample img')].filter(i => i.offsetWidth).every(i => i.naturalWidth)")
    samples.nth(1).click()
    page.click("text=What animal is this?")
    assert page.locator("#question").input_value() == "What animal is this?"
    page.click("#send")
    page.locator(".foot").wait_for()
    assert opened_uri(pictures_of(stub.chats[0]["messages"])[0]).size == Image.open("examples/cat.jpg").size


def test_a_question_without_a_picture_asks_for_one(open_page, stub, picture):
    page = open_page(stub.url)
    page.fill("#question", "What is there?")
    page.press("#question", "Enter")
    assert "Add an image first" in page.locator("#notice").inner_text() and stub.chats == []
    assert page.locator("#question").input_value() == "What is there?", "the question is not lost"
    add(page, picture)
    assert page.locator("#notice").is_hidden()
    page.press("#question", "Enter")
    page.locator(".foot").wait_for()
    assert len(pictures_of(stub.chats[0]["messages"])) == 1


def test_an_empty_question_cannot_be_sent(open_page, stub, picture):
    page = open_page(stub.url)
    add(page, picture)
    assert page.locator("#send").is_disabled()
    page.fill("#question", "   ")
    assert page.locator("#send").is_disabled()
    page.fill("#question", "What?")
    assert page.locator("#send").is_enabled()
    page.press("#question", "Enter")
    page.locator(".foot").wait_for()
    assert page.locator("#send").is_disabled()


def test_drawing_never_does_nothing_without_a_word(open_page, stub, picture):
    page = open_page(stub.url)
    add(page, picture)
    state = page.locator("#pen-state")
    assert "Drawing is on (Circle)" in state.inner_text()
    drag(page, (0.5, 0.5), (0.501, 0.5))
    assert "drag a little further" in state.inner_text()
    drag(page)
    assert "Marks: 1. They are sent with the next question" in state.inner_text()
    page.click("[data-pen=circle]")
    assert "Drawing is off" in state.inner_text()
    drag(page)
    assert "choose Circle, Box, Arrow or Pen first" in state.inner_text()
    assert "choose Circle" in page.locator("#live").inner_text(), "it is announced too"
    page.click("#tab-boxes")
    assert state.is_hidden()
    drag(page)
    assert "Image tab" in state.inner_text()
    page.click("#tab-plain")
    page.click("[data-pen=box]")
    drag(page, (0.2, 0.2), (0.4, 0.4))
    assert "Marks: 2." in state.inner_text()
    page.click("#wipe")
    assert "Marks" not in state.inner_text()
    page.click("#undo")
    assert "Marks: 2." in state.inner_text(), "clearing can be undone"


@pytest.mark.parametrize("locale", ["en-US", "ko-KR"])
def test_words_in_the_graph_do_not_collide_and_numbers_agree_between_tabs(open_page, stub, picture, locale):
    stub.scene = DENSE
    page = open_page(stub.url, locale=locale)
    add(page, picture)
    page.click("#tab-relations")
    page.wait_for_selector(".graph .node")
    collisions = """(() => { const all = [...document.querySelectorAll('.graph .node, .graph .edge-name')]
        .map(e => [e.textContent || 'node', e.getBoundingClientRect()]), out = [];
        all.forEach(([a, p], i) => all.slice(i + 1).forEach(([b, q]) => {
            const w = Math.min(p.right, q.right) - Math.max(p.left, q.left);
            if (w > 1 && Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top) > 1) out.push(a + ' / ' + b); }));
        return out; })()"""
    assert page.evaluate(collisions) == []
    assert page.locator(".graph .edge-name").count() >= 8
    assert page.locator("#tab-relations small").inner_text().strip() == str(len(DENSE["relations"]))
    assert page.locator("#found button").count() == len(DENSE["relations"]), "all are in the list"
    page.locator("#found button").nth(40).click()
    assert page.locator(".graph .edge.lit").count() == page.locator(".graph .edge-name").count() == 1
    named = {t.split(" ", 1)[1]: t.split(" ", 1)[0] for t in page.locator(".graph .node-name").all_text_contents()}
    page.click("#tab-boxes")
    plates = page.locator("#marks text").all_text_contents()
    assert page.locator("#marks .plate").count() == 10
    for name, number in named.items():
        assert any(row.startswith(f"{number} {name}") for row in page.locator("#found button").all_inner_texts())
        assert f"{number} {name}" in plates or number in plates


def test_read_lines_are_outlined_around_their_letters_and_doubt_is_faded(open_page, stub, picture):
    page = open_page(stub.url)
    add(page, picture)
    page.click("#tab-text")
    page.wait_for_selector("#marks .read")
    inside = """[...document.querySelectorAll('#marks .read .edge')].map(e => [e.x, e.y, e.width, e.height]
        .map(v => v.baseVal.value))"""
    stroke = 1.5 * 320 / page.locator("#canvas").bounding_box()["width"]
    (x, y, w, h), _ = page.evaluate(inside)
    assert x + stroke / 2 < 10 and y + stroke / 2 < 10 and x + w - stroke / 2 > 60 and y + h - stroke / 2 > 30
    assert page.locator("#marks .read .halo").count() == 0
    assert page.locator("#marks .unsure").count() == page.locator("#found .unsure").count() == 1
    assert "unsure" in page.locator("#found .unsure").inner_text()
    assert float(page.evaluate("getComputedStyle(document.querySelector('#marks .unsure .edge')).opacity")) < 1


def test_what_an_answer_took_is_said_in_plain_words(open_page, stub, picture):
    page = open_page(stub.url)
    add(page, picture)
    ask(page, "What is there?")
    foot = page.locator(".foot").inner_text()
    assert "token" not in foot and " ms" not in foot and re.search(r"^\d+\.\d s", foot)
    assert "world-encoder" not in page.locator("body").inner_text()


def test_clearing_can_be_undone(open_page, stub, picture):
    page = open_page(stub.url)
    add(page, picture)
    ask(page, "What is there?")
    page.click("#clear")
    assert page.locator(".turn").count() == 0 and page.locator("#thumbs .tile").count() == 0
    page.locator("#undoable button").first.click()
    assert page.locator(".answer-words").inner_text() == ANSWER and page.locator("#thumbs .tile").count() == 1
    ask(page, "And now?")
    assert [t["role"] for t in stub.chats[-1]["messages"]] == ["user", "assistant", "user"]
    assert len(pictures_of(stub.chats[-1]["messages"])) == 1


def test_a_question_can_be_edited_and_asked_again(open_page, stub, picture):
    page = open_page(stub.url)
    add(page, picture)
    for question in ("First?", "Second?", "Third?"):
        ask(page, question)
    page.locator(".edit").nth(1).click()
    assert page.locator("#editing").is_visible() and page.locator("#question").input_value() == "Second?"
    page.keyboard.press("Escape")
    assert page.locator("#editing").is_hidden() and page.locator("#question").input_value() == ""
    page.locator(".edit").first.click()
    page.fill("#question", "First, better?")
    page.press("#question", "Enter")
    page.locator(".foot").wait_for()
    asked = stub.chats[-1]["messages"]
    assert len(asked) == 1 and asked[0]["content"][-1]["text"] == "First, better?" and len(pictures_of(asked)) == 1
    assert page.locator(".turn.user").count() == 1
    page.locator("#undoable button").first.click()
    assert page.locator(".turn.user").count() == 3, "what was replaced can be brought back"
    page.locator(".foot button").first.click()
    until(page, "document.querySelectorAll('.foot').length === 1")
    assert len(stub.chats[-1]["messages"]) == 1 and page.locator(".turn.user").count() == 1


def test_settings_do_not_move_the_page(open_page, stub, picture):
    page = open_page(stub.url)
    add(page, picture)
    where = "[...document.querySelectorAll('main > *')].map(e => JSON.stringify(e.getBoundingClientRect())).join()"
    before = page.evaluate(where)
    page.click("#options")
    assert page.locator("#settings").is_visible() and page.evaluate(where) == before
    assert page.evaluate("document.activeElement.id") == "theme"
    page.keyboard.press("Escape")
    assert page.locator("#settings").is_hidden() and page.evaluate("document.activeElement.id") == "options"


@pytest.mark.parametrize(("width", "height"), [(320, 640), (640, 400)])
def test_nothing_overlaps_or_sticks_out_of_a_small_window(open_page, stub, picture, width, height):
    page = open_page(stub.url, viewport={"width": width, "height": height})
    assert page.locator("#talk-head").bounding_box()["height"] < 60
    add(page, picture)
    ask(page, "What is there?")
    page.wait_for_selector(".thing")
    assert page.locator(".thing").first.bounding_box()["width"] < 40, "a word is as wide as its letters"
    page.click("#pane-look")
    tabs = [t.bounding_box() for t in page.locator("[role=tab]:visible").all()]
    assert all(a["x"] + a["width"] <= b["x"] + 1 for a, b in zip(tabs, tabs[1:], strict=False))
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_phone_shows_the_conversation_first_with_name_and_model(open_page, stub, picture):
    page = open_page(stub.url, **PHONE)
    assert page.locator("h1").is_visible() and page.locator("#model-name").is_visible()
    assert page.locator("#talk").is_visible() and page.locator("#look").is_hidden()
    add(page, picture)
    assert page.locator("#talk").is_visible() and page.locator("#attached .tile").is_visible()
    ask(page, "What is there?")
    page.locator(".thing").first.click()
    assert page.locator("#look").is_visible() and page.locator("#marks .lit").count() == 1, "words lead to the picture"
    assert page.locator("#question").is_visible()
    page.fill("#question", "And?")
    page.click("#send")
    assert page.locator("#talk").is_visible(), "a question leads back to the conversation"


def test_the_status_says_that_a_key_is_missing(open_page, stub, picture):
    stub.key = "secret"
    page = open_page(stub.url, errors=["401"], connected="#light.off")
    assert page.locator("#summary").inner_text() == "API key needed"
    page.click("#served")
    assert page.evaluate("document.activeElement.id") == "key", "it leads to the field"
    page.keyboard.type("wrong")
    page.keyboard.press("Enter")
    page.wait_for_selector("#notice:visible")
    assert "does not accept" in page.locator("#notice").inner_text()
    page.fill("#key", "secret")
    page.press("#key", "Enter")
    page.wait_for_selector("#light.on")
    assert page.locator("#model-name").inner_text() == "stub-model" and page.locator("#notice").is_hidden()
    page.keyboard.press("Escape")
    add(page, picture)
    assert ask(page, "What is there?") == ANSWER


def test_a_conversation_is_kept_until_it_is_cleared(open_page, stub, picture):
    page = open_page(stub.url)
    add(page, picture)
    drag(page)
    ask(page, "What is there?")
    page.wait_for_selector(".thing")
    again(page)
    page.wait_for_selector(".thing")
    assert page.locator(".answer-words").inner_text() == ANSWER and page.locator("#thumbs .tile").count() == 1
    assert "Marks: 1." in page.locator("#pen-state").inner_text()
    page.locator(".thing").first.click()
    assert page.locator("#marks .lit").count() == 1, "evidence still leads to the picture"
    ask(page, "And now?")
    assert [t["role"] for t in stub.chats[-1]["messages"]] == ["user", "assistant", "user"]
    assert len(pictures_of(stub.chats[-1]["messages"])) == 1
    page.click("#clear")
    again(page)
    assert page.locator(".turn").count() == 0 and page.locator("#thumbs .tile").count() == 0
    add(page, picture)
    page.click("#options")
    page.uncheck("#keep")
    again(page)
    assert page.locator("#thumbs .tile").count() == 0, "nothing is kept where it is switched off"


def test_a_second_tab_does_not_overwrite_what_the_first_keeps(open_page, stub, picture):
    first = open_page(stub.url)
    add(first, picture)
    first.wait_for_timeout(600)
    second = first.context.new_page()
    second.goto(stub.url)
    second.locator("#thumbs .tile").wait_for()
    ask(first, "What is there?")
    first.wait_for_timeout(600)
    add(second, picture, 2)
    until(second, "document.querySelector('#keep-state').textContent.includes('another tab')")
    again(first)
    assert first.locator(".answer-words").inner_text() == ANSWER and first.locator("#thumbs .tile").count() == 1


def again(page):
    """Load the page anew, after what is to be kept was written."""
    page.wait_for_timeout(600)
    page.reload()
    page.wait_for_selector("#light.on", state="attached")
    page.wait_for_timeout(200)


def test_objects_can_be_looked_for_on_the_tab_of_the_picture(open_page, stub, picture):
    page = open_page(stub.url)
    add(page, picture)
    page.click("text=Look for objects >> visible=true")
    page.wait_for_selector("text=Objects: 4")
    assert page.locator("#tab-plain").get_attribute("aria-selected") == "true"
    assert stub.asked[0][1]["overlays"] is False, "no pictures are drawn that nobody shows"
    page.click("text=Relations: 1")
    assert page.locator("#tab-relations").get_attribute("aria-selected") == "true"


def test_every_icon_has_its_name_beside_it(open_page, stub, picture):
    page = open_page(stub.url)
    add(page, picture)
    ask(page, "What is there?")
    page.evaluate("document.querySelector('#tray').open = true")
    bare = """[...document.querySelectorAll('button')].filter(e => e.checkVisibility() && e.querySelector('svg.icon'))
        .filter(e => !e.innerText.trim()).map(e => e.id || e.className)"""
    assert page.evaluate(bare) == ["shot-picture"], "only the picture's own place in the form of an example"


def test_the_beginning_of_a_conversation_that_is_too_long_is_left_out(open_page, stub, picture):
    stub.longest = 3
    page = open_page(stub.url, errors=["400"])
    add(page, picture)
    for question in ("One?", "Two?", "Three?"):
        assert ask(page, question) == ANSWER
    kept = stub.chats[-1]["messages"]
    assert [t["role"] for t in kept] == ["user", "assistant", "user"] and len(pictures_of(kept)) == 1
    assert "Two?" in json.dumps(kept) and "One?" not in json.dumps(kept)
    assert "beginning was left out" in page.locator(".guard").last.inner_text()


def test_errors_and_warnings_are_in_the_language_of_the_page(open_page, stub, picture):
    page = open_page(stub.url, locale="ko-KR", errors=["500"])
    add(page, picture)
    ask(page, "warn me")
    assert all("서버 메시지(영어)" in t for t in page.locator(".guard").all_inner_texts())
    stub.broken = True
    ask(page, "And?")
    assert "처리하지 못했습니다" in page.locator(".guard").last.inner_text()
