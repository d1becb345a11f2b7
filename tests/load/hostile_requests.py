"""Hostile requests, made from a seed: bombs, absurd sizes, deep JSON, tricks with paths and addresses, wrong types."""

from __future__ import annotations

import os
import random
import struct
import zlib
from collections.abc import Callable
from typing import Any

from benchmarks.server_process import CHAT, plain, png, turn, uri

Body = bytes | dict[str, Any]


def bomb(width: int, height: int) -> str:
    """A PNG that claims a size; its pixels are zeros that compress to little."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    comment = chunk(b"zTXt", b"x\0\0" + zlib.compress(bytes(3_000_000), 9))
    return uri(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + comment
        + chunk(b"IDAT", zlib.compress(bytes(100_000)))
        + chunk(b"IEND", b"")
    )


def frames(rng: random.Random) -> str:
    """A GIF of many frames that claims a large screen."""
    screen = struct.pack("<HHBBB", rng.choice((8, 65535)), 8, 0x80, 0, 0) + bytes(6)
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, 8, 8, 0) + b"\x02\x02\x4c\x01\x00"
    return uri(b"GIF89a" + screen + frame * rng.choice((1, 5000)) + b"\x3b", "gif")


class Hostile:
    """Makes requests from a seed; ``canary`` is a port that nobody may call."""

    def __init__(self, seed: int, canary: int) -> None:
        self.rng, self.canary = random.Random(seed), canary
        self.picture = plain(
            self.rng.choice((1, 16, 64)), (self.rng.randrange(256), self.rng.randrange(256), self.rng.randrange(256))
        )

    def request(self) -> tuple[str, Body]:
        """A path and a body."""
        kinds: list[Callable[[], tuple[str, Body]]] = [
            self.pictures,
            self.pictures,
            self.addresses,
            self.texts,
            self.parameters,
            self.structured_output,
            self.json,
            self.turns,
            self.others,
            self.paths,
            lambda: (CHAT, {"messages": turn("hi", self.picture), "max_tokens": 2}),
        ]
        return self.rng.choice(kinds)()

    def pictures(self) -> tuple[str, Body]:
        pick, cut = self.rng.choice, png_cut(self.rng)
        many = [self.picture] * pick((9, 200)) if pick((True, False)) else ["data:image/png;base64,AA"] * 10_000
        bombs = [bomb(pick((30_000, 60_000, 2**31 - 1)), pick((1, 30_000)))]
        return CHAT, {
            "messages": turn(
                "hi",
                *pick(
                    (bombs, [cut], [frames(self.rng)], many, [self.picture, cut], ["data:image/png;base64,====" * 99])
                ),
            )
        }

    def addresses(self) -> tuple[str, Body]:
        c = self.canary
        return CHAT, {
            "messages": turn(
                "hi",
                self.rng.choice(
                    (
                        f"http://127.0.0.1:{c}/x.png",
                        f"https://127.0.0.1:{c}/x.png",
                        f"//127.0.0.1:{c}/x",
                        f"http://localhost:{c}\\@example.org/",
                        f"ftp://127.0.0.1:{c}/",
                        f"http://0x7f000001:{c}/",
                        f"http://2130706433:{c}/",
                        f"https://example.org@127.0.0.1:{c}/",
                        f"https://user@127.0.0.1:{c}/",
                        f"HTTP://127.1:{c}/x",
                        "file:///etc/passwd",
                        "/etc/passwd",
                        "..\\..\\windows\\win.ini",
                        "\\\\127.0.0.1\\share\\x.png",
                        "http://[::1]/",
                        "gopher://x",
                        "data:text/html,<b>",
                        "data:image/svg+xml;base64,PHN2Zz48L3N2Zz4=",
                        "javascript:alert(1)",
                        "\x00",
                        "file://localhost/proc/self/environ",
                        "http://169.254.169.254/latest",
                        "~/.ssh/id_rsa",
                        "/proc/self/fd/0",
                        "/dev/zero",
                        "data:,",
                        "data:image/png;base64," + "/" * 200_000,
                    )
                ),
            )
        }

    def texts(self) -> tuple[str, Body]:
        many = self.rng.randrange(1, 9000)
        text = self.rng.choice(
            (
                "<eos><user><image>" * (many % 60 + 1),
                "\u202e" + "가" * many,
                "<bos><pad><assistant>yes<eos>",
                "\u0000\ufffe\uffff",
                "́" * many,
                "{{ messages }}{% for x in range(10**9) %}{% endfor %}",
                "🏳️‍🌈" * (many // 9),
                " " * many,
            )
        )
        return CHAT, {"messages": turn(text, self.picture), "max_tokens": 4}

    def parameters(self) -> tuple[str, Body]:
        fields = (
            "temperature",
            "top_p",
            "top_k",
            "n",
            "seed",
            "max_tokens",
            "logit_bias",
            "stop",
            "stream",
            "stream_options",
            "response_format",
            "tools",
            "logprobs",
            "model",
        )
        worst = (-1, 0, 1e308, "x", None, [], {}, [[[]]], 10**30, True, {"x": {}}, [""], "\x00" * 99, float("nan"))
        return CHAT, {"messages": turn("hi", self.picture), self.rng.choice(fields): self.rng.choice(worst)}

    def structured_output(self) -> tuple[str, Body]:
        schema = self.rng.choice(
            (
                {"$ref": "#"},
                {"type": "no"},
                {"pattern": "(a+)+$"},
                {"allOf": [{"$ref": "#"}] * 50},
                {"enum": list(range(2000))},
                deep(90),
                {"$ref": f"http://127.0.0.1:{self.canary}/schema"},
                {"type": "string", "minLength": 10**9},
            )
        )
        pattern = self.rng.choice(("(", "(a+)+b", "a{99999}", "[" * 500, "(?=x)", "((a{1,99}){1,99}){1,99}", "\\p{L}+"))
        options = (
            {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
            if self.rng.random() < 0.5
            else {"type": "regex", "pattern": pattern}
        )
        return CHAT, {"messages": turn("hi", self.picture), "response_format": options, "max_tokens": 8}

    def json(self) -> tuple[str, Body]:
        return CHAT, self.rng.choice(
            (
                b'{"messages":' + b"[" * 100_000,
                b'{"a":' * 50_000,
                b"\xff\xfe" + os.urandom(200),
                b"",
                b"null",
                b"9" * 100_000,
                b'{"messages":NaN}',
                b'{"messages":[{"role":"user","content":"\\ud800"}],"max_tokens":2}',
                b'{"messages":[],"messages":[]}',
                b'{"n":1e999,"messages":[]}',
            )
        )

    def turns(self) -> tuple[str, Body]:
        return CHAT, {
            "messages": self.rng.choice(
                (
                    None,
                    7,
                    "x",
                    [],
                    [None],
                    [{"role": "user"}],
                    [{"role": "tool", "content": {}}],
                    [[]],
                    turn("hi") * 500,
                    [{"role": "user", "content": [{"type": "text", "text": "x"}] * 5000}],
                    [{"role": "user", "content": [{}]}],
                )
            )
        }

    def others(self) -> tuple[str, Body]:
        pick, cut = self.rng.choice, png_cut(self.rng)
        return pick(
            (
                ("/v1/responses", self.response()),
                (
                    "/v1/embeddings",
                    {
                        "input": pick(
                            ("", [], ["x"] * 65, [""], "x" * 100_000, [self.picture] * 9, 5, [[1, 2]], [10**30], [-1])
                        )
                    },
                ),
                (
                    "/v1/completions",
                    {
                        "prompt": pick(("", [], ["a"] * 17, "\u0000", None, "<image>" * 50, [-5], [[10**9]])),
                        "max_tokens": 2,
                    },
                ),
                (
                    "/v1/perceive",
                    {"image": pick((cut, "", "/etc/passwd", bomb(40_000, 40_000), 5, None, frames(self.rng)))},
                ),
            )
        )

    def response(self) -> dict[str, Any]:
        pick, rng = self.rng.choice, self.rng
        parts = [{"type": "input_image", "image_url": pick((self.picture, png_cut(rng), frames(rng), 5, {}))}]
        items = pick(
            (
                "hi",
                [],
                [[]],
                [{"role": "user", "content": parts}],
                [{"type": "item_reference", "id": pick(("", "msg_", "msg_x_0", "x" * 300))}],
                [{"type": "function_call", "arguments": "{" * 9000}, {"type": "function_call_output", "output": None}],
                [{"type": "function_call_output", "output": parts * 200}],
            )
        )
        wish = {"input": items, "previous_response_id": pick((None, "resp_x", 5)), "max_output_tokens": 2}
        return wish | pick(({}, {"tools": [[]]}, {"tools": [{"type": "function", "name": []}]}, {"tool_choice": {}}))

    def paths(self) -> tuple[str, Body]:
        return self.rng.choice(
            (
                "/v1/../etc/passwd",
                "/page/../../app.py",
                "/page/%2e%2e/app.py",
                "/page/..%2f..%2fapp.py",
                "/page//etc/passwd",
                "/page/%00",
                "/v1/models/%2e%2e",
                "/v1/models/" + "x" * 3000,
                "/" + "a/" * 900,
                "/health/../v1/models",
                "/openapi.json?x=" + "a" * 5000,
            )
        ), b""


def deep(levels: int) -> dict[str, Any]:
    """An object in an object in an object ..."""
    return {"type": "object", "properties": {"x": deep(levels - 1)}} if levels else {"type": "null"}


def png_cut(rng: random.Random) -> str:
    from PIL import Image

    return uri(png(Image.new("RGB", (64, 64), (9, 9, 9)))[: rng.randrange(4, 120)])
