"""In which numbers a model's weights are held: 32 or 16 bits, or quantised by bitsandbytes."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import Any

from nunbit.errors import UserError

DTYPES = ("auto", "float32", "bfloat16", "float16")
KEPT = (r".*multi_modal_projector", r".*vision_tower", "lm_head")
"""What is never quantised: the connector and the encoder are small, the head decides between close answers."""


@dataclass(frozen=True, slots=True)
class Precision:
    """How the weights of a model that answers are held.

    Attributes:
        dtype: one of `DTYPES`. "auto": on a processor float32 where memory allows, on a CUDA device 16 bits, as stored
            or else bfloat16.
        int8, int4: the language model's linear layers in 8 bits (on a CUDA device LLM.int8, arXiv 2208.07339; on a
            processor see `nunbit.engine.int8_linear`) or in 4 (NF4 of QLoRA, arXiv 2305.14314).
    """

    dtype: str = "auto"
    int8: bool = False
    int4: bool = False

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise UserError(f"dtype={self.dtype}", allowed=", ".join(DTYPES))
        if self.int8 and self.int4:
            raise UserError("both --int8 and --int4", allowed="one of the two")

    def library_bits(self, device: str) -> int:
        """Bits that bitsandbytes quantises to on a device: 4, 8 or 0."""
        return 4 if self.int4 else 8 if self.int8 and device.startswith("cuda") else 0

    def wanted(self, stored: Any, device: str) -> Any:
        """The torch dtype for weights that were opened in ``stored``."""
        import torch

        if self.dtype != "auto":
            return getattr(torch, self.dtype)
        if device.startswith("cuda") and stored == torch.float32:
            return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
        return stored


def quantization(bits: int, compute: Any) -> Any:
    """What `from_pretrained` takes to quantise to 4 or 8 bits; products of 4 bits are computed in ``compute``.

    Raises:
        UserError: bitsandbytes is not installed.
    """
    if importlib.util.find_spec("bitsandbytes") is None:
        raise UserError(
            f"{bits} bits without bitsandbytes",
            allowed="weights that are not quantised",
            todo="install it: pip install 'nunbit[qlora]'",
        )
    from transformers import BitsAndBytesConfig

    if bits == 8:
        return BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules=list(KEPT))
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=compute,
        llm_int8_skip_modules=list(KEPT),
    )
