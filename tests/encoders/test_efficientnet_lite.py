"""EfficientNet-Lite: the published outputs, the shapes a connector reads, and transformers' doors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from nunbit.encoders.efficientnet_lite import (
    EfficientNetLite,
    EfficientNetLiteConfig,
    EfficientNetLiteForImageClassification,
    block_rows,
    fold_package_state,
)
from nunbit.errors import UserError

PHOTOS = Path(__file__).parents[1] / "perception" / "photos"
RECORDED = {"cat": (285, 0.76), "coffee": (967, 0.70)}
"""Class and probability that the published implementation with the published weights gives at 260 pixels."""


@pytest.mark.parametrize("name", RECORDED)
@torch.inference_mode()
def test_the_shipped_weights_give_what_the_published_ones_give(name: str) -> None:
    picture = Image.open(PHOTOS / f"{name}.jpg").convert("RGB").resize((260, 260), Image.Resampling.BICUBIC)
    pixels = torch.from_numpy((np.asarray(picture, np.float32) - 127) / 128).permute(2, 0, 1)[None]
    chance = EfficientNetLiteForImageClassification.shipped()(pixels).logits.softmax(-1)[0]
    label, value = RECORDED[name]
    assert chance.argmax() == label
    assert chance[label].item() == pytest.approx(value, abs=0.08)


def test_lite2_has_the_published_number_of_parameters() -> None:
    # 6,092,072 published; its 46,192 batch-norm values leave one bias for two of them.
    config = EfficientNetLiteConfig.of_variant("lite2")
    count = sum(p.numel() for p in EfficientNetLiteForImageClassification(config).parameters())
    assert count == pytest.approx(6_092_072, rel=0.01)
    assert len(block_rows(1.0, 1.0)) == 16 and len(block_rows(1.1, 1.2)) == 21
    with pytest.raises(UserError, match="did you mean|Did you mean"):
        EfficientNetLiteConfig.of_variant("lite02")


def test_it_is_an_encoder_of_transformers(tmp_path: Path) -> None:
    from transformers import AutoModel

    model = EfficientNetLite(EfficientNetLiteConfig(image_size=64)).eval()
    model.save_pretrained(tmp_path)
    again = AutoModel.from_pretrained(tmp_path).eval()
    pixels = torch.randn(2, 3, 64, 96)
    with torch.inference_mode():
        out, back = model(pixels, output_hidden_states=True), again(pixels)
    assert isinstance(again, EfficientNetLite)
    assert out.last_hidden_state.shape == (2, 6, 1280) and out.grid == (2, 3)
    assert torch.equal(out.hidden_states[-1].flatten(2).transpose(1, 2), out.last_hidden_state)
    assert torch.equal(out.last_hidden_state, back.last_hidden_state)


def test_folding_a_batch_norm_changes_nothing() -> None:
    conv, norm = torch.nn.Conv2d(3, 4, 3, bias=False), torch.nn.BatchNorm2d(4, eps=1e-3)
    norm.running_mean, norm.running_var = torch.randn(4), torch.rand(4) + 0.5
    norm.weight.data, norm.bias.data = torch.randn(4), torch.randn(4)
    state = {f"_bn0.{k}": v for k, v in norm.state_dict().items()} | {"_conv_stem.weight": conv.weight.data}
    head = {k.replace("_bn0", "_bn1"): v for k, v in state.items() if "_bn0" in k} | {
        "_conv_head.weight": conv.weight.data
    }
    block = {k.replace("_bn0", "_blocks.0._bn1"): v for k, v in state.items() if "_bn0" in k}
    block |= {
        "_blocks.0._depthwise_conv.weight": conv.weight.data,
        "_fc.weight": torch.zeros(1),
        "_fc.bias": torch.zeros(1),
    }
    out = fold_package_state(state | head | block)
    x = torch.randn(1, 3, 6, 6)
    folded = torch.nn.functional.conv2d(x, out["encoder.stem.weight"], out["encoder.stem.bias"])
    assert torch.allclose(folded, norm.eval()(conv(x)), atol=1e-5)
    assert {"encoder.blocks.0.depthwise.weight", "encoder.head.bias", "classifier.weight"} <= set(out)
