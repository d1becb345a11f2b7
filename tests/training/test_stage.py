"""Stages and their learning-rate schedules."""

import pytest

from nunbit.errors import UserError
from nunbit.training.stage import Stage, lr_scale


def test_schedule_rises_stays_and_falls():
    s = Stage(name="s", steps=100, batch=1, lr=1.0, warmup=10, decay=0.3)
    rates = [lr_scale(i, s) for i in range(100)]
    assert rates[0] == 0.1 and rates[9:70] == [1.0] * 61 and rates[99] == pytest.approx(1 / 30)


@pytest.mark.parametrize("field", ("batch", "save_every"))
def test_absurd_stages(field):
    with pytest.raises(UserError, match=f"{field}=0"):
        Stage(**{"name": "x", "steps": 1, "batch": 1, "lr": 1.0} | {field: 0})
    with pytest.raises(UserError, match="shards"):
        Stage(name="x", steps=1, batch=1, lr=1.0, checkpoints="shard")
    with pytest.raises(UserError, match="unknown schedule 'cosin'.*Did you mean 'cosine'"):
        Stage(name="x", steps=1, batch=1, lr=1.0, schedule="cosin")
