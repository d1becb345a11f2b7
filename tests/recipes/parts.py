"""A small encoder, a small language model and talks of two pictures each, for tests of recipes."""

from dataclasses import replace
from pathlib import Path

from PIL import Image
from tests.families import language, vision

from nunbit.data.conversations import encode, read_conversations
from nunbit.models.prompt import PromptBuilder
from nunbit.recipes import flamingo
from nunbit.recipes.debug_set import write_conversations


def write_parts(root):
    """Settings that name them; the pictures have several shapes."""
    talks = write_conversations(root / "talks", samples=8, pictures=2)
    for i, path in enumerate(sorted((root / "talks").glob("*.png"))):
        Image.open(path).resize([(192, 192), (192, 50), (60, 170)][i % 3]).save(path)
    return [
        f"model.llm={language('qwen3', root / 'llm')}",
        f"model.vision={vision('siglip', root / 'vision')}",
        f"data={talks}",
    ]


def encoded(parts, processor, tokens):
    builder = PromptBuilder.from_processor(processor, tokens)
    return encode(read_conversations(Path(parts[2].removeprefix("data="))), builder, max_tokens=100_000)[0]


def small_flamingo(parts, *changes):
    done = flamingo.configure([*parts, *changes])
    return replace(done, flamingo=done.small(Path("unused")).flamingo)
