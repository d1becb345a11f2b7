"""Generated conversations become batches whose answers are learnt."""

import torch

from nunbit.studies import few_shot
from nunbit.studies.generated import GeneratedTask
from nunbit.training.loop import Stage


def test_an_episode_is_a_conversation_whose_answers_are_learnt(small):
    task = GeneratedTask(*small, lambda number, seed: few_shot.conversation(number, seed, 9))
    stage = Stage(name="x", steps=1, batch=2, lr=1e-3)
    batch = task.batch(0, stage)
    assert (
        len(batch["pixels"]) == 18 and batch["owner"].tolist() == [0] * 9 + [1] * 9 and batch["pixels"].shape[-1] == 64
    )
    again = task.batch(0, stage)
    assert all(torch.equal(batch[k], again[k]) for k in batch)
    tokenizer = small[1].tokenizer
    assert ((batch["labels"] == tokenizer.eos_token_id).sum(1) == 9).all(), "nine answers, each with its end"
    loss, _ = task.loss(batch)
    assert torch.isfinite(loss)
