"""Windows: as many tokens as SALMONN's, and each window reads its own features."""

from __future__ import annotations

from tests.connectors.small import DT, DV, features, make

from nunbit.connectors import build


def test_salmonn_gets_88_tokens_from_30_seconds():
    connector = build("window_qformer", vision_width=DV, text_width=DT, width=8, heads=2)
    assert connector.tokens(1500) == 88
    connector_with_tail = build("window_qformer", vision_width=DV, text_width=DT, width=8, heads=2, keep_tail=True)
    assert connector_with_tail.tokens(1500) == 89


def test_a_window_sees_its_own_frames_only():
    connector, x = make("window_qformer"), features(1, 14)  # windows start at 0, 4 and 8
    other = x.clone()
    other[:, 10:] += 1
    changed = (connector(x) != connector(other)).any(-1)[0]
    assert changed.tolist() == [False, False, False, False, True, True]
