"""Settings of stages: absurd ones are refused."""

import pytest

from nunbit.errors import UserError
from nunbit.recipes import llava15


@pytest.mark.parametrize(
    "change",
    (
        "tune.batch=0",
        "tune.save_every=0",
        "tune.warmup=7",
        "tune.batch=-1",
        "tune.batch=many",
        "tune.lr=1",
        "tune.mixing=stir",
    ),
)
def test_absurd_settings(change):
    with pytest.raises(UserError):
        llava15.configure(["debug=true", change])
