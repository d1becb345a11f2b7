"""Operations of a step are those that torch counts."""

import pytest
from tests.training.small_llava import RATES, task_of, write_world

from nunbit.training.flops import LlavaCost


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return write_world(tmp_path_factory.mktemp("world"))


@pytest.mark.parametrize("rates", ({"connector": 1.0}, RATES, {"vision": 1.0, "language": 1.0}))
def test_operations_are_those_that_torch_counts(world, rates):
    """Against torch's own counter, where nothing is padding. We count what a first layer would give back, and the
    encoder's last layer, whose output is not used, as learning."""
    from torch.utils.flop_counter import FlopCounterMode

    task = task_of(world, rates)
    task.model.set_attn_implementation("eager")  # the counter does not know the processor's fused attention
    task.samples = [next(s for s in task.samples if s.media)] * 2
    batch = task.load(task.samples)
    with FlopCounterMode(display=False) as counter:
        task.loss(batch)[0].backward()
    assert LlavaCost(task.model).of(batch) == pytest.approx(counter.get_total_flops(), rel=0.08)
