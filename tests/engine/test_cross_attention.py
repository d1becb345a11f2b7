"""A model with gated cross-attention answers in the engine as `generate` does: alone, beside others, in chunks, from the caches."""

import queue
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import CLIPVisionConfig, CLIPVisionModel, LlamaConfig, LlamaForCausalLM

from nunbit.connectors import build
from nunbit.engine.sampling import SamplingParams
from nunbit.engine.scheduler import Engine, RequestOutput
from nunbit.files import EMBEDDED
from nunbit.messages import assistant, question, user
from nunbit.models.assistant import turns

TOKENS = 24


class Processor:
    """One image token a picture."""

    def __init__(self):
        from transformers import AutoProcessor

        made = AutoProcessor.from_pretrained(EMBEDDED)
        self.tokenizer, self.image_processor = made.tokenizer, made.image_processor

    def apply_chat_template(self, conversation, **how):
        return self.tokenizer.apply_chat_template(conversation, **how)

    def __call__(self, text, images=None, **_):
        made = dict(self.tokenizer(text, add_special_tokens=False, return_tensors="pt"))
        return made | {"pixel_values": self.image_processor(images, return_tensors="pt")["pixel_values"]}


class Seeing:
    """A random Llama with open gates, its eyes, and what the engine asks of both."""

    def __init__(self, only_last):
        torch.manual_seed(3)
        self.processor = Processor()
        tokenizer, side = self.processor.tokenizer, self.processor.image_processor.size["height"]
        self.eyes = CLIPVisionModel(CLIPVisionConfig(hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
                                                     image_size=side, patch_size=side // 4)).eval()  # fmt: skip
        self.model = LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=4,
                                                  num_attention_heads=4, max_position_embeddings=512, initializer_range=0.3)).eval()  # fmt: skip
        self.model.generation_config.eos_token_id = None
        self.connector = build("gated_cross_attention", vision_width=16, text_width=32, layers=4, every=2, heads=2, head_dim=8, latents=5,
                               resampler_depth=1, resampler_heads=2, resampler_head_dim=8, only_last=only_last,
                               image_token_id=tokenizer.convert_tokens_to_ids("<image>")).eval()  # fmt: skip
        for block in self.connector.blocks.values():
            torch.nn.init.constant_(block.attention_gate, 3.0)
            torch.nn.init.constant_(block.feed_forward_gate, 0.5)
            torch.nn.init.normal_(block.attention.out_proj.weight, std=1.0)
        self.connector.attach(self.model)

    def media(self, pixels):
        return self.connector.media_tokens(self.eyes(pixels).last_hidden_state[None])[0]

    @torch.no_grad()
    def generate(self, messages):
        """The answer's ids, by the connector's own way: ids in, places found there."""
        words = self.processor.apply_chat_template(turns(messages), add_generation_prompt=True, tokenize=False)
        pictures = [p for m in messages for p in m.images]
        made = self.processor([words], pictures) if pictures else SimpleNamespace()
        ids = self.processor.tokenizer([words], add_special_tokens=False, return_tensors="pt")["input_ids"]
        self.connector.set_context(self.media(made["pixel_values"])[None] if pictures else None)
        out = self.model.generate(ids, max_new_tokens=TOKENS, do_sample=False)[0, ids.shape[1] :].tolist()
        self.connector.clear_context()
        return out


def picture(seed):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 255, (40, 60, 3), dtype=np.uint8))


ASKED = [
    question("What color is the circle?", [picture(1)]),
    question("What is left of the star? Name it.", [picture(2), picture(3), picture(4)]),
    question("Say something."),
    question("What color is the circle?", [picture(5)]),
    [*question("What is it?", [picture(1)]), assistant("A cat."), user("What color is it?")],
    question("그림에 무엇이 있나요?", [picture(2), picture(1)]),
]


@pytest.fixture(scope="module", params=[True, False], ids=["last picture", "all pictures"])
def seeing(request):
    return Seeing(request.param)


@pytest.fixture
def engine(seeing):
    made = Engine(seeing.model, seeing.processor, slots=4, length=256, chunk=6, gated=seeing)
    yield made
    made.close(5)


def ask_all(engine, asked):
    boxes = [queue.SimpleQueue() for _ in asked]
    jobs = [engine.submit(m, SamplingParams(max_tokens=TOKENS), box.put) for m, box in zip(asked, boxes, strict=True)]
    return jobs, boxes


def ids_of(box):
    while not isinstance(event := box.get(timeout=60), RequestOutput):
        pass
    return event.finish, [t.token for t in event.tokens]


def test_alone_beside_others_and_from_the_caches(seeing, engine):
    wanted = [("length", seeing.generate(m)) for m in ASKED]
    assert wanted[0] != wanted[3], "the pictures do not show in the answers: the test proves nothing"
    assert [(r.finish, [t.token for t in r.tokens]) for r in (engine.answer(m, SamplingParams(max_tokens=TOKENS)) for m in ASKED)] == wanted
    for _ in range(2):  # prompts in six-token pieces between the steps of others; with prefixes
        assert [ids_of(box) for box in ask_all(engine, ASKED)[1]] == wanted
    assert engine.figures.rows > engine.figures.steps and engine.figures.cached_tokens and engine.runner.features.hits
    assert not engine.figures.errors


def test_neighbours_that_leave_change_nothing(seeing, engine):
    wanted = {i: ("length", seeing.generate(m)) for i, m in enumerate(ASKED)}
    for stay in (1, 5):
        jobs, boxes = ask_all(engine, ASKED)
        for i, job in enumerate(jobs):
            if i != stay:
                job.cancel()
        assert ids_of(boxes[stay]) == wanted[stay]


def test_vectors_of_text_are_made_while_answers_are(seeing, engine):
    """The connector holds what the running pass looks at: another thread's text must not see it, nor disturb it."""
    wanted, alone = ("length", seeing.generate(ASKED[1])), engine.runner.text_vector("a cat")[0]
    for _ in range(3):
        _, (box,) = ask_all(engine, ASKED[1:2])
        beside = [engine.runner.text_vector("a cat")[0] for _ in range(20)]
        assert ids_of(box) == wanted
        assert all(torch.equal(v, alone) for v in beside)
