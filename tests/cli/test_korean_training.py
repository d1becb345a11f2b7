"""Lines of a training run in the user's language."""

import re

import pytest

from nunbit.translation import translated

LINES = [
    "a setting has changed since this run began: align.lr: 0.001 -> 0.002",
    "talk.json: 12 samples, 3456 tokens, 789 of them learnt",
    "talk.json: 12 samples, 3456 tokens, 789 of them learnt; 2 left out: longer than 2048 tokens",
    "align: learning projector 1,234; 40 steps of 8, 93 % of their tokens real",
    "align 25/40 evaluated: accuracy 61.2 loss 1.1",
    "align: data, weights, batch or seed have changed since step 25; the run continues with the new ones",
    "align: warning: the gradient of step 3 is not finite, the step is skipped (1 so far)",
    "align: the checkpoint of step 5 is of another number of processes; random numbers (dropout, random experts) are "
    "drawn anew",
    "align: micro-batches of 4 of 8 samples (up to 512 tokens): a step takes 1.2 GB, each further sample 0.3 GB, "
    "of 6.0 GB that it may take",
]


@pytest.mark.parametrize("line", LINES)
def test_a_line_is_in_korean_with_its_figures(line):
    korean = translated(line, "ko")
    assert len(re.findall("[가-힣]", korean)) >= 2 and not re.search(r"\b(steps?|samples?|of|the)\b", korean)
    figures = re.findall(r"\d[\d.,]*\d|\d", line)
    assert sorted(figures) == sorted(re.findall(r"\d[\d.,]*\d|\d", korean))


def test_the_command_gives_lines_in_korean(monkeypatch, capsys, tmp_path):
    from types import SimpleNamespace

    from nunbit import recipes
    from nunbit.cli.train import train_recipe
    from nunbit.training.options import RunOptions

    def run(config, out, options):
        options.say("align 25/40 evaluated: accuracy 61.2")
        return out

    made = SimpleNamespace(configure=lambda changes: SimpleNamespace(eval=""), run=run)
    monkeypatch.setattr(recipes, "load", lambda name: made)
    monkeypatch.setenv("LC_ALL", "ko_KR.UTF-8")
    train_recipe("llava15", [], tmp_path, 1, RunOptions())
    assert "align 25/40 평가: accuracy 61.2" in capsys.readouterr().out
