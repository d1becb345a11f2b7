"""Small encoders and language models of every family on disk, and LLaVAs on pairs of them."""

from dataclasses import replace

import torch
from tests.families import LANGUAGE, VISION, language, vision

from nunbit.data.conversations import encode, read_conversations
from nunbit.models.build import build_model
from nunbit.models.image_tokens import image_tokens
from nunbit.models.prompt import PromptBuilder
from nunbit.recipes import llava15
from nunbit.training.multimodal import ConversationTask, freeze


def write_families(root):
    """The folder, and the folder of each family by name."""
    folders = {k: language(k, root / f"llm-{k}") for k in LANGUAGE}
    return root, folders | {k: vision(k, root / f"vision-{k}") for k in VISION}


def configured(parts, world, llm="llama", encoder="clip", *more):
    """LLaVA-1.5 on a pair, two steps a stage."""
    named = [f"model.llm={parts[1][llm]}", f"model.vision={parts[1][encoder]}", f"data={world}"]
    done = llava15.configure([*named, *more])
    small = {"steps": 2, "batch": 4, "micro_batch_size": 2}
    return replace(done, connect=replace(done.connect, **small), tune=replace(done.tune, **small))


def task_of(parts, world, rates, *, ordered=True):
    """A task on a SigLIP and a Qwen, and its processor."""
    torch.manual_seed(0)
    model, processor = build_model(parts[1]["siglip"], parts[1]["qwen3"])
    freeze(model, rates)
    builder = PromptBuilder.from_processor(processor, image_tokens(model.config))
    samples, _ = encode(read_conversations(world), builder, max_tokens=4096)
    pad = processor.tokenizer.pad_token_id
    return ConversationTask(model, processor.image_processor, samples, pad=pad, ordered=ordered), processor
