"""Errors of the server in the language that a request accepts."""

import httpx
import pytest

KOREAN = {"Accept-Language": "ko-KR,ko;q=0.9"}


@pytest.mark.parametrize(
    ("path", "body", "says"),
    [
        ("/v1/chat/completions", {"messages": []}, "'messages' 값이 올바르지 않습니다. 허용: 1개 이상."),
        ("/v1/chat/completions", {}, "'messages' 항목이 없습니다."),
        (
            "/v1/chat/completions",
            {"messages": [{"role": "user", "content": "a"}], "model": "x"},
            "모델 'x'이(가) 없습니다.",
        ),
        ("/v1/responses", {"input": []}, "입력이 비어 있습니다."),
        ("/v1/none", {}, "찾을 수 없습니다"),
        ("/v1/chat/completions", {"messages": "x" * 4_000_000}, "본문이 3,000,000바이트보다 큽니다"),
    ],
)
def test_an_error_is_in_the_callers_language(running, path, body, says):
    got = httpx.post(running.url + path, json=body, headers=KOREAN).json()["error"]["message"]
    assert got.startswith(says)
    plain = httpx.post(running.url + path, json=body).json()["error"]["message"]
    assert plain.isascii()
