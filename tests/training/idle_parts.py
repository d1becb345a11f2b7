"""Run as a process: trains two adapters, or MoAI's random experts, and ends with an error if a part moved in a step
that did not draw it.

python -m tests.training.idle_parts adapters|adapters-4bit|adapters-sharded|experts|experts-sharded BASE DATA OUT
"""

import sys
from pathlib import Path

import torch
import torch.distributed as dist

from nunbit.data.conversations import encode, read_conversations
from nunbit.models.image_tokens import image_tokens
from nunbit.models.object_aware import ObjectAwareConfig, ObjectAwareModule
from nunbit.models.prompt import PromptBuilder
from nunbit.recipes.collavo import ADAPTERS, with_adapters
from nunbit.scene import Scene
from nunbit.training.config import LoraConfig, Phase
from nunbit.training.distributed import local
from nunbit.training.dual import DualTask
from nunbit.training.loop import train
from nunbit.training.object_aware import ObjectAwareTask
from nunbit.training.options import RunOptions
from nunbit.training.stage import Stage
from nunbit.training.stages import ModelConfig, build_model

STAGE = Stage(name="idle", steps=8, batch=2, micro_batch_size=1, lr=1e-2, warmup=0, weight_decay=0.1, save_every=100)
MOAI = {"latents": 4, "depth": 1, "heads": 2, "head_dim": 8, "rank": 4, "every": 1}


def everywhere(values):
    """The union of a set over all processes."""
    if not dist.is_initialized():
        return set(values)
    found = [None] * dist.get_world_size()
    dist.all_gather_object(found, set(values))
    return set().union(*found)


class Watch:
    """Compares weights before and after each step; of sharded ones this process's part.

    Args:
        parts: returns the parameters of each part as they are now: sharding replaces them.
    """

    def __init__(self, parts):
        self.parts, self.before, self.moved, self.rested = parts, {}, set(), set()

    def begin(self):
        self.before = {name: [local(p.detach()).clone() for p in ps] for name, ps in self.parts().items()}

    def end(self, drawn):
        for name, parameters in self.parts().items():
            same = all(torch.equal(a, local(b.detach())) for a, b in zip(self.before[name], parameters, strict=True))
            if name not in drawn:
                assert same, f"{name} moved although no process drew it"
                self.rested.add(name)
            elif not same:
                self.moved.add(name)


def watched(cls, watch, drawn):
    """The task class, which checks the step before whenever a batch is made."""

    class Watched(cls):
        def batch(self, step, stage):
            if watch.before:
                watch.end(everywhere(drawn))
            drawn.clear()
            watch.begin()
            return super().batch(step, stage)

    return Watched


def samples_of(made, data):
    builder = PromptBuilder.from_processor(made.processor, image_tokens(made.model.config))
    return encode(read_conversations(data), builder, max_tokens=2000)[0]


def perceive(pictures):
    return [Scene(p.width, p.height) for p in pictures]


def adapters(base, data, bits):
    lora = LoraConfig(rank=4, alpha=4, dropout=0.0, bits=bits)
    model, processor = with_adapters(base, lora, ADAPTERS, Phase(language_lr=1e-2))
    made = ObjectAwareModule(model.get_base_model(), processor, ObjectAwareConfig(), perceive)
    samples = samples_of(made, data)
    drawn = set()
    watch = Watch(lambda: {a: [p for n, p in model.named_parameters() if f".{a}." in n] for a in ADAPTERS})

    class Drawing(DualTask):
        def loss(self, batch):
            drawn.add(self.names[int(batch["turn"])])
            return super().loss(batch)

    tasks = {kind: ObjectAwareTask(made, processor.image_processor, samples, pad=0, group=False) for kind in ADAPTERS}
    return watched(Drawing, watch, drawn)(tasks), watch, drawn


def experts(base, data):
    model, processor = build_model(ModelConfig(base=str(base)))
    model.requires_grad_(False)
    made = ObjectAwareModule(model, processor, ObjectAwareConfig(connectors={"moai": MOAI}, maps=False), perceive)
    moai = made.connectors["moai"]
    moai.train_step(1)
    parts = {
        (number, side, pick): list(expert.parameters())
        for number, mixer in enumerate(moai.mixers.values())
        for side, group in enumerate((mixer.img, mixer.lang))
        for pick, expert in enumerate(group.values())
    }
    drawn, real = set(), moai.sample_experts

    def sample(*given):
        found = real(*given)
        drawn.update((n, side, int(found[n, side])) for n in range(len(found)) for side in (0, 1))
        return found

    moai.sample_experts = sample
    watch = Watch(lambda: parts)
    samples = samples_of(made, data)
    task = watched(ObjectAwareTask, watch, drawn)(
        made, processor.image_processor, samples, random_experts=True, pad=0, group=False
    )
    return task, watch, drawn


def main(kind, base, data, out):
    base, data = Path(base), Path(data)
    made = (
        experts(base, data) if kind.startswith("experts") else adapters(base, data, 4 if kind.endswith("4bit") else 0)
    )
    task, watch, drawn = made
    options = RunOptions(say=lambda _: None, shard=kind.endswith("sharded"))
    assert train(task, STAGE, out, options) == STAGE.steps
    watch.end(everywhere(drawn))
    assert watch.moved and watch.rested, "a part learnt, and a part rested"
    print("moved", len(watch.moved), "rested", len(watch.rested))


if __name__ == "__main__":
    main(*sys.argv[1:])
