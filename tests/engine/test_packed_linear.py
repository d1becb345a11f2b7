"""Packed float32 layers give the same products."""

import torch

from nunbit.engine.packed_linear import pack


def test_packing_is_the_same_product_and_keeps_to_its_bytes():
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(48, 80), torch.nn.Linear(80, 33, bias=False))
    assert pack(model, most_bytes=4 * (48 * 80 + 80 * 33) - 1) == [] and not pack(
        torch.nn.Sequential(torch.nn.Linear(4, 4)).double()
    )
    held = model.state_dict()
    x = [torch.randn(shape) for shape in ((48,), (1, 48), (1, 1, 48), (7, 48), (3, 5, 48), (2, 300, 48), (0, 48))]
    want = [model(each) for each in x]
    assert pack(model) == ["0", "1"]
    with torch.inference_mode():
        for each, wanted in zip(x, want, strict=True):
            torch.testing.assert_close(model(each), wanted, atol=1e-5, rtol=1e-5)
    assert all(torch.equal(model.state_dict()[k], v) for k, v in held.items()) and {*model.state_dict()} == {*held}
