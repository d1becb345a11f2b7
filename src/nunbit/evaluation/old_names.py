"""Names that result files had in earlier versions, so that old result folders still open.

Everything that reads a result file passes it through `with_current_keys`.
"""

from __future__ import annotations

from typing import Any

CURRENT_KEYS = {
    "arm": "variant",
    "arms": "variants",
    "asked": "eval_questions",
    "blanked": "blank_image",
    "blanked_credit": "blank_image_credit",
    "sight": "image_scale",
    "usual": "majority",
    "way": "strategy",
}
"""Old JSON key -> the key that is written now."""


def with_current_keys(data: Any) -> Any:
    """A copy of parsed JSON in which every old key, at any depth, has its current name.

    Args:
        data: a value as `json.loads` returns it.

    Returns:
        The same structure; where both names of a key are present, the current one wins.
    """
    if isinstance(data, list):
        return [with_current_keys(v) for v in data]
    if not isinstance(data, dict):
        return data
    renamed = {CURRENT_KEYS.get(k, k): with_current_keys(v) for k, v in data.items() if k in CURRENT_KEYS}
    return renamed | {k: with_current_keys(v) for k, v in data.items() if k not in CURRENT_KEYS}
