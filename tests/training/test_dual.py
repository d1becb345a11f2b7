"""Two adapters in one run: each learns from its own data, and both act."""

from pathlib import Path

import pytest
import torch
from tests.models.object_aware.small import BOTH, logits, prompts, scene, write_base

from nunbit.messages import Message, Part
from nunbit.models.object_aware import (
    ObjectAwareConfig,
    ObjectAwareModule,
)
from nunbit.training.dual import DualTask
from nunbit.training.object_aware import ObjectAwareTask
from nunbit.training.stage import Stage
from nunbit.world.samples import sample


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return write_base(tmp_path_factory.mktemp("base"))


def test_each_adapter_learns_from_its_own_data_and_both_speak(base):
    from nunbit.recipes.collavo import ADAPTERS, with_adapters
    from nunbit.training.config import LoraConfig, Phase

    model, processor = with_adapters(base, LoraConfig(rank=4, alpha=4, dropout=0.0), ADAPTERS, Phase(language_lr=1e-3))
    made = ObjectAwareModule(
        model.get_base_model(), processor, ObjectAwareConfig(connectors={"crayon": BOTH["crayon"]})
    )
    from nunbit.data.conversations import Conversation, encode
    from nunbit.models.image_tokens import image_tokens
    from nunbit.models.prompt import PromptBuilder

    picture = Path(base).parent / "picture.png"
    from PIL import Image

    Image.fromarray(sample(0, seed=1).picture.pixels).save(picture)
    told = [
        Conversation(
            str(i),
            (Message("user", (Part.image(picture), Part.text("what"))), Message("assistant", (Part.text(f"{i}"),))),
        )
        for i in range(4)
    ]
    samples, _ = encode(told, PromptBuilder.from_processor(processor, image_tokens(made.model.config)), max_tokens=500)
    dual = DualTask(
        {kind: ObjectAwareTask(made, processor.image_processor, samples, pad=0) for kind in ("image", "words")}
    )
    stage = Stage(name="s", steps=8, batch=2, lr=1e-2)
    turns = {dual.turn(step, stage) for step in range(20)}
    assert turns == {0, 1}
    dual.modules()
    for name, p in model.named_parameters():  # B starts at zero, and A has no gradient then
        if "lora_B" in name:
            torch.nn.init.normal_(p, std=0.1)
    for step in range(6):
        model.zero_grad(set_to_none=True)
        batch = dual.batch(step, stage)
        [piece] = dual.micro_batches(batch, stage)
        dual.loss(piece)[0].backward()
        moved = {n for n, p in model.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
        mine = ADAPTERS[dual.turn(step, stage)]
        assert moved and all(f".{mine}." in n for n in moved)
        assert any(p.grad is not None for p in made.connectors["crayon"].parameters())
    with torch.no_grad():
        inputs = prompts(made, 1)
        before = logits(made, inputs, [scene(0)])
        for adapter in ADAPTERS:
            weight = next(p for n, p in model.named_parameters() if f"lora_B.{adapter}." in n)
            kept = weight.clone()
            weight.add_(1.0)
            assert not torch.allclose(logits(made, inputs, [scene(0)]), before)
            weight.copy_(kept)
