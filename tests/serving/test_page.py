"""The page in Chromium, against a small stand-in for the API: by mouse, by keyboard, on a phone, in both languages, light and
dark. One test asks the real server."""

import base64
import io
import json
import re
import shutil
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "src" / "nunbit" / "serving" / "page"
KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
POLICY = "default-src 'self'; img-src 'self' data: blob:; style-src 'self'; script-src 'self'; object-src 'none'; base-uri 'none'"
ANSWER = "There is a cat left of two red cars. 고양이가 category <b>STOP</b> 옆에 있습니다."
CAR = {"score": 0.9, "attributes": {"colour": "red"}, "segment": None}
SCENE = {
    "format": "nunbit.scene/1", "width": 320, "height": 240, "captions": [], "meta": {},
    "objects": [{"name": "cat", "box": [20, 40, 100, 160], "score": 1.0, "attributes": {}, "segment": 1},
                {"name": "car", "box": [140, 60, 220, 150], **CAR}, {"name": "car", "box": [230, 60, 310, 150], **CAR},
                {"name": "car", "box": [230, 180, 310, 230], **CAR, "attributes": {"colour": "blue"}}],
    "relations": [{"subject": 0, "predicate": "left of", "object": 1, "score": 0.8}],
    "text_lines": [{"text": "STOP", "quad": [[10, 10], [60, 10], [60, 30], [10, 30]], "score": 0.7}],
    "segments": [{"id": 1, "name": "cat", "number": 1, "thing": True, "score": 1.0}],
    "segment_map_runs": [[0, 320 * 100], [1, 320 * 40], [0, 320 * 100]],
}  # fmt: skip


# ---- without a browser ----


def strings():
    return re.findall(
        r'^  (\w+): \["((?:[^"\\]|\\.)+)", "((?:[^"\\]|\\.)+)"\],$', (PAGE / "strings.js").read_text(), re.M
    )


def test_every_string_has_both_languages_and_every_name_a_string():
    entries = strings()
    assert len(entries) == len({e[0] for e in entries}) == (PAGE / "strings.js").read_text().count('["', 1) - 1 > 80
    for name, english, korean in entries:
        assert name in ("language", "languageName") or (
            re.search("[가-힣]", korean) and not re.search("[가-힣]", english)
        )
        assert set(re.findall(r"\{\w+\}", english)) == set(re.findall(r"\{\w+\}", korean)), name
    code, names = "".join(p.read_text() for p in PAGE.glob("*.js")), {e[0] for e in entries}
    html = (PAGE / "index.html").read_text()
    used = set(re.findall(r'data-(?:say|title|label|hint)="(\w+)"', html)) | set(re.findall(r'say\("(\w+)"', code))
    assert used <= names
    spoken = used | set(re.findall(r'"(\w+)"', code.split("STRINGS = {")[0] + code.split("export const LANGUAGES")[1]))
    assert names <= spoken, "strings that nobody says"


def test_nothing_from_elsewhere_and_no_html_from_text():
    for file in PAGE.iterdir():
        text = file.read_text()
        if file.name == "icon.svg":
            text = text.replace('xmlns="http://www.w3.org/2000/svg"', "")
        assert not re.search(r"https?://|\b(?:src|href)=\"//|@import|url\((?!#)", text), file
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|srcdoc", text
        ), file
        assert file.suffix != ".html" or not re.search(
            r"\son\w+=|\sstyle=|<style|<script(?![^>]*\ssrc=)|javascript:", text
        ), file


def test_names_of_things_are_those_of_the_world():
    things = json.loads((ROOT / "src" / "nunbit" / "world" / "art" / "things.json").read_text())
    ours = re.findall(r'\["([^"]+)","([^"]+)","([^"]+)"\]', (PAGE / "words.js").read_text())
    assert sorted(ours) == sorted({(t["en"], t["plural"], t["ko"]) for t in things})


def test_reasoning_is_asked_for_in_the_words_of_the_package():
    from nunbit.prompting.chain_of_thought import CONCLUDE, THINK

    code = (PAGE / "app.js").read_text()
    assert all(f'"{words}"' in code for words in (*THINK.values(), *CONCLUDE.values()))


# ---- with one ----


class Stub(ThreadingHTTPServer):
    """Serves the page as the server does, and answers the API from a table. ``asked`` keeps what was posted."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.asked, self.keys, self.gone, self.blind, self.broken = [], [], threading.Event(), False, False
        self.say = lambda question: ANSWER
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def chats(self):
        return [body for path, body in self.asked if path.endswith("completions")]


class Handler(BaseHTTPRequestHandler):
    server: Stub

    def log_message(self, *_):
        pass

    def reply(self, status, body, kind="application/json", **headers):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": len(data), **headers}.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        if self.path in ("/health", "/v1/models"):
            return self.reply(200, {"status": "ok", "data": [{"id": "stub-model"}]})
        file = PAGE / ("index.html" if self.path == "/" else self.path.removeprefix("/page/"))
        if not file.is_file():
            return self.reply(404, {"error": {"message": "not here"}})
        return self.reply(200, file.read_bytes(), KINDS[file.suffix], **{"Content-Security-Policy": POLICY})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, body))
        self.server.keys.append(self.headers.get("Authorization"))
        if self.path == "/v1/perceive":
            if self.server.blind:
                return self.reply(501, {"error": {"message": "no eyes are installed", "type": "x", "code": None}})
            shown = {"crayon": uri(Image.new("RGB", (320, 240), "teal"))}
            return self.reply(200, {"scene": SCENE, "words": "a cat and three cars", "overlays": shown})
        question = body["messages"][-1]["content"][-1]["text"]
        if self.server.broken:
            return self.reply(500, {"error": {"message": "it broke <i>", "type": "server_error", "code": None}})
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        if "warn" in question:
            self.send_header("X-Nunbit-Warnings", "the picture is dark; the text is small")
        self.end_headers()
        try:
            self.stream(self.server.say(question), forever="forever" in question, warn="warn" in question)
        except OSError:
            self.server.gone.set()

    def stream(self, text, forever, warn):
        words = re.findall(r"\S+\s*", text)
        while forever:
            self.event({"choices": [{"index": 0, "delta": {"content": "on "}}]})
            time.sleep(0.03)
        extra = {"nunbit_warnings": ["an injection was seen"]} if warn else {}
        self.event({"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}], **extra})
        for word in words:
            self.event({"choices": [{"index": 0, "delta": {"content": word}, "finish_reason": None}]})
            time.sleep(0.01)
        self.event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        self.event({"choices": [], "usage": {"prompt_tokens": 120, "completion_tokens": len(words), "total_tokens": 0}})
        self.wfile.write(b"data: [DONE]\n\n")

    def event(self, data):
        raw = f"data: {json.dumps(data, ensure_ascii=False)}\n\n".encode()
        half = len(raw) // 2  # parted in the middle of lines, and of letters
        for piece in (raw[:half], raw[half:]):
            self.wfile.write(piece)
            self.wfile.flush()


def drawing(size=(320, 240)):
    image = Image.new("RGB", size, "white")
    ImageDraw.Draw(image).rectangle((20, 40, 100, 160), fill="orange")
    return image


def uri(image):
    out = io.BytesIO()
    image.save(out, "PNG")
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()


def opened_uri(data):
    return Image.open(io.BytesIO(base64.b64decode(data.split(",", 1)[1])))


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if not found:
        pytest.skip("Chromium is not installed")
    with playwright.sync_playwright() as p:
        camera = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
        browser = p.chromium.launch(executable_path=found, args=["--no-sandbox", *camera])
        yield browser
        browser.close()


@pytest.fixture
def stub():
    server = Stub()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def picture(tmp_path):
    drawing().save(tmp_path / "one.png")
    return str(tmp_path / "one.png")


@pytest.fixture
def open_page(browser, request):
    opened, complaints, allowed = [], [], []

    def open_page(url, errors=(), **wishes):
        allowed.extend(errors)
        context = browser.new_context(**({"locale": "en-US", "viewport": {"width": 1200, "height": 800}} | wishes))
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda e: complaints.append(str(e)))
        page.on(
            "request", lambda r: complaints.append(r.url) if not r.url.startswith((url, "data:", "blob:")) else None
        )
        page.goto(url)
        page.wait_for_selector("#light.on", state="attached")
        opened.append(context)
        return page

    yield open_page
    for context in opened:
        context.close()
    assert [c for c in complaints if not any(a in c for a in allowed)] == []


DONE = ".turn.assistant[aria-busy=false]"


def until(page, truth, seconds=20):
    """Wait for a JavaScript expression. Playwright's own wait evaluates strings, which the page's policy forbids."""
    ends = time.monotonic() + seconds
    while not page.evaluate(truth):
        assert time.monotonic() < ends, truth
        time.sleep(0.03)


def add(page, picture, n=1):
    page.set_input_files("#file", picture)
    page.locator(".thumb").nth(n - 1).wait_for()


def ask(page, text, wait=True):
    before = page.locator(DONE).count()
    page.fill("#question", text)
    page.press("#question", "Enter")
    if not wait:
        return ""
    page.locator(DONE).nth(before).wait_for(timeout=60_000)
    return page.locator(".answer-words").last.inner_text()


def drag(page, start=(0.4, 0.4), end=(0.7, 0.7)):
    box = page.locator("#canvas").bounding_box()
    where = [(box["x"] + box["width"] * x, box["y"] + box["height"] * y) for x, y in (start, end)]
    page.mouse.move(*where[0])
    page.mouse.down()
    page.mouse.move(*where[1], steps=4)
    page.mouse.up()


def pictures_of(messages):
    return [
        p["image_url"]["url"] for t in messages if t["role"] == "user" for p in t["content"] if p["type"] == "image_url"
    ]


def drop(page, selector, files):
    """Drop (name, type, text or data: URI) on an element, as a file manager does."""
    data = page.evaluate_handle(
        """files => { const d = new DataTransfer(); for (const [name, type, body] of files) {
             const bytes = body.startsWith('data:') ? Uint8Array.from(atob(body.split(',')[1]), c => c.charCodeAt(0)) : body;
             d.items.add(new File([bytes], name, {type})); } return d; }""",
        files,
    )
    page.dispatch_event(selector, "dragover", {"dataTransfer": data})
    page.dispatch_event(selector, "drop", {"dataTransfer": data})


def test_a_picture_a_question_a_streamed_answer(open_page, stub, picture):
    page = open_page(stub.url)
    assert page.locator("#model-name").inner_text() == "stub-model"
    add(page, picture)
    assert page.locator("#attached img").count() == 1
    assert ask(page, "What is there?") == ANSWER
    facts = page.locator(".facts").last.inner_text()
    assert re.search(r"\d+ ms", facts) and "tokens/s" in facts and "120 read" in facts
    sent = stub.chats[0]
    assert sent["stream"] and sent["stream_options"] == {"include_usage": True} and sent["model"] == "stub-model"
    assert opened_uri(pictures_of(sent["messages"])[0]).size == (320, 240)
    assert page.locator("#live").inner_text().count("There is a cat") == 1 and page.locator("#turns b").count() == 0
    ask(page, "And what else?")
    assert [t["role"] for t in stub.chats[1]["messages"]] == ["user", "assistant", "user"]
    assert page.locator(".turn.user .pictures").count() == 1, "the picture is sent once"


def test_drawing_changes_what_is_sent_by_mouse_and_by_keys(open_page, stub, picture):
    page = open_page(stub.url)
    add(page, picture)
    ask(page, "What is this?")
    drag(page)
    ask(page, "And this?")
    for pen in ("arrow", "free"):
        page.click(f"[data-pen={pen}]")
        drag(page, (0.1, 0.1), (0.3, 0.8))
    page.click("[data-pen=box]")
    page.focus("#canvas")
    for key in "Enter ArrowRight ArrowRight ArrowDown Shift+ArrowDown Enter Enter ArrowUp Escape".split():
        page.keyboard.press(key)
    assert "Mark placed" in page.locator("#live").inner_text()
    ask(page, "And that?")
    pictures = pictures_of(stub.chats[-1]["messages"])
    assert len(pictures) == 3 == len(set(pictures))
    plain, circled = (opened_uri(p).convert("RGB") for p in pictures[:2])
    assert plain.size == circled.size and plain.getpixel((176, 96)) != circled.getpixel((176, 96)), (
        "the top of the circle"
    )
    for _ in range(3):
        page.click("#undo")
    ask(page, "As before?")
    assert pictures_of(stub.chats[-1]["messages"])[-1] == pictures[1]
    page.click("#wipe")
    assert page.locator("#undo").is_disabled()


def test_several_pictures_dropped_pasted_photographed_and_removed(open_page, stub, tmp_path):
    page = open_page(stub.url)
    drop(page, "#view", [["a.png", "image/png", uri(drawing())], ["b.png", "image/png", uri(drawing((64, 64)))]])
    page.locator(".thumb").nth(1).wait_for()
    page.evaluate(
        """body => { const d = new DataTransfer(); d.items.add(new File([Uint8Array.from(atob(body), c => c.charCodeAt(0))], "p.png", {type: "image/png"}));
             document.dispatchEvent(new ClipboardEvent("paste", {clipboardData: d, bubbles: true})); }""",
        uri(drawing((90, 40))).split(",")[1],
    )
    page.locator(".thumb").nth(2).wait_for()
    page.locator(".shoot:visible").last.click()
    until(page, "document.querySelector('video').videoWidth > 0 && document.querySelector('dialog').open")
    page.click("[data-take]")
    page.locator(".thumb").nth(3).wait_for()
    Image.effect_noise((3000, 1500), 90).convert("RGB").save(tmp_path / "large.jpg", quality=60)
    page.set_input_files("#file", str(tmp_path / "large.jpg"))
    page.locator(".thumb").nth(4).wait_for()
    page.locator(".thumb .x").nth(1).click()
    ask(page, "What are these?")
    pictures = pictures_of(stub.chats[0]["messages"])
    sizes = [opened_uri(p).size for p in pictures]
    assert len(sizes) == 4 and sizes[:2] == [(320, 240), (90, 40)] and sizes[3] == (2048, 1024)
    assert all(p.startswith("data:image/jpeg") for p in pictures[2:])


def test_never_more_pictures_than_the_server_takes(open_page, stub, picture):
    page = open_page(stub.url)
    page.set_input_files("#file", [picture] * 9)
    page.locator(".thumb").nth(7).wait_for()
    assert "8" in page.locator("#notice").inner_text() and page.locator(".thumb").count() == 8
    ask(page, "Which?")
    drag(page)
    ask(page, "And now?")
    assert len(pictures_of(stub.chats[-1]["messages"])) == 8 and "left out" in page.locator(".guard").last.inner_text()


def test_tabs_show_what_the_model_saw(open_page, stub, picture):
    page = open_page(stub.url)
    add(page, picture)
    page.click("#tab-boxes")
    page.wait_for_selector("#marks .plate")
    assert page.locator("#marks .plate").count() == 4 and "1. cat" in page.locator("#found").inner_text()
    page.locator("#found button").first.click()
    assert page.locator("#marks .lit").count() == 1
    page.click("#tab-crayon")
    assert page.locator("#overlay").is_visible() and "cat 1" in page.locator("#found").inner_text()
    page.press("#tab-crayon", "ArrowRight")
    page.press("#tab-boxes", "ArrowRight")
    assert page.evaluate("document.activeElement.id") == "tab-relations"
    assert page.locator(".graph .node").count() == 2 and "cat left of car" in page.locator("#found").inner_text()
    page.locator("#found button").first.click()
    assert page.locator(".graph .edge.lit").count() == 1
    page.click("#tab-text")
    assert "STOP" in page.locator("#found").inner_text() and page.locator("#marks .plain").count() == 1
    page.press("#tab-text", "Home")
    assert page.locator("#tab-plain").get_attribute("aria-selected") == "true" and page.locator("#pens").is_visible()
    assert [p for p, _ in stub.asked] == ["/v1/perceive"], "one look a picture"


def test_names_in_an_answer_show_their_boxes(open_page, stub, picture):
    page = open_page(stub.url)
    add(page, picture)
    ask(page, "What is there?")
    page.wait_for_selector(".thing")
    assert [t.inner_text() for t in page.locator(".thing").all()] == ["cat", "cars", "고양이", "STOP"]
    assert page.locator(".answer-words").inner_text() == ANSWER
    for at, boxes in ((0, 1), (1, 2), (2, 1), (3, 1)):
        page.locator(".thing").nth(at).click()
        assert page.locator("#marks .lit").count() == boxes
    page.locator(".thing").last.click()
    assert page.locator("#marks .lit").count() == 0 and page.locator("#marks").inner_html() == ""


def test_a_server_without_eyes_is_told_once_asked(open_page, stub, picture):
    stub.blind = True
    page = open_page(stub.url, errors=["501"])
    add(page, picture)
    ask(page, "What is there?")
    ask(page, "And?")
    assert page.locator("#notice").is_hidden() and sum(p == "/v1/perceive" for p, _ in stub.asked) == 1
    page.click("#tab-boxes")
    until(page, "document.querySelector('#found').innerText.includes('no eyes')")


def test_solved_examples_typed_dropped_counted_and_switched_off(open_page, stub, picture):
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
    page.locator(".facts button").last.click()
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
    assert "Two plus two." in page.locator(".turn details").text_content()
    assert [t["role"] for t in stub.chats[1]["messages"]] == ["user", "assistant", "user"]
    assert "the answer is" in stub.chats[1]["messages"][-1]["content"][-1]["text"]


def test_stop_ends_the_answer_on_both_sides(open_page, stub):
    page = open_page(stub.url)
    ask(page, "forever", wait=False)
    until(page, "(document.querySelector('.answer-words') || {innerText: ''}).innerText.length > 9")
    page.click("#stop")
    page.wait_for_selector(".facts")
    assert "stopped" in page.locator(".facts").inner_text() and page.locator("#send").is_visible()
    assert stub.gone.wait(5), "the server was not told"
    assert page.evaluate("document.activeElement.id") == "question"
    ask(page, "forever", wait=False)
    page.wait_for_selector("#stop:visible")
    page.keyboard.press("Escape")
    page.locator(".facts").nth(1).wait_for()


def test_warnings_errors_and_another_try(open_page, stub, picture, tmp_path):
    page = open_page(stub.url, errors=["500"])
    (tmp_path / "x.png").write_bytes(b"no picture")
    page.set_input_files("#file", str(tmp_path / "x.png"))
    page.wait_for_selector("#notice:visible")
    assert "x.png" in page.locator("#notice").inner_text()
    ask(page, "warn me")
    told = page.locator(".guard").all_inner_texts()
    assert len(told) == 3 and any("injection" in t for t in told) and any("dark" in t for t in told)
    stub.broken = True
    add(page, picture)
    ask(page, "And this?")
    assert "it broke <i>" in page.locator(".guard").last.inner_text()
    ask(page, "And that?")
    failed = stub.chats[-1]["messages"]
    assert [t["role"] for t in failed] == ["user", "assistant", "user"], "a failed turn is not told again"
    assert len(pictures_of(failed)) == 1, "its picture is not lost"
    stub.broken = False
    page.locator(".guard button").last.click()
    until(page, "document.querySelector('.turn:last-child .facts')")
    assert stub.chats[-1]["messages"] == failed and page.locator(".guard button").count() == 1
    ask(page, "And after?")
    assert len(stub.chats[-1]["messages"]) == 5 and len(pictures_of(stub.chats[-1]["messages"])) == 1


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
    assert len(stub.chats[-1]["messages"]) == 1 and len(pictures_of(stub.chats[-1]["messages"])) == 1


def test_languages_and_themes(open_page, stub, picture):
    page = open_page(stub.url)
    add(page, picture)
    ask(page, "What is there?")
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.click("#language")
    assert page.evaluate("document.documentElement.lang") == "ko" and page.locator("#send").inner_text() == "묻기"
    page.click("#tab-boxes")
    assert "1. 고양이" in page.locator("#found").inner_text() and "토큰" in page.locator(".facts").inner_text()
    visible = " ".join(page.locator(part).inner_text() for part in ("header", "#look", "#talk-head", ".facts", "#ask"))
    assert set(re.findall("[A-Za-z]{3,}", visible)) <= set(
        "Nunbit English stub model red blue STOP and three cars question answer image JSON Lines".split()
    )
    page.click("#theme")
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.reload()
    page.wait_for_selector("#light.on", state="attached")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == dark != light
    assert page.locator("#send").inner_text() == "묻기"


@pytest.mark.parametrize("locale", ["ko-KR", "en-US"])
def test_phone_width_in_the_dark(open_page, stub, picture, locale):
    phone = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
    page = open_page(stub.url, locale=locale, color_scheme="dark", **phone)
    narrow = "document.documentElement.scrollWidth <= 360"
    assert page.evaluate(narrow)
    page.set_input_files("#file", [picture] * 8)
    page.locator(".thumb").nth(7).wait_for()
    ask(page, "길" * 60 + " " + "W" * 80)
    page.wait_for_selector(".thing")
    page.click("#options")
    page.evaluate("document.querySelector('#tray').open = true")
    for view in ("boxes", "crayon", "relations", "text", "plain"):
        page.click(f"#tab-{view}")
        assert page.evaluate(narrow), view
    box = page.locator("#ask").bounding_box()
    assert box["y"] + box["height"] <= 741, "the question is at hand"
    small = """[...document.querySelectorAll('button')].filter(e => e.offsetWidth && !e.classList.contains('thing'))
               .filter(e => e.offsetWidth < 24 || e.offsetHeight < 24).map(e => e.id || e.className)"""
    assert page.evaluate(small) == []


def test_keyboard_alone_and_everything_has_a_name(open_page, stub, picture):
    page = open_page(stub.url, color_scheme="dark")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    page.keyboard.type("What is there?")
    page.keyboard.press("Enter")
    page.wait_for_selector(".facts")
    assert page.evaluate("document.activeElement.id") == "question"
    add(page, picture)
    page.click("#options")
    page.evaluate("document.querySelector('#tray').open = true")
    page.evaluate("document.activeElement.blur()")
    seen, unseen = [], []
    for _ in range(60):
        page.keyboard.press("Tab")
        here = page.evaluate("""(() => { const e = document.activeElement, s = getComputedStyle(e);
            return [e.id || e.dataset.pen || e.className || e.tagName, s.outlineStyle + s.boxShadow, e.closest('#ask') ? 'ask' : '']; })()""")
        if here[0] in seen[:1]:
            break
        seen.append(here[0])
        if here[1] == "nonenone" and here[0] not in ("BODY", "question"):
            unseen.append(here[0])
    assert set("question send canvas circle tab-plain language theme options key k save-json".split()) <= set(seen)
    assert unseen == [], "focus that cannot be seen"
    nameless = """[...document.querySelectorAll('button,input:not([hidden]),textarea,select,[role=tab],canvas,video,dialog')]
        .filter(e => !(e.textContent.trim() || e.ariaLabel || e.title || (e.labels && e.labels.length))).map(e => e.outerHTML)"""
    assert page.evaluate(nameless) == []
    assert page.evaluate("[...document.querySelectorAll('img')].every(e => e.hasAttribute('alt'))")
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_letters_stand_out(open_page, stub, picture, scheme):
    """WCAG AA: 4.5 to 1, for the pairs of colours the page writes with."""
    page = open_page(stub.url, color_scheme=scheme)
    pairs = [("ink", "back"), ("ink", "card"), ("quiet", "back"), ("quiet", "card"), ("accent", "card"), ("accent", "soft"),
             ("on-accent", "accent"), ("warn", "warn-soft"), ("ink", "soft"), ("quiet", "well")]  # fmt: skip
    value = page.evaluate("names => names.map(n => getComputedStyle(document.documentElement).getPropertyValue('--' + n).trim())",
                          sorted({n for p in pairs for n in p}))  # fmt: skip
    colours = dict(zip(sorted({n for p in pairs for n in p}), map(luminance, value), strict=True))
    for a, b in pairs:
        high, low = max(colours[a], colours[b]), min(colours[a], colours[b])
        assert (high + 0.05) / (low + 0.05) >= 4.5, (a, b)


def luminance(colour):
    digits = colour[1:] if len(colour) == 7 else "".join(c * 2 for c in colour[1:])
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    r, g, b = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


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
