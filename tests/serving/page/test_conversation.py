"""Conversations on the page: asked, streamed, stopped, repeated, saved; with examples; when the server fails."""

import json
import re
from pathlib import Path

from tests.serving.page.support import ANSWER, ROOT, add, ask, drawing, drop, opened_uri, pictures_of, until, uri


def test_a_picture_a_question_a_streamed_answer(open_page, stub, picture):
    page = open_page(stub.url)
    assert page.locator("#model-name").inner_text() == "stub-model"
    add(page, picture)
    assert page.locator("#attached img").count() == 1
    assert ask(page, "What is there?") == ANSWER
    assert re.search(r"^\d\.\d s$", page.locator(".took").last.inner_text())
    page.locator(".figures summary").last.click()
    facts = page.locator(".figures").last.inner_text()
    assert re.search(r"first words came after \d\.\d s", facts) and "read 120 tokens" in facts
    sent = stub.chats[0]
    assert sent["stream"] and sent["stream_options"] == {"include_usage": True} and sent["model"] == "stub-model"
    assert opened_uri(pictures_of(sent["messages"])[0]).size == (320, 240)
    assert page.locator("#live").inner_text().count("There is a cat") == 1 and page.locator("#turns b").count() == 0
    ask(page, "And what else?")
    assert [t["role"] for t in stub.chats[1]["messages"]] == ["user", "assistant", "user"]
    assert page.locator(".turn.user .pictures").count() == 1, "the picture is sent once"


def test_examples_typed_dropped_counted_and_switched_off(open_page, stub, picture):
    page = open_page(stub.url)
    page.click("#tray summary")
    page.set_input_files("#shot-file", picture)
    page.wait_for_selector("#shot-picture img")
    page.fill("#shot-question", "How many?")
    page.fill("#shot-answer", "one")
    page.press("#shot-answer", "Enter")
    rows = [{"image": "x.png", "question": "Which?", "answers": ["a cat"]}, {"question": "Why?", "answer": "because"}]
    text = "\n".join(json.dumps(r) for r in rows)
    drop(page, "#tray", [["e.jsonl", "", text], ["x.png", "image/png", uri(drawing())]])
    page.locator("#shots li").nth(2).wait_for()
    ask(page, "And here?")
    page.locator(".keep-shot").last.click()
    assert page.locator("#shots li").count() == 4
    page.fill("#k", "2")
    ask(page, "And now?")
    page.uncheck("#use-shots")
    ask(page, "And off?")
    first, second, third = (c["messages"] for c in stub.chats)
    assert len(pictures_of(first)) == 2
    assert [t["content"] for t in first if t["role"] == "assistant"] == ["one", "a cat", "because"]
    assert [t["content"] for t in second if t["role"] == "assistant"] == ["one", "a cat", ANSWER]
    assert len(third) == 5
    drop(page, "#tray", [["bad.jsonl", "", '{"question": 1}']])
    page.wait_for_selector("#notice:visible")
    page.locator("#shots button").first.click()
    assert page.locator("#shots li").count() == 3


def test_step_by_step_asks_twice(open_page, stub, picture):
    stub.say = lambda question: "Two plus two." if "step by step" in question else "4"
    page = open_page(stub.url)
    page.click("#steps")
    assert ask(page, "How many?") == "4"
    assert "Two plus two." in page.locator(".turn details.plain").text_content()
    assert [t["role"] for t in stub.chats[1]["messages"]] == ["user", "assistant", "user"]
    assert "the answer is" in stub.chats[1]["messages"][-1]["content"][-1]["text"]


def test_stop_ends_the_answer_on_both_sides(open_page, stub):
    page = open_page(stub.url)
    ask(page, "forever", wait=False)
    until(page, "(document.querySelector('.answer-words') || {innerText: ''}).innerText.length > 9")
    page.click("#stop")
    page.wait_for_selector(".foot")
    assert "stopped" in page.locator(".turn.assistant").inner_text() and page.locator("#send").is_visible()
    assert stub.gone.wait(5), "the server still works"
    assert page.evaluate("document.activeElement.id") == "question"
    ask(page, "forever", wait=False)
    page.wait_for_selector("#stop:visible")
    page.keyboard.press("Escape")
    page.locator(".foot").nth(1).wait_for()


def test_warnings_errors_and_another_try(open_page, stub, picture, tmp_path):
    page = open_page(stub.url, errors=["500"])
    (tmp_path / "x.png").write_bytes(b"no picture")
    page.set_input_files("#file", str(tmp_path / "x.png"))
    page.wait_for_selector("#notice:visible")
    assert "x.png" in page.locator("#notice").inner_text()
    ask(page, "warn me")
    shown = page.locator(".guard").all_inner_texts()
    assert len(shown) == 3 and any("injection" in t for t in shown) and any("dark" in t for t in shown)
    stub.broken = True
    add(page, picture)
    ask(page, "And this?")
    assert "failed on this request" in page.locator(".guard").last.inner_text()
    ask(page, "And that?")
    failed = stub.chats[-1]["messages"]
    assert [t["role"] for t in failed] == ["user", "assistant", "user"], "a failed turn is not shown again"
    assert len(pictures_of(failed)) == 1, "its picture is not lost"
    stub.broken = False
    page.locator(".guard button").last.click()
    until(page, "document.querySelector('.turn:last-child .foot')")
    assert stub.chats[-1]["messages"] == failed and page.locator(".guard button").count() == 1
    ask(page, "And after?")
    assert len(stub.chats[-1]["messages"]) == 5 and len(pictures_of(stub.chats[-1]["messages"])) == 1


def test_a_long_conversation_gets_the_length_that_fits(open_page, stub):
    page = open_page(stub.url, errors=["400"])
    stub.full = True
    assert ask(page, "What is there?") == ANSWER and page.locator(".guard").count() == 0
    assert ["max_tokens" in body for body in stub.chats] == [True, False]


def test_a_server_that_is_gone(open_page, stub):
    page = open_page(stub.url, errors=["ERR_"])
    stub.shutdown()
    stub.server_close()
    ask(page, "Anyone?")
    assert "does not answer" in page.locator(".guard").inner_text() and page.locator("#light.off").is_visible()


def test_the_key_goes_along_and_stays_in_the_tab(open_page, stub):
    page = open_page(stub.url)
    page.click("#options")
    page.fill("#key", "secret-1")
    page.press("#key", "Tab")
    page.keyboard.press("Escape")
    ask(page, "Hello?")
    assert stub.keys[-1] == "Bearer secret-1"
    assert page.evaluate("sessionStorage.getItem('key')") == "secret-1"
    assert "secret" not in page.evaluate("JSON.stringify(localStorage) + document.cookie")


def test_conversation_is_saved_and_cleared(open_page, stub, picture):
    page = open_page(stub.url)
    add(page, picture)
    ask(page, "What is there?")
    with page.expect_download() as got:
        page.click("#save-json")
    saved = json.loads(Path(got.value.path()).read_text())
    assert saved["turns"][0]["question"] == "What is there?" and saved["turns"][0]["answer"] == ANSWER
    assert saved["turns"][0]["pictures"][0].startswith("data:image/png") and saved["model"] == "stub-model"
    with page.expect_download() as got:
        page.click("#save-text")
    text = Path(got.value.path()).read_text()
    assert "## You" in text and ANSWER in text and "](data:image/png;base64," in text
    page.click("#clear")
    assert page.locator(".turn").count() == 0 and page.locator("#welcome").is_visible()
    ask(page, "Again?")
    assert len(stub.chats[-1]["messages"]) == 1 and pictures_of(stub.chats[-1]["messages"]) == []


def test_the_real_server_answers_the_page(open_page, running, assistant):
    from nunbit.media import decode
    from nunbit.messages import question

    picture = ROOT / "examples" / "animals.png"
    page = open_page(running.url)
    page.click("#options")
    page.uncheck("#auto")
    add(page, str(picture))
    said = ask(page, "What is in the picture?")
    assert said == assistant.ask(question("What is in the picture?", [decode(picture)]), max_new_tokens=64).text
    page.click("#tab-boxes")
    until(page, "!document.querySelector('.busy') && document.querySelector('#found').innerText", 60)
    assert page.locator("#notice").is_hidden()


def test_the_enter_that_ends_a_syllable_sends_nothing(open_page, stub, picture):
    page = open_page(stub.url)
    add(page, picture)
    page.fill("#question", "안녕")
    enter = """more => document.querySelector('#question').dispatchEvent(
        new KeyboardEvent('keydown', {key: 'Enter', bubbles: true, cancelable: true, ...more}))"""
    for composing in ({"isComposing": True}, {"keyCode": 229}):  # the second is how Safari has it
        page.evaluate(enter, composing)
        assert page.locator("#question").input_value() == "안녕" and page.locator(".turn").count() == 0
    page.evaluate(enter, {"keyCode": 13})
    page.locator(".foot").wait_for()
    assert len(stub.chats) == 1


def test_numbers_of_the_settings_are_sent_within_their_bounds(open_page, stub, picture):
    page = open_page(stub.url)
    add(page, picture)
    given = [("9", "0"), ("-1", "99999"), ("", "1.6"), ("0.5", "-3")]
    for temperature, longest in given:
        page.click("#options")
        page.fill("#temperature", temperature)
        page.fill("#longest", longest)
        page.keyboard.press("Escape")
        ask(page, "What is there?")
    assert [(c["temperature"], c["max_tokens"]) for c in stub.chats] == [(2, 256), (0, 4096), (0, 2), (0.5, 1)]


def test_what_has_to_wait_for_an_answer_says_so(open_page, stub, picture):
    page = open_page(stub.url)
    add(page, picture)
    ask(page, "First?")
    ask(page, "forever", wait=False)
    page.wait_for_selector(".turn.assistant.running .answer-words")
    notice = page.locator("#notice")
    for act in (page.locator(".edit").first.click, page.locator(".foot button").first.click):
        act()
        assert "still being written" in notice.inner_text() and page.locator(".turn.user").count() == 2
        page.evaluate("document.querySelector('#notice').hidden = true")
    page.fill("#question", "Third?")
    page.press("#question", "Enter")
    assert "still being written" in notice.inner_text() and page.locator("#question").input_value() == "Third?"
    notice.locator("button").click()
    until(page, "document.querySelectorAll('.turn.assistant[aria-busy=false]').length === 2")
    assert notice.is_hidden() and len(stub.chats) == 2
    page.press("#question", "Enter")
    page.locator(".turn.user").nth(2).wait_for()
