"""A teacher server that misbehaves on purpose: 429, 500, silence, half a JSON, another language, broken forms.

Its good reply is the template teacher's about the context that it was sent, so it depends on the item alone.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FAULTS = ("429", "500", "hang", "half", "language", "format", "refusal", "empty", "drop", "model gone")
GOOD = {
    "en/conversation": "Question:\nWhat makes number {d} special?\n===\nAnswer:\nThis is the code {d}.\n===\n"
    "Question:\nIs it a code of the archive?\n===\nAnswer:\nYes, that is so.\n===",
    "en/detail": "A calm scene with the code {d}. Nothing stands out. It is quiet. All is still.",
    "en/reasoning": "Question:\nWhat may come next?\n===\nAnswer:\nThe code is {d}. Codes are for looking up. "
    "So somebody will look it up.\n===",
    "ko/conversation": "Question:\n기록 번호는 무엇인가요?\n===\nAnswer:\n기록 번호는 {d}입니다.\n===\n"
    "Question:\n더 알려 주세요.\n===\nAnswer:\n그 밖에는 조용합니다.\n===",
    "ko/detail": "기록 번호 {d}의 조용한 장면입니다. 눈에 띄는 것이 없습니다. 모든 것이 멈춰 있습니다.",
    "ko/reasoning": "Question:\n다음에는 어떤 일이 일어날까요?\n===\nAnswer:\n기록 번호는 {d}입니다. "
    "번호는 찾아보는 데 쓰입니다. 그러니 누군가 찾아볼 것입니다.\n===",
}


def good_reply(messages: list[dict[str, str]]) -> str:
    """The reply to a prompt; it depends on the prompt alone."""
    system = messages[0]["content"]
    language = "ko" if re.search("[가-힣]", system) else "en"
    kind = "conversation" if len(re.findall("Question:", messages[2]["content"])) > 1 else "reasoning"
    if "Question:" not in messages[2]["content"]:
        kind = "detail"
    digest = hashlib.sha256(json.dumps(messages).encode()).hexdigest()[:10]
    letters = "".join(chr(ord("a") + int(c, 16)) for c in digest)
    return GOOD[f"{language}/{kind}"].format(d=letters)


class BadServer(ThreadingHTTPServer):
    """Misbehaves in a share of its replies; counts what it did."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, share: float = 0.4, hang_s: float = 5.0, seed: int = 0, retry_after: str = "0.05") -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.share, self.hang_s, self.retry_after = share, hang_s, retry_after
        self.random, self.did, self.lock = random.Random(seed), Counter[str](), threading.Lock()
        self.url = f"http://127.0.0.1:{self.server_port}/v1"
        self.keys: set[str] = set()

    def handle_error(self, request, client_address) -> None:  # a client that hung up is no news
        pass

    def start(self) -> BadServer:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: BadServer

    def log_message(self, *_: object) -> None:
        pass

    def _send(self, status: int, data: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self) -> None:
        self._send(200, json.dumps({"data": [{"id": "teacher-1"}]}).encode())

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            bad = self.server.random.random() < self.server.share
            fault = self.server.random.choice(FAULTS) if bad else ""
            self.server.did[fault or "good"] += 1
            self.server.keys.add(self.headers.get("Authorization", ""))
        text = good_reply(body["messages"])
        korean = bool(re.search("[가-힣]", body["messages"][0]["content"]))
        if fault == "429":
            return self._send(429, b'{"error": {"message": "slow down"}}', Retry_After=self.server.retry_after)
        if fault in ("500", "model gone"):
            return self._send(500 if fault == "500" else 503, b"<html>broken</html>")
        if fault == "hang":
            time.sleep(self.server.hang_s)
            return None
        if fault == "drop":
            return self.connection.close()
        other = GOOD["en/conversation" if korean else "ko/conversation"].format(d="x")
        text = {
            "language": other if "Question" in text else "조용합니다." if not korean else "It is calm here now.",
            "format": text.replace("Question:", "Q1)") if "Question" in text else "Question:\n" + text,
            "refusal": "I'm sorry, but I can't help with that.",
            "empty": "",
        }.get(fault, text)
        usage = {
            "prompt_tokens": sum(len(m["content"]) for m in body["messages"]) // 3,
            "completion_tokens": len(text) // 4,
        }
        reply = {"choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}]}
        data = json.dumps(reply | {"usage": usage}).encode()
        self._send(200, data[: len(data) // 2] if fault == "half" else data)
        return None
