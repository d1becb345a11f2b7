"""A model that is spread over processes learns what one process learns; its files are those of a whole one."""

import json

import pytest
import torch
from safetensors.torch import load_file
from tests.training import idle_parts
from tests.training.sharded_run import RECIPES, configure, gap, lines, processes, train, write_world

from nunbit.training.options import RunOptions

STEPS = 4


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return write_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def alone(world):
    """Folder of a run in one process, by recipe; each is run once."""
    made = {}

    def get(kind):
        if kind not in made:
            made[kind] = world / f"{kind}-alone"
            processes(1, train, kind, world, made[kind], STEPS)
        return made[kind]

    return get


def weights(folder):
    return {k: v for f in sorted(folder.glob("**/*.safetensors")) for k, v in load_file(f).items()}


FOUR = [pytest.param(k, 4, marks=pytest.mark.slow) for k in RECIPES if "-" not in k]
"""Four processes on two cores take minutes: `make shard` has them."""


@pytest.mark.parametrize(("kind", "count"), [*((kind, 2) for kind in RECIPES), *FOUR])
def test_sharded_processes_equal_one(kind, count, world, alone, tmp_path):
    processes(count, train, kind, world, tmp_path, STEPS, shard=True)
    assert gap(lines(alone(kind), kind), lines(tmp_path, kind)) <= 1e-5
    name = "adapter" if kind == "llava15-lora" else "model"
    ours, theirs = weights(tmp_path / name), weights(alone(kind) / name)
    assert ours.keys() == theirs.keys()
    assert all(torch.allclose(v, theirs[k], atol=1e-4) for k, v in ours.items())
    assert not list((tmp_path / name).glob("**/*sharded*")), "no part is left"


@pytest.mark.parametrize("kind", ("adapters-sharded", "experts-sharded"))
def test_what_no_process_drew_rests_bit_for_bit(kind, world, tmp_path):
    """Steps with and without pictures; each process draws experts of its own."""
    processes(2, idle_parts.main, kind, world / "base", world / "conversations.json", tmp_path)


def in_bfloat16(*given, **how):
    """Train as on a graphics card: weights are gathered in bfloat16, gradients summed in float32."""
    from torch.distributed.fsdp import MixedPrecisionPolicy

    from nunbit.training import loop, sharding

    policy = MixedPrecisionPolicy(torch.bfloat16, torch.float32, cast_forward_inputs=False)
    sharding.precision = lambda device: policy
    loop.mixed_precision = lambda device: torch.autocast("cpu", torch.bfloat16)
    train(*given, **how)


def test_bfloat16_weights_and_float32_sums_learn_the_same(world, alone, tmp_path):
    processes(2, in_bfloat16, "llava15-stages", world, tmp_path, STEPS, shard=True)
    assert 0 < gap(lines(alone("llava15-stages"), "llava15-stages"), lines(tmp_path, "llava15-stages")) < 0.02
    assert all(v.dtype == torch.float32 for v in weights(tmp_path / "model").values())


def in_sixteen_bits(root):
    """A base whose weights are stored in bfloat16."""
    from nunbit.models.checkpoint import open_model, save

    model, processor = open_model(root / "base")
    save(model.to(torch.bfloat16), processor, root / "base16")


@pytest.mark.parametrize("count", (1, 2))
def test_weights_stored_in_bfloat16_learn_in_float32(count, world, tmp_path, monkeypatch):
    stage, text = RECIPES["moai"]
    monkeypatch.setitem(RECIPES, "moai", (stage, text.replace("/base", "/base16")))
    if not (world / "base16").exists():
        processes(1, in_sixteen_bits, world)
    processes(count, train, "moai", world, tmp_path, 1, shard=True)
    assert all(v.dtype == torch.float32 for v in weights(tmp_path / "model").values())


def without_others_rows(*given, **how):
    """Train, each process with a base of which it has nothing but its own rows, and with drawn weights of its own."""
    import torch.distributed as dist
    from torch.distributed.tensor import DTensor

    from nunbit.training import sharding

    real, sent = sharding._fill, []

    def fill(root, sources, device):
        assert all(p.is_meta for p in root.parameters() if isinstance(p, DTensor)), "sharded before anything is read"
        for p in sources.values():
            rows = -(-len(p) // dist.get_world_size())
            if not sharding.is_from_file(p):
                p.data += dist.get_rank()
                continue
            first = rows * dist.get_rank()
            mine = p.data[first : first + rows].clone()
            p.data = torch.full_like(p.data, float("nan"))
            p.data[first : first + rows] = mine
        real_broadcast = dist.broadcast
        dist.broadcast = lambda value, source: (sent.append(value.numel()), real_broadcast(value, source))[1]
        real(root, sources, device)
        dist.broadcast = real_broadcast
        assert sum(sent) == sum(p.numel() for p in sources.values() if p.requires_grad and not sharding.is_from_file(p))

    sharding._fill = fill
    train(*given, **how)
    assert sent


def test_a_process_reads_its_own_rows_alone(world, alone, tmp_path):
    processes(2, without_others_rows, "llava15-lora", world, tmp_path, STEPS, shard=True)
    assert gap(lines(alone("llava15-lora"), "llava15-lora"), lines(tmp_path, "llava15-lora")) <= 1e-5


def test_what_is_saved_in_parts_opens_like_any_model(world, tmp_path):
    from nunbit.models.checkpoint import open_model

    processes(2, train, "llava15", world, tmp_path, 1, shard=True)
    model, _ = open_model(tmp_path / "model")
    held = load_file(tmp_path / "model" / "model.safetensors")
    assert len(held) > 20 and not any(p.is_meta for p in model.parameters())


def stopped(kind, root, out, steps, **how):
    """Train, and end as if killed once the checkpoint of step 3 is written."""
    from nunbit.training import loop

    real = loop._checkpoint

    def once(run, folder, step, guard):
        real(run, folder, step, guard)
        if step == 3:
            run.group.wait()
            raise SystemExit(0)

    loop._checkpoint = once
    train(kind, root, out, steps, **how)


def ended(*given, **how):
    try:
        stopped(*given, **how)
    except SystemExit:
        return


def test_killed_with_four_resumed_with_two(world, alone, tmp_path, monkeypatch):
    monkeypatch.setitem(
        RECIPES, "llava15", (*RECIPES["llava15"][:1], RECIPES["llava15"][1] + " tune.checkpoints=shards")
    )
    processes(4, ended, "llava15", world, tmp_path, STEPS, shard=True)
    assert len(list((tmp_path / "tune" / "shards-00000003").glob("*.safetensors"))) == 4
    processes(2, train, "llava15", world, tmp_path, STEPS, shard=True)
    assert gap(lines(alone("llava15"), "llava15"), lines(tmp_path, "llava15")) <= 1e-5


def inside(root, out):
    """In each process: the whole model is spread, frozen parts too, and what is gathered is let go."""
    import torch.distributed as dist
    from torch.distributed.tensor import DTensor

    from nunbit.training import stages

    seen = {}

    def watched(name, phase, task, seed, folder, options):
        from nunbit.training.loop import _ready, _step

        run = _ready(task, phase.stage(name, 1, seed), options)
        for p in task.model.parameters():
            assert isinstance(p, DTensor), "every parameter is spread"
        seen["whole"] = sum(p.numel() for p in task.model.parameters())
        seen["here"] = sum(p.to_local().numel() for p in task.model.parameters())
        _step(run, task.batch(0, run.stage), 0)
        assert all(isinstance(p, DTensor) for p in task.model.model.language_model.layers.parameters())
        seen["state"] = sum(
            v.to_local().numel() for s in run.optimisers[0].state.values() for v in s.values() if v.ndim
        )

    from nunbit.recipes import llava

    llava.train_phase = watched
    assert stages.train_phase is not watched
    module, config = configure("llava15", root, 1)
    llava.save_trained = lambda *given: None
    module.run(config, out, RunOptions(say=lambda _: None, shard=True))
    (out / f"{dist.get_rank()}.json").write_text(json.dumps(seen))


def test_each_process_holds_its_share(world, tmp_path):
    processes(4, inside, world, tmp_path)
    for rank in range(4):
        seen = json.loads((tmp_path / f"{rank}.json").read_text())
        assert seen["here"] == pytest.approx(seen["whole"] / 4, rel=0.1)
        assert seen["state"] <= 2 * seen["here"]


@pytest.mark.parametrize("kind", ("llava15", "collavo", "moai", "flamingo"))
def test_recomputed_layers_give_the_same_gradients(kind, world, alone, tmp_path):
    processes(1, train, kind, world, tmp_path, STEPS, recompute=True)
    assert gap(lines(alone(kind), kind), lines(tmp_path, kind)) == 0


def test_compiled_layers_and_another_attention_give_the_same_losses(world, alone, tmp_path):
    processes(1, train, "llava15", world, tmp_path / "compiled", STEPS, compile="eager")
    processes(1, train, "llava15", world, tmp_path / "attention", STEPS, attention="eager")
    for name in ("compiled", "attention"):
        assert gap(lines(alone("llava15"), "llava15"), lines(tmp_path / name, "llava15")) <= 1e-4


def test_an_unknown_attention_is_refused(world, tmp_path):
    with pytest.raises(RuntimeError, match="the attention 'flash' "):
        processes(1, train, "llava15", world, tmp_path, 1, attention="flash")
