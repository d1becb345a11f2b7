"""Other people's clients against the server: LangChain and LiteLLM, with pictures, streams, given forms and tools."""

import base64
import os

import pytest
from pydantic import BaseModel

from nunbit.messages import question

ASK = "What color is the circle?"


class Seen(BaseModel):
    """What is in the picture."""

    count: int
    round: bool


def add(a: int, b: int) -> int:
    """The sum of two numbers."""
    return a + b


@pytest.fixture(scope="module")
def wanted(assistant, pictures):
    return assistant.ask(question(ASK, [pictures[0]]), max_new_tokens=64).text


@pytest.fixture
def chain(running):
    made = pytest.importorskip("langchain_openai")
    return made.ChatOpenAI(
        model="nunbit-tiny", base_url=running.url + "/v1", api_key="none", temperature=0, max_retries=0
    )


def seen(uri):
    return [
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": uri}}, {"type": "text", "text": ASK}]}
    ]


def test_langchain_sees_and_streams(chain, wanted, uris):
    from langchain_core.messages import HumanMessage

    data = uris[0].partition(",")[2]
    base64.b64decode(data, validate=True)
    forms = [
        {"type": "image_url", "image_url": {"url": uris[0]}},
        {"type": "image", "base64": data, "mime_type": "image/png"},
    ]
    for picture in forms:
        got = chain.invoke([HumanMessage([picture, {"type": "text", "text": ASK}])])
        assert got.content == wanted and got.usage_metadata["output_tokens"] > 0
    pieces = list(chain.stream(seen(uris[0])))
    assert "".join(str(p.content) for p in pieces).rstrip() == wanted and len(pieces) > 2
    assert [m.content for m in chain.batch([seen(uris[0])] * 3)] == [wanted] * 3


def test_langchain_gets_answers_of_a_given_form(chain, uris):
    pytest.importorskip("llguidance")
    got = chain.with_structured_output(Seen, method="json_schema").invoke(seen(uris[0]))
    assert isinstance(got, Seen)


def test_langchain_passes_tools_and_their_results(chain, wanted, uris):
    """This model's template knows no tools: it answers in words, and a conversation that used some goes on."""
    got = chain.bind_tools([add]).invoke(seen(uris[0]))
    assert got.content == wanted and not got.tool_calls
    used = [
        *seen(uris[0]),
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": str(i), "type": "function", "function": {"name": "add", "arguments": '{"a":1,"b":1}'}}
                for i in (1, 2)
            ],
        },
        {"role": "tool", "tool_call_id": "1", "content": "2"},
        {"role": "tool", "tool_call_id": "2", "content": "2"},
    ]
    assert isinstance(chain.bind(max_tokens=4).invoke(used).content, str)


def test_langchain_embeds(running, uris):
    made = pytest.importorskip("langchain_openai")
    embed = made.OpenAIEmbeddings(
        model="nunbit-tiny", base_url=running.url + "/v1", api_key="none", check_embedding_ctx_length=False
    )
    rows = embed.embed_documents(["a cat", uris[0]])
    assert len(rows) == 2 and sum(x * x for x in rows[1]) == pytest.approx(1, abs=1e-4)


@pytest.fixture
def lite(running):
    os.environ |= {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_TELEMETRY": "False"}
    litellm = pytest.importorskip("litellm")
    return litellm, {
        "model": "openai/nunbit-tiny",
        "api_base": running.url + "/v1",
        "api_key": "none",
        "num_retries": 0,
    }


def test_litellm_sees_and_streams(lite, wanted, uris):
    litellm, to = lite
    got = litellm.completion(messages=seen(uris[0]), **to)
    assert got.choices[0].message.content == wanted and got.usage.completion_tokens > 0
    pieces = list(litellm.completion(messages=seen(uris[0]), stream=True, stream_options={"include_usage": True}, **to))
    assert "".join(p.choices[0].delta.content or "" for p in pieces if p.choices).rstrip() == wanted


def test_litellm_gets_forms_tools_and_errors(lite, uris):
    litellm, to = lite
    pytest.importorskip("llguidance")
    got = litellm.completion(messages=seen(uris[0]), response_format=Seen, **to)
    Seen.model_validate_json(got.choices[0].message.content)
    tool = {
        "type": "function",
        "function": {"name": "add", "description": "The sum.", "parameters": {"type": "object", "properties": {}}},
    }
    got = litellm.completion(messages=seen(uris[0]), tools=[tool], tool_choice="auto", max_tokens=4, **to)
    assert got.choices[0].message.tool_calls is None
    with pytest.raises(litellm.BadRequestError, match="local file"):
        litellm.completion(messages=seen("/etc/passwd"), **to)
    assert len(litellm.embedding(input=["a cat"], **to).data[0]["embedding"]) > 8
