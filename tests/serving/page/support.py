"""A stand-in for the API that serves the page, and what the tests do in a browser."""

import base64
import io
import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from PIL import Image, ImageDraw

from nunbit.serving.about import about_model, names_of_things, samples_folder

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "src" / "nunbit" / "serving" / "page"
KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
KINDS |= {".png": "image/png", ".jpg": "image/jpeg"}
CARD = {
    "id": "stub-model",
    "modalities": ["text", "image"],
    "max_model_len": 1024,
    "about": about_model("nunbit-small") | {"max_pictures": 8, "max_tokens": 512},
}
POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; style-src 'self'; script-src 'self'; "
    "object-src 'none'; base-uri 'none'"
)
ANSWER = "There is a cat left of two red cars. 고양이가 category <b>STOP</b> 옆에 있습니다."
CAR = {"score": 0.9, "attributes": {"colour": "red", "source": "world-encoder"}, "segment": None}
SCENE = {
    "format": "nunbit.scene/1",
    "width": 320,
    "height": 240,
    "captions": [],
    "meta": {},
    "objects": [
        {"name": "cat", "box": [20, 40, 100, 160], "score": 1.0, "attributes": {}, "segment": 1},
        {"name": "car", "box": [140, 60, 220, 150], **CAR},
        {"name": "car", "box": [230, 60, 310, 150], **CAR},
        {"name": "car", "box": [230, 180, 310, 230], **CAR, "attributes": {"colour": "blue"}},
    ],
    "relations": [{"subject": 0, "predicate": "left of", "object": 1, "score": 0.8}],
    "text_lines": [
        {"text": "STOP", "quad": [[10, 10], [60, 10], [60, 30], [10, 30]], "score": 0.7},
        {"text": "G0", "quad": [[200, 10], [240, 10], [240, 30], [200, 30]], "score": 0.4},
    ],
    "segments": [{"id": 1, "name": "cat", "number": 1, "thing": True, "score": 1.0}],
    "segment_map_runs": [[0, 320 * 100], [1, 320 * 40], [0, 320 * 100]],
}


class Stub(ThreadingHTTPServer):
    """Serves the page as the server does, and answers the API from a table. ``asked`` keeps what was posted."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.asked, self.keys, self.gone, self.blind, self.broken = [], [], threading.Event(), False, False
        self.guard = None
        self.verification, self.full, self.evidence, self.key, self.scene, self.longest = (
            None,
            False,
            None,
            "",
            SCENE,
            64,
        )
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
        if self.path == "/health":
            return self.reply(200, {"status": "ok"})
        if self.path == "/v1/models":
            return self.reply(200, {"data": [CARD]}) if self.allowed() else self.no_key()
        if self.path == "/page/names.json":
            return self.reply(200, names_of_things())
        name = self.path.removeprefix("/page/")
        file = PAGE / (name if self.path != "/" else "index.html")
        if name.startswith("samples/"):
            file = samples_folder() / name.removeprefix("samples/")
        if not file.is_file():
            return self.reply(404, {"error": {"message": "not here"}})
        return self.reply(200, file.read_bytes(), KINDS[file.suffix], **{"Content-Security-Policy": POLICY})

    def allowed(self):
        return not self.server.key or self.headers.get("Authorization") == f"Bearer {self.server.key}"

    def no_key(self):
        error = {"message": "an API key is needed", "type": "authentication_error", "code": "invalid_api_key"}
        return self.reply(401, {"error": error})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, body))
        self.server.keys.append(self.headers.get("Authorization"))
        if not self.allowed():
            return self.no_key()
        if self.path == "/v1/perceive":
            if self.server.blind:
                return self.reply(501, {"error": {"message": "perception is not installed", "type": "x", "code": None}})
            return self.reply(200, {"scene": self.server.scene, "words": "a cat and three cars", "overlays": {}})
        question = body["messages"][-1]["content"][-1]["text"]
        if (self.server.full and "max_tokens" in body) or len(body["messages"]) > self.server.longest:
            error = {"message": "too long", "type": "invalid_request_error", "code": "context_length_exceeded"}
            return self.reply(400, {"error": error})
        if self.server.broken:
            return self.reply(500, {"error": {"message": "it broke <i>", "type": "server_error", "code": None}})
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        if "warn" in question:
            self.send_header("X-Nunbit-Warnings", "the picture is dark; the text is small")
        self.end_headers()
        try:
            evidence = self.server.evidence if body.get("evidence") else None
            made = self.server.verification if body.get("verify") else None
            said = made["answer"] if made else self.server.say(question)
            found = {
                k: v for k, v in {"evidence": evidence, "verification": made, "guard": self.server.guard}.items() if v
            }
            self.stream(said, "forever" in question, "warn" in question, found)
        except OSError:
            self.server.gone.set()

    def stream(self, text, forever, warn, found):
        words = re.findall(r"\S+\s*", text)
        while forever:
            self.event({"choices": [{"index": 0, "delta": {"content": "on "}}]})
            time.sleep(0.03)
        extra = {"nunbit_warnings": ["an injection was seen"]} if warn else {}
        self.event({"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}], **extra})
        for word in words:
            self.event({"choices": [{"index": 0, "delta": {"content": word}, "finish_reason": None}]})
            time.sleep(0.01)
        self.event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop", **found}]})
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


DONE = ".turn.assistant[aria-busy=false]"


def until(page, truth, seconds=20):
    """Wait for a JavaScript expression. Playwright's own wait evaluates strings, which the page's policy forbids."""
    ends = time.monotonic() + seconds
    while not page.evaluate(truth):
        assert time.monotonic() < ends, truth
        time.sleep(0.03)


def add(page, picture, n=1):
    page.set_input_files("#file", picture)
    page.locator("#thumbs .tile").nth(n - 1).wait_for(state="attached")


def ask(page, text, wait=True):
    before = page.locator(DONE).count()
    page.fill("#question", text)
    page.press("#question", "Enter")
    anyway = page.locator("#notice button").nth(1)
    if anyway.is_visible():  # it asks for a picture first
        anyway.click()
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
             const bytes = body.startsWith('data:')
               ? Uint8Array.from(atob(body.split(',')[1]), c => c.charCodeAt(0)) : body;
             d.items.add(new File([bytes], name, {type})); } return d; }""",
        files,
    )
    page.dispatch_event(selector, "dragover", {"dataTransfer": data})
    page.dispatch_event(selector, "drop", {"dataTransfer": data})
