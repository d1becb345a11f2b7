"""The connector that starts out in words."""

import torch
from torch.nn import functional as F

from nunbit.connectors import build


def test_it_begins_as_the_word_of_what_is_seen():
    torch.manual_seed(0)
    connector = build("named_features", vision_width=8, text_width=16, names=5, side=2)
    classifier, words = 20 * torch.eye(5, 8), torch.randn(5, 16)
    connector.start(classifier, torch.zeros(5), words)
    features = F.one_hot(torch.tensor([0, 0, 1, 1, 0, 0, 1, 1, 2, 2, 3, 3, 2, 2, 3, 3]), 8).float()[None]
    tokens = connector(features)[0]
    assert torch.allclose(tokens[:4], words[:4], atol=1e-3)
    assert not torch.allclose(tokens[4], words[0], atol=0.1)  # the whole picture is a mixture


def test_cells_are_those_of_adaptive_pooling():
    connector = build("named_features", vision_width=3, text_width=4, names=2, side=4)
    features = torch.randn(2, 9 * 7, 3)
    expected = F.adaptive_avg_pool2d(features.transpose(1, 2).unflatten(2, (9, 7)), 4).flatten(2).transpose(1, 2)
    pooled = connector.pool(features, grid=(9, 7))
    assert torch.allclose(pooled[:, :16], expected, atol=1e-6)
    assert torch.allclose(pooled[:, 16], features.mean(1), atol=1e-6)
