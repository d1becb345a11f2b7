"""Which optimiser moves what."""

import pytest

from nunbit.recipes.tiny.language import OracleTask
from nunbit.recipes.tiny.model import build, make_tokenizer
from nunbit.recipes.tiny.names import class_names
from nunbit.training.stage import Stage


@pytest.fixture(scope="module")
def tokenizer():
    return make_tokenizer(pictures=60)


def test_muon_takes_hidden_matrices_and_leaves_tables_and_heads(tokenizer):
    from nunbit.training.optimisers import make_optimisers

    words = OracleTask(build(tokenizer), tokenizer, class_names())
    stage = Stage(name="s", steps=1, batch=1, lr=1e-3, muon_lr=2e-3)
    adamw, muon = make_optimisers(words.modules(), stage)
    taken = {id(p) for g in muon.param_groups for p in g["params"]}
    left = {id(p) for g in adamw.param_groups for p in g["params"]}
    assert not taken & left and taken | left == {
        id(p) for m in words.modules().values() for p in m.parameters() if p.requires_grad
    }
    assert id(words.model.get_input_embeddings().weight) in left and id(words.oracle.name.weight) in left
    assert id(words.model.model.language_model.layers[0].mlp.up_proj.weight) in taken
