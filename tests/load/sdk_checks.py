"""The openai package against any server: each check asks for one thing of the API, and says whether it came.

python -m tests.load.sdk_checks URL [--model NAME]     URL ends with /v1
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Callable
from typing import Any

import openai
from benchmarks.server_process import plain, turn

ASK = "What color is it?"
SCHEMA = {"type": "object", "properties": {"round": {"type": "boolean"}}, "required": ["round"]}
TOOL = {"type": "function", "function": {"name": "look", "description": "Look.", "parameters": SCHEMA}}
Check = Callable[[openai.OpenAI, str], None]


def chat(client: openai.OpenAI, model: str, content: Any = "Hello", **more: Any) -> Any:
    messages = turn(ASK, plain()) if content is None else [{"role": "user", "content": content}]
    return client.chat.completions.create(
        **{"model": model, "messages": messages, "max_tokens": 12, "temperature": 0} | more
    )


def lists_its_model(client: openai.OpenAI, model: str) -> None:
    assert model in [m.id for m in client.models.list()]


def answers_text(client: openai.OpenAI, model: str) -> None:
    got = chat(client, model)
    assert isinstance(got.choices[0].message.content, str) and got.choices[0].finish_reason in ("stop", "length")
    assert got.usage.completion_tokens > 0


def answers_about_a_picture(client: openai.OpenAI, model: str) -> None:
    assert chat(client, model, None).usage.prompt_tokens > 16


def streams_the_same_and_its_usage(client: openai.OpenAI, model: str) -> None:
    whole = chat(client, model, None).choices[0].message.content
    chunks = [*chat(client, model, None, stream=True, stream_options={"include_usage": True})]
    said = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert said.strip() == whole.strip() and any(c.usage for c in chunks)
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] in ("stop", "length")


def gives_several_answers(client: openai.OpenAI, model: str) -> None:
    assert len(chat(client, model, n=2, temperature=1).choices) == 2


def stops_at_a_length(client: openai.OpenAI, model: str) -> None:
    got = chat(client, model, max_tokens=2)
    assert got.choices[0].finish_reason == "length" and got.usage.completion_tokens == 2


def gives_log_probabilities(client: openai.OpenAI, model: str) -> None:
    [first, *_] = chat(client, model, logprobs=True, top_logprobs=2).choices[0].logprobs.content
    assert first.logprob <= 0 and len(first.top_logprobs) == 2


def answers_in_a_given_form(client: openai.OpenAI, model: str) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "seen", "schema": SCHEMA, "strict": True}}
    got = chat(client, model, response_format=form, max_tokens=40).choices[0].message.content
    assert isinstance(json.loads(got)["round"], bool)


def calls_a_function(client: openai.OpenAI, model: str) -> None:
    choice = {"type": "function", "function": {"name": "look"}}
    call = chat(client, model, tools=[TOOL], tool_choice=choice, max_tokens=40).choices[0].message.tool_calls[0]
    assert call.function.name == "look" and "round" in json.loads(call.function.arguments)


def streams_a_call(client: openai.OpenAI, model: str) -> None:
    choice = {"type": "function", "function": {"name": "look"}}
    chunks = [*chat(client, model, tools=[TOOL], tool_choice=choice, max_tokens=40, stream=True)]
    calls = [c for e in chunks if e.choices for c in e.choices[0].delta.tool_calls or ()]
    assert calls and "round" in json.loads("".join(c.function.arguments or "" for c in calls))


def takes_results_of_tools(client: openai.OpenAI, model: str) -> None:
    call = {"id": "1", "type": "function", "function": {"name": "look", "arguments": '{"round": true}'}}
    turns = [{"role": "user", "content": "Look."}, {"role": "assistant", "content": None, "tool_calls": [call]}]
    turns += [{"role": "tool", "tool_call_id": "1", "content": "yes"}]
    assert chat(client, model, messages=turns).choices[0].message.content is not None


def continues_a_text(client: openai.OpenAI, model: str) -> None:
    assert client.completions.create(model=model, prompt="what is", max_tokens=4).choices[0].text is not None


def gives_vectors(client: openai.OpenAI, model: str) -> None:
    assert len(client.embeddings.create(model=model, input="a cat", encoding_format="float").data[0].embedding) > 8


def makes_a_response(client: openai.OpenAI, model: str) -> None:
    got = client.responses.create(model=model, input="Hello", max_output_tokens=16)
    assert got.status in ("completed", "incomplete") and isinstance(got.output_text, str)


def streams_a_response(client: openai.OpenAI, model: str) -> None:
    kinds = [e.type for e in client.responses.create(model=model, input="Hello", max_output_tokens=16, stream=True)]
    assert kinds[0] == "response.created" and kinds[-1] in ("response.completed", "response.incomplete")


def refuses_what_is_wrong(client: openai.OpenAI, model: str) -> None:
    for wrong in ({"messages": "x"}, {"max_tokens": "many"}):
        try:
            chat(client, model, **wrong)
        except (openai.BadRequestError, openai.UnprocessableEntityError) as e:
            assert e.message
        else:
            raise AssertionError(f"{wrong} was answered")


def answers_many_at_once(client: openai.OpenAI, model: str) -> None:
    async def all_of_them() -> list[Any]:
        async with openai.AsyncOpenAI(base_url=client.base_url, api_key="none", max_retries=0, timeout=120) as many:
            ask = [
                many.chat.completions.create(model=model, messages=turn(ASK, plain()), max_tokens=6, temperature=0)
                for _ in range(8)
            ]
            return await asyncio.gather(*ask)

    assert all(r.choices[0].message.content is not None for r in asyncio.run(all_of_them()))


def lives_on_after_a_hang_up(client: openai.OpenAI, model: str) -> None:
    for _ in range(3):
        stream = chat(client, model, None, stream=True, max_tokens=64)
        next(iter(stream))
        stream.close()
    answers_text(client, model)


CHECKS: tuple[Check, ...] = (
    lists_its_model, answers_text, answers_about_a_picture, streams_the_same_and_its_usage, gives_several_answers,
    stops_at_a_length, gives_log_probabilities, answers_in_a_given_form, calls_a_function, streams_a_call,
    takes_results_of_tools, continues_a_text, gives_vectors, makes_a_response, streams_a_response,
    refuses_what_is_wrong,
    answers_many_at_once, lives_on_after_a_hang_up,
)  # fmt: skip


def outcomes(url: str, model: str) -> dict[str, str]:
    """For each check an empty text, or why it failed."""
    out = {}
    with openai.OpenAI(base_url=url, api_key="none", max_retries=0, timeout=120) as client:
        for check in CHECKS:
            try:
                check(client, model)
                out[check.__name__] = ""
            except Exception as e:  # whatever it is, it is this check's outcome
                out[check.__name__] = f"{type(e).__name__}: {' '.join(str(e).split())[:150]}"
    return out


def main() -> int:
    """Print a line for each check; 1 where one failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url")
    parser.add_argument("--model", default="")
    options = parser.parse_args()
    with openai.OpenAI(base_url=options.url, api_key="none") as client:
        model = options.model or next(iter(client.models.list())).id
    found = outcomes(options.url, model)
    for name, why in found.items():
        print(f"{'fails ' if why else 'passes'} {name.replace('_', ' ')}{': ' + why if why else ''}")
    return int(any(found.values()))


if __name__ == "__main__":
    raise SystemExit(main())
