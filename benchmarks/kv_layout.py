"""Keys and values in slots or in blocks: what attention of one decode step takes with each.

    python -m benchmarks.kv_layout [--device cuda] [--rows 8] [--tokens 1024]

Slots are read where they lie. Blocks (pages, vLLM, SOSP 2023) are gathered by each row's table before torch's attention
reads them, as there is no kernel of torch that reads a table. Sizes are those of one layer of a 7-B decoder with
grouped heads, medians of `REPEATS` steps.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention as attention

HEADS, KEY_HEADS, WIDTH, BLOCK, REPEATS = 32, 8, 128, 16, 30


def milliseconds(step: Callable[[], torch.Tensor], device: str) -> float:
    """Median time of a step."""
    took = []
    for _ in range(REPEATS + 3):
        began = time.perf_counter()
        step()
        if device.startswith("cuda"):
            torch.cuda.synchronize()
        took.append(1000 * (time.perf_counter() - began))
    return statistics.median(took[3:])


def measure(device: str, rows: int, tokens: int) -> dict[str, Any]:
    """Milliseconds of both, and how far their outputs differ."""
    dtype = torch.bfloat16 if device.startswith("cuda") else torch.float32
    torch.manual_seed(0)
    query = torch.randn(rows, HEADS, 1, WIDTH, device=device, dtype=dtype)
    slots = torch.randn(2, rows, KEY_HEADS, tokens, WIDTH, device=device, dtype=dtype)
    table = torch.randperm(rows * tokens // BLOCK, device=device).view(rows, -1)
    blocks = torch.empty(2, table.numel(), BLOCK, KEY_HEADS, WIDTH, device=device, dtype=dtype)
    blocks[:, table] = slots.transpose(2, 3).reshape(2, rows, -1, BLOCK, KEY_HEADS, WIDTH)
    mask = torch.zeros(rows, 1, 1, tokens, device=device, dtype=dtype)

    def from_slots() -> torch.Tensor:
        return attention(query, slots[0], slots[1], attn_mask=mask, enable_gqa=True)

    def from_blocks() -> torch.Tensor:
        keys, values = (b[table].flatten(1, 2).transpose(1, 2) for b in blocks)
        return attention(query, keys, values, attn_mask=mask, enable_gqa=True)

    same = float((from_slots() - from_blocks()).abs().max())
    return {
        "device": device,
        "rows": rows,
        "tokens": tokens,
        "slots_ms": round(milliseconds(from_slots, device), 3),
        "blocks_ms": round(milliseconds(from_blocks, device), 3),
        "largest_difference": same,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rows", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=1024)
    given = parser.parse_args()
    print(json.dumps(measure(given.device, given.rows, given.tokens)))


if __name__ == "__main__":
    main()
