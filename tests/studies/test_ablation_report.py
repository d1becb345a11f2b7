"""The table of an ablation says what its files say."""

import pytest

from nunbit.studies.ablation import as_text, page, summary


def fake(variant, seed, right, scenes="estimated"):
    n = len(right)
    return {
        "variant": variant,
        "seed": seed,
        "scenes": scenes,
        "right": right,
        "pictures": [i // 2 for i in range(n)],
        "kinds": ["count"] * n,
        "splits": ["unseen" if i % 4 == 0 else "test" for i in range(n)],
        "training_seconds": 1.0,
        "gates": {},
        "first_token_ms": 10.0,
        "added_megabytes": 0.5,
    }


def test_the_table_is_the_mean_over_seeds_and_the_gain_is_paired():
    plain = [fake("plain", s, [i % 2 == 0 for i in range(40)]) for s in range(3)]
    told = [fake("all", s, [i % 2 == 0 or i % 8 == s for i in range(40)]) for s in range(3)]
    rows = {r["variant"]: r for r in summary([*plain, *told])["rows"]}
    assert rows["plain"]["all"]["right"] == 0.5 and rows["plain"]["gain"] is None
    wanted = sum(sum(r["right"]) for r in told) / 120
    assert rows["all"]["all"]["right"] == pytest.approx(wanted)
    assert rows["all"]["gain"]["points"] == pytest.approx(100 * (wanted - 0.5))
    low, high = rows["all"]["gain"]["interval"]
    assert low <= rows["all"]["gain"]["points"] <= high
    assert rows["plain"]["unseen"]["n"] == 10 and rows["plain"]["unseen"]["right"] == 1.0
    assert "plain" in as_text({"rows": list(rows.values())}) and page({"rows": list(rows.values())}).startswith(
        "<!doctype html>"
    )
