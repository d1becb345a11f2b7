"""The routes: a request is read by `requests` and `tools`, answered by `choices`, and written by `responses`."""

from __future__ import annotations

import base64
import queue
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import anyio
import torch
from fastapi import Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from nunbit.engine.request import PreparedPrompt
from nunbit.engine.sampling import SamplingParams
from nunbit.engine.scheduler import Engine, RequestOutput
from nunbit.engine.scoring import prompt_logprobs
from nunbit.errors import UserError
from nunbit.messages import Message
from nunbit.models.model_view import model_view
from nunbit.serving.about import about_model
from nunbit.serving.answer_checks import AnswerCheck, AnswerChecks
from nunbit.serving.choices import ChoiceStream, Job, stream_events
from nunbit.serving.errors import RequestError, describe_failure, error_body, language_of
from nunbit.serving.metrics import Metrics
from nunbit.serving.perception import PerceptionService
from nunbit.serving.requests import decode_picture, max_tokens_of, messages_of, requested_tokens, sampling_of
from nunbit.serving.responses import EchoedPrompt, ResponseFormatter
from nunbit.serving.schemas import (
    ChatRequest,
    CompletionRequest,
    EmbeddingRequest,
    GenerationRequest,
)
from nunbit.serving.settings import ServerSettings
from nunbit.serving.shared_routes import SharedRoutes
from nunbit.serving.tools import ToolChoice, tool_choice_of
from nunbit.serving.warned import ignored_fields, warning_headers
from nunbit.translation import translated
from nunbit.trust.asking import MAX_NEW_TOKENS as MAX_ASKED_TOKENS
from nunbit.trust.guard.verdict import Verdict

PICTURE_INPUT = re.compile(r"\s*data:(image/[^,]*|[^,\s]*;base64),", re.IGNORECASE)
"""An input of embeddings that is a picture. "data: the plural of datum" is text."""


@dataclass(frozen=True, slots=True)
class PreparedChat:
    """A conversation as the engine takes it, with what the request says about tools, and warnings for the caller."""

    body: ChatRequest
    messages: list[Message]
    prompt: PreparedPrompt
    tool_choice: ToolChoice
    warnings: list[str]
    verdict: Verdict | None = None


class ApiServer(SharedRoutes):
    """The routes of the API over one engine.

    Args:
        engine: generates the answers.
        name: the model's name in responses.
        settings: bounds and permissions.
        perception: answers /v1/perceive.
    """

    def __init__(self, engine: Engine, name: str, settings: ServerSettings, perception: PerceptionService) -> None:
        super().__init__(settings, perception)
        self.engine, self.name, self.metrics = engine, name, Metrics(engine)
        self.checks = AnswerChecks(perception, settings, self.in_thread, self._short_answer)

    async def chat(self, body: ChatRequest, request: Request) -> Response:
        """Answer a conversation with pictures."""
        chat = await self.prepare_chat(body)
        formatter = ResponseFormatter(
            self.name,
            self.engine.runner.tokenizer,
            chat=True,
            choices_per_prompt=body.n,
            logprobs=bool(body.logprobs),
            warnings=chat.warnings,
            tool_choice=chat.tool_choice,
        )
        return await self._answer(
            [chat.prompt],
            body,
            request,
            formatter,
            self.check_of(chat),
        )

    async def prepare_chat(self, body: ChatRequest) -> PreparedChat:
        """Read a conversation and make its prompt.

        Raises:
            UserError: another model, or a conversation that cannot be read or does not fit.
        """
        self._check_model(body.model)
        tool_choice = tool_choice_of(body)
        template = self.engine.runner.preparation.builder.template.template
        takes_calls = "tool_calls" in template
        messages, reordered = await self.in_thread(
            partial(messages_of, body, self.settings, template_takes_tools=takes_calls)
        )
        policy = self.guarding.policy_of(body.guard)
        guarded = await self.in_thread(self.guarding.judged, messages, policy, self._model_view)
        messages, reordered = guarded.messages, reordered + self.guarding.warnings(body.guard, guarded)
        prompt = await self.in_thread(partial(self.engine.prepare, messages, tools=tool_choice.tools))
        aware = self.engine.runner.aware
        warnings = self._warnings(body) + reordered + (aware.notices(prompt.scenes) if aware is not None else [])
        if tool_choice.tools and "tools" not in template:
            warnings.append("this model's chat template has no place for tools: the model does not see them")
        return PreparedChat(body, messages, prompt, tool_choice, warnings, guarded.verdict)

    def check_of(self, chat: PreparedChat) -> AnswerCheck | None:
        """What is wanted of the answers to a conversation."""
        return self.checks.of(chat.body, chat.messages, forced_call=chat.tool_choice.forced, verdict=chat.verdict)

    def _model_view(self, picture: Any) -> Any:
        """What the served model sees of a picture; None for a model of text alone."""
        processor = getattr(self.engine.runner.preparation.processor, "image_processor", None)
        return None if processor is None else model_view(processor, picture)

    def _short_answer(self, messages: list[Message]) -> str:
        """The model's own short answer, for a worker thread."""
        done: queue.SimpleQueue[RequestOutput] = queue.SimpleQueue()
        sampling = SamplingParams(max_tokens=MAX_ASKED_TOKENS, deadline_s=self.settings.deadline_s)
        prompt = self.engine.prepare(messages)
        try:
            self.engine.submit(prompt, sampling, lambda e: done.put(e) if isinstance(e, RequestOutput) else None)
            return done.get(timeout=self.settings.deadline_s + 30).text
        except (UserError, queue.Empty):  # the queue is full: the claim stays unknown
            return ""

    async def complete(self, body: CompletionRequest, request: Request) -> Response:
        """Continue one or several texts."""
        self._check_model(body.model)
        given = body.prompt if isinstance(body.prompt, list) and not isinstance(body.prompt[0], int) else [body.prompt]
        self._check_choices(body, len(given))
        prompts = [await self.in_thread(self._prepared, one) for one in given]
        tokenizer = self.engine.runner.tokenizer
        texts = [one if isinstance(one, str) else tokenizer.decode(one) for one in given]
        for prompt in prompts:  # before the prompts are scored, which costs a pass
            self._max_tokens(body, prompt)
        echo = []
        if body.echo:
            echo = [await self.in_thread(self._echo, t, p, body.logprobs) for t, p in zip(texts, prompts, strict=True)]
        formatter = ResponseFormatter(
            self.name,
            self.engine.runner.tokenizer,
            chat=False,
            choices_per_prompt=body.n,
            logprobs=body.logprobs is not None,
            warnings=self._warnings(body),
            echo=echo,
        )
        return await self._answer(prompts, body, request, formatter)

    def _prepared(self, given: Any) -> PreparedPrompt:
        """A prompt of text, or of token ids."""
        return self.engine.prepare_text(given) if isinstance(given, str) else self.engine.prepare_ids(given)

    def _echo(self, text: str, prompt: PreparedPrompt, top: int | None) -> EchoedPrompt:
        scores = [] if top is None else prompt_logprobs(self.engine.runner, prompt.ids, top)
        return EchoedPrompt(text, prompt.ids, scores)

    async def _answer(
        self,
        prompts: Sequence[PreparedPrompt],
        body: GenerationRequest,
        request: Request,
        formatter: ResponseFormatter,
        check: AnswerCheck | None = None,
    ) -> Response:
        self._check_choices(body, len(prompts))
        jobs = [job for prompt in prompts for job in self.jobs(prompt, body, formatter.tool_choice.schema)]
        choices = ChoiceStream(self.engine, jobs, self.metrics.observe, check)
        headers = warning_headers(formatter.warnings)
        await self.in_thread(choices.submit)
        if body.stream:
            formatter.include_usage = bool(body.stream_options and body.stream_options.include_usage)
            events = stream_events(choices, formatter)
            return StreamingResponse(
                events, media_type="text/event-stream", headers=headers | {"Cache-Control": "no-store"}
            )
        outputs = await choices.wait(request)
        failed = next((o for o in outputs if o.failed), None)
        if failed is not None:
            message, kind, status = describe_failure(failed)
            return JSONResponse(error_body(translated(message, language_of(request)), kind), status)
        return JSONResponse(formatter.whole(outputs, choices.added), headers=headers)

    def _check_choices(self, body: GenerationRequest, prompts: int) -> None:
        if body.n * prompts > self.settings.max_choices:
            raise RequestError(
                f"{body.n * prompts} answers", allowed=f"at most {self.settings.max_choices} in one request", param="n"
            )

    def jobs(self, prompt: PreparedPrompt, body: GenerationRequest, schema: dict[str, Any] | None) -> list[Job]:
        """The answers that a request wants of one prompt.

        Args:
            schema: JSON schema of a forced tool call.
        """
        most = self._max_tokens(body, prompt)
        if not most:
            return [(prompt, None)] * body.n
        return [(prompt, sampling_of(body, self.settings, most, index=i, schema=schema)) for i in range(body.n)]

    def _max_tokens(self, body: GenerationRequest, prompt: PreparedPrompt) -> int:
        return max_tokens_of(body, self.settings, len(prompt.ids), self.engine.runner.length)

    async def embed(self, body: EmbeddingRequest) -> Response:
        """Unit vectors of texts (mean of the decoder's states) and of pictures sent as data: URIs (mean of the
        connector's tokens)."""
        self._check_model(body.model)
        inputs = [body.input] if isinstance(body.input, str) else body.input
        if sum(bool(PICTURE_INPUT.match(i)) for i in inputs) > self.settings.max_pictures:
            raise RequestError(
                "too many pictures", allowed=f"at most {self.settings.max_pictures} in one request", param="input"
            )
        rows = [await self.in_thread(self._vector, text, i) for i, text in enumerate(inputs)]
        width = len(rows[0][0])
        if body.dimensions not in (None, width):
            raise RequestError(
                f"dimensions={body.dimensions}",
                allowed=f"{width}, the width of this model's vectors: shorter ones would mean nothing",
                param="dimensions",
            )
        data = [
            {"object": "embedding", "index": i, "embedding": _encode(vector, body.encoding_format)}
            for i, (vector, _) in enumerate(rows)
        ]
        tokens = sum(n for _, n in rows)
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        headers = warning_headers(ignored_fields(body))
        return JSONResponse({"object": "list", "data": data, "model": self.name, "usage": usage}, headers=headers)

    def _vector(self, text: str, index: int) -> tuple[torch.Tensor, int]:
        if PICTURE_INPUT.match(text):
            return self.engine.runner.picture_vector(decode_picture(text, f"picture {index}", self.settings))
        return self.engine.runner.text_vector(text)

    async def models(self) -> dict[str, Any]:
        """List the served model."""
        return {"object": "list", "data": [self._card()]}

    async def model(self, model: str) -> Response:
        """Describe the served model."""
        self._check_model(model)
        return JSONResponse(self._card())

    def _check_model(self, model: str | None) -> None:
        """Refuse a request that names another model than the served one and its aliases; one without a name passes."""
        if model in (None, "", self.name, *self.settings.aliases) or "*" in self.settings.aliases:
            return
        raise RequestError(
            f"the model '{str(model)[:100]}' does not exist",
            allowed=", ".join((self.name, *self.settings.aliases)),
            todo="name one of these, or start the server with --alias",
            param="model",
            code="model_not_found",
            status=404,
        )

    def _card(self) -> dict[str, Any]:
        modalities = ["text", "image"] if self.engine.runner.image_id >= 0 else ["text"]
        return {
            "id": self.name,
            "object": "model",
            "created": 0,
            "owned_by": "nunbit",
            "modalities": modalities,
            "max_model_len": self.engine.runner.length,
            "about": about_model(self.name)
            | {"max_pictures": self.settings.max_pictures, "max_tokens": self.settings.max_tokens}
            | {"verify": self.settings.verify, "guard": self.settings.guard.policy},
        }

    async def health(self) -> Response:
        """Say whether the engine runs; 503 where it does not."""
        return JSONResponse({"status": "ok" if self.engine.alive else "dead"}, 200 if self.engine.alive else 503)

    async def ready(self) -> Response:
        """Say whether requests are taken; 503 where they are not."""
        ready = self.open and self.engine.alive
        return JSONResponse({"ready": ready, "waiting": self.engine.waiting}, 200 if ready else 503)

    async def prometheus(self) -> Response:
        """Return the metrics in Prometheus' text format."""
        return Response(self.metrics.render(), media_type="text/plain; version=0.0.4")

    def _warnings(self, body: GenerationRequest) -> list[str]:
        out = ignored_fields(body)
        if (requested_tokens(body) or 0) > self.settings.max_tokens:
            out.append(f"the answer is limited to {self.settings.max_tokens} tokens, the bound of this server")
        return out

    async def close(self) -> None:
        """Take no more requests, finish the answers under way, and end the engine."""
        self.open = False
        await anyio.to_thread.run_sync(self.engine.close)


def _encode(vector: torch.Tensor, encoding: str) -> list[float] | str:
    """A vector ``(D,)``, D the decoder's width, as numbers or as base64 of little-endian 32-bit floats."""
    values = vector.float().numpy()
    return values.tolist() if encoding == "float" else base64.b64encode(values.astype("<f4").tobytes()).decode()
