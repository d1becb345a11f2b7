"""What a plan says a step takes is what a step takes."""

import json
from dataclasses import replace

import pytest
import torch
from tests.training.sharded_run import processes
from tests.training.small_llava import STAGE, task_of

from nunbit.cli.train import plan_recipe
from nunbit.errors import UserError
from nunbit.recipes import clip, llava15
from nunbit.recipes.debug_set import write_conversations, write_language, write_vision
from nunbit.training.adapters import add_lora, learn
from nunbit.training.config import LoraConfig
from nunbit.training.loop import _ready, _step
from nunbit.training.memory import MemoryMeter
from nunbit.training.options import RunOptions
from nunbit.training.plan_memory import Card, Load, Machine, count_activations, layer_parameters, plan_memory

SIZES = {"hidden_size": 256, "intermediate_size": 704, "num_hidden_layers": 6, "num_attention_heads": 4}
PROCESSOR = Machine(0, Card(1e12, 1e12))
ROWS = 4


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    root = tmp_path_factory.mktemp("world")
    one, two = write_conversations(root / "one", samples=9), write_conversations(root / "two", samples=5, seed=1)
    write_language(root / "llm", **SIZES)
    write_vision(root / "vision")
    return root, f"{one}:1.0,{two}:0.2"


@pytest.mark.parametrize("recompute", (False, True))
@pytest.mark.parametrize("learns", ("all", "connector", "adapter"))
def test_the_planned_peak_is_the_measured_one(world, recompute, learns):
    rates = {"connector": 1e-3, "language": 0.0 if learns == "connector" else 1e-3}
    lora = LoraConfig(rank=16 if learns == "adapter" else 0)
    task = task_of(world, rates)
    if lora.rank:
        learn(add_lora(task.model, lora), rates)
    task.samples = [max(task.samples, key=lambda s: s.length)]  # every row is the longest
    longest = task.longest(2 * ROWS, STAGE)
    stage = replace(STAGE, micro_batch_size=ROWS, batch=2 * ROWS, fused=True)
    run = _ready(task, stage, RunOptions(recompute=recompute, say=lambda _: None))
    parameters = list(task.model.parameters())
    weights = sum(p.nbytes for p in parameters)
    with MemoryMeter() as meter:
        for step in range(2):  # moments are there in the second one
            _step(run, longest, step)
    total, learning = (sum(p.numel() for p in ps) for ps in (parameters, run.parameters))
    text = task.model.config.text_config
    tokens, answers = longest["ids"].shape[1], int((longest["labels"] >= 0).sum(1).max())
    activations = count_activations(
        text, tokens, answers, language=learns != "connector", lora=lora, dtype=torch.float32
    )
    layers, layer = layer_parameters(text)
    assert layers == SIZES["num_hidden_layers"]
    plan = plan_memory(replace(PROCESSOR, recompute=recompute), Load(total, learning, 0, layer), activations, ROWS)
    assert plan.micro_batch == ROWS
    assert plan.peak == pytest.approx(weights + meter.peak, rel=0.1)
    assert plan.recomputed < 0.6 * plan.activations


def sharded(world, out):
    """One process of two: what it takes, in bfloat16 as on a card, and what was planned for it."""
    from torch.distributed.fsdp import MixedPrecisionPolicy

    from nunbit.training import loop, sharding

    policy = MixedPrecisionPolicy(torch.bfloat16, torch.float32, cast_forward_inputs=False)
    sharding.precision = lambda device: policy
    loop.mixed_precision = lambda device: torch.autocast("cpu", torch.bfloat16)
    task = task_of(world, {"connector": 1e-3, "language": 1e-3})
    total = sum(p.numel() for p in task.model.parameters())
    text = task.model.config.text_config
    task.samples = [max(task.samples, key=lambda s: s.length)]
    longest = task.longest(4 * ROWS, STAGE)
    stage = replace(STAGE, micro_batch_size=ROWS, batch=4 * ROWS, fused=True)
    run = _ready(task, stage, RunOptions(shard=True, say=lambda _: None))
    held = sum(p.to_local().nbytes for p in task.model.parameters())
    with MemoryMeter() as meter:
        for step in range(2):
            _step(run, longest, step)
    tokens, answers = longest["ids"].shape[1], int((longest["labels"] >= 0).sum(1).max())
    activations = count_activations(text, tokens, answers, language=True, dtype=torch.bfloat16)
    layers, layer = layer_parameters(text)
    load = Load(total, sum(p.numel() for p in run.parameters), total - layers * layer, layer)
    plan = plan_memory(Machine(2, Card(1e12, 1e12)), load, activations, ROWS)
    told = {"planned": plan.peak, "measured": held + meter.peak, "plan": plan.as_text(), "held": held}
    (out / f"{run.group.rank}.json").write_text(json.dumps(told))


def test_the_planned_peak_of_two_processes_is_the_measured_one(world, tmp_path):
    processes(2, sharded, world, tmp_path)
    for rank in (0, 1):
        told = json.loads((tmp_path / f"{rank}.json").read_text())
        assert told["planned"] == pytest.approx(told["measured"], rel=0.1), told


def test_cards_share_what_is_held_and_micro_batches_shrink_until_they_fit():
    activations = count_activations(task_config(), 64, 8, language=True)
    load = Load(total=8_000_000, learns=8_000_000, root=1_000_000, layer=500_000)
    plans = {n: plan_memory(Machine(n, Card(1e9, 1e12)), load, activations, 16) for n in (1, 2, 8)}
    for name in ("weights", "gradients", "optimiser"):
        assert getattr(plans[8], name) == getattr(plans[1], name) // 8 == getattr(plans[2], name) // 4
    held = plans[8].peak - plans[8].activations
    tight = Machine(8, Card((held + activations.bytes(4, False)) / 0.9 + 10, 1e12))
    assert plan_memory(tight, load, activations, 16).micro_batch == 4
    assert plan_memory(replace(tight, recompute=True), load, activations, 16).micro_batch > 4
    assert plan_memory(Machine(8, Card(1e6, 1e12)), load, activations, 16).micro_batch == 0


def task_config():
    from transformers import LlamaConfig

    return LlamaConfig(**SIZES, vocab_size=300)


def test_the_command_plans_for_named_cards(world, capsys):
    root, data = world
    changes = [f"model.llm={root / 'llm'}", f"model.vision={root / 'vision'}", f"data={data}", "max_tokens=128"]
    plan_recipe("llava15", changes, 1e10, True, 8, "h100")
    found = json.loads(capsys.readouterr().out)
    assert found["flops"] == pytest.approx(8 * 989e12 * 0.4)
    for stage in found["stages"]:
        memory = stage["memory"]
        assert memory["room"] == 72e9 and memory["micro_batch"] == (32 if stage["name"] == "connect" else 16)
        assert memory["weights"] == pytest.approx(stage["weight_bytes"] / 8, rel=0.01)
    plan_recipe("llava15", changes, 1e10, False, 8, "h100", True)
    assert "with --recompute; micro-batches of 16" in capsys.readouterr().out
    assert llava15.plan(llava15.configure(changes), 1e10).stages[0].memory is None
    with pytest.raises(UserError, match="unknown graphics card 'h1000'"):
        plan_recipe("llava15", changes, 1e10, True, 8, "h1000")
    with pytest.raises(UserError, match="it runs on a processor"):
        plan_recipe("tiny", [], 1e10, True, 8, "h100")
    assert "machine" not in clip.plan.__annotations__
