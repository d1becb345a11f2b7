"""The page in real Chromium, on the real server: by mouse, by keyboard, on a phone, in both languages, light and dark."""

import json
import re
import shutil
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "src" / "nunbit" / "serving" / "page"
EXAMPLES = Path(__file__).parents[2] / "examples"
PICTURE = next(iter(sorted(EXAMPLES.glob("*.png"))))


def test_every_string_has_both_languages_and_every_name_a_string():
    strings = (PAGE / "strings.js").read_text()
    entries = re.findall(r'^  (\w+): \["((?:[^"\\]|\\.)+)", "((?:[^"\\]|\\.)+)"\],$', strings, re.M)
    assert len(entries) == strings.count('["') > 50
    assert all(re.search("[가-힣]", korean) or name in ("language", "languageName") for name, _, korean in entries)
    html, names = (PAGE / "index.html").read_text(), {e[0] for e in entries}
    used = set(re.findall(r'data-(?:say|title|label)="(\w+)"', html)) | set(
        re.findall(r'say\("(\w+)"\)', (PAGE / "app.js").read_text())
    )
    assert used <= names and names - used <= {"circle", "box", "arrow", "free"}


def test_nothing_from_elsewhere_and_no_html_from_text():
    for file in PAGE.iterdir():
        text = file.read_text()
        assert set(re.findall(r"https?://[^\"' ]+", text)) <= {"http://www.w3.org/2000/svg"}, file
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|\son\w+=\"|style=\"", text
        ), file


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if not found:
        pytest.skip("Chromium is not installed")
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser, running):
    opened, complaints = [], []

    def open_page(**wishes):
        context = browser.new_context(**({"locale": "en-US", "viewport": {"width": 1200, "height": 800}} | wishes))
        page = context.new_page()
        page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda e: complaints.append(str(e)))
        page.on(
            "request",
            lambda r: complaints.append(r.url) if not r.url.startswith((running.url, "data:", "blob:")) else None,
        )
        page.goto(running.url)
        opened.append(context)
        return page

    yield open_page
    for context in opened:
        context.close()
    assert not complaints


def ask(page, text):
    before = page.locator(".turn.assistant .facts").count()
    page.fill("#question", text)
    page.press("#question", "Enter")
    page.locator(".turn.assistant .facts").nth(before).wait_for(timeout=60_000)
    return page.locator(".turn.assistant .words").last.inner_text()


def test_a_picture_a_question_an_answer(open_page, assistant):
    from nunbit.media import decode
    from nunbit.messages import question

    page = open_page()
    page.set_input_files("#file", str(PICTURE))
    page.wait_for_selector(".thumb")
    said = ask(page, "What is in the picture?")
    assert said == assistant.ask(question("What is in the picture?", [decode(PICTURE)]), max_new_tokens=64).text
    facts = page.locator(".facts").last.inner_text()
    assert "ms" in facts and "tokens" in facts
    ask(page, "And what else?")
    assert page.locator(".turn.user .pictures").count() == 1, "the picture is sent once"


def test_drawing_changes_what_is_sent_by_mouse_and_by_keys(open_page):
    page = open_page()
    sent = []
    page.on("request", lambda r: sent.append(json.loads(r.post_data)) if r.url.endswith("completions") else None)
    page.set_input_files("#file", str(PICTURE))
    page.wait_for_selector("#canvas:visible")
    ask(page, "What is this?")
    box = page.locator("#canvas").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + box["height"] * 0.4)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + box["height"] * 0.6, steps=4)
    page.mouse.up()
    ask(page, "And this?")
    page.click("[data-pen=box]")
    page.focus("#canvas")
    for key in ("Enter", "ArrowRight", "ArrowRight", "ArrowDown", "ArrowDown", "Enter"):
        page.keyboard.press(key)
    ask(page, "And that?")
    pictures = [
        p["image_url"]["url"]
        for t in sent[-1]["messages"]
        if t["role"] == "user"
        for p in t["content"]
        if p["type"] == "image_url"
    ]
    assert len(pictures) == 3 == len(set(pictures))
    page.click("#wipe")
    assert page.evaluate("state.pictures[0].marks.length") == 0


def test_what_was_seen_and_the_example_tray(open_page):
    page = open_page()
    sent = []
    page.on("request", lambda r: sent.append(json.loads(r.post_data)) if r.url.endswith("completions") else None)
    page.set_input_files("#file", str(PICTURE))
    page.wait_for_selector(".thumb")
    page.click("#see")
    page.wait_for_selector("#panel img", timeout=60_000)
    for view in ("crayon", "relations", "text", "boxes"):
        page.click(f"#tab-{view}")
        assert (
            page.locator(f"#tab-{view}").get_attribute("aria-selected") == "true"
            and page.locator("#panel").inner_text() is not None
        )
    page.press("#tab-boxes", "ArrowRight")
    assert page.evaluate("document.activeElement.id") == "tab-crayon"
    ask(page, "What is it?")
    page.locator(".facts button").last.click()
    page.click("#options")
    page.click("#clear")
    page.check("#steps")
    ask(page, "What is that?")
    told = sent[-1]["messages"]
    assert [t["role"] for t in told] == ["user", "assistant", "user"] and "step by step" in told[-1]["content"][-1][
        "text"
    ]


def test_names_in_an_answer_show_their_boxes(open_page):
    page = open_page()
    page.set_input_files("#file", str(PICTURE))
    page.wait_for_selector(".thumb")
    page.evaluate(
        "state.scene = {scene: {objects: [{name: 'cat', box: [1, 2, 30, 40]}, {name: 'cat', box: [5, 5, 9, 9]}]}, overlays: {}}"
    )
    page.evaluate("document.querySelector('#turns').append(linked('A cat, not a category <b>x</b>.'))")
    assert page.locator(".thing").count() == 1 and page.locator("#turns b").count() == 0
    page.locator(".thing").click()
    assert page.locator("#marks rect").count() == 2


def test_korean_phone_dark_and_keyboard_alone(open_page):
    page = open_page(locale="ko-KR", viewport={"width": 360, "height": 740}, color_scheme="dark", has_touch=True)
    assert page.locator("#send").inner_text() == "묻기" and page.evaluate("document.documentElement.lang") == "ko"
    page.set_input_files("#file", str(PICTURE))
    page.wait_for_selector(".thumb")
    page.locator("body").press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    page.focus("#question")
    page.keyboard.type("그림에 무엇이 있나요?")
    page.keyboard.press("Enter")
    page.wait_for_selector(".turn.assistant .facts", timeout=60_000)
    page.click("#options")
    assert page.evaluate("document.documentElement.scrollWidth <= 360")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(17, 22, 20)"
    page.click("#language")
    assert page.locator("#send").inner_text() == "Ask"
    assert page.evaluate("[...document.querySelectorAll('button:not([hidden]),input:not([hidden]),textarea')]"
                         ".filter(e => !(e.innerText || e.ariaLabel || e.title || (e.labels && e.labels.length))).length") == 0  # fmt: skip


def test_errors_are_told_and_the_page_goes_on(open_page, tmp_path):
    page = open_page()
    bad = tmp_path / "x.png"
    bad.write_bytes(b"no picture")
    page.set_input_files("#file", str(bad))
    page.wait_for_selector("#notice:visible")
    assert "x.png" in page.locator("#notice").inner_text()
    assert ask(page, "Hello?") is not None
