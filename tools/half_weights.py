"""Store a model's weights in 16 bits, in place: half the size in the repository, computed in 32 bits as before.

    python -m tools.half_weights src/nunbit/models/weights/nunbit-tiny

``config.json`` stays as it is. It names float32, so transformers and we convert the tensors as they are read.
"""

from __future__ import annotations

import sys
from pathlib import Path


def halve(file: Path) -> tuple[int, int, float]:
    """Write every float32 tensor of a file as float16.

    Returns:
        The size before and after in bytes, and the largest relative change of a tensor (in the Frobenius norm).

    Raises:
        ValueError: a value does not fit into 16 bits.
    """
    import torch
    from safetensors import safe_open
    from safetensors.torch import save_file

    from nunbit.files import whole

    before, worst, out = file.stat().st_size, 0.0, {}
    with safe_open(file, framework="pt") as held:
        metadata = held.metadata()
        for name in held.keys():  # noqa: SIM118  (no dictionary)
            value = held.get_tensor(name)
            out[name] = value.half() if value.dtype == torch.float32 else value
            if not torch.isfinite(out[name]).all():
                raise ValueError(f"{name} does not fit into 16 bits")
            change = (out[name].float() - value.float()).norm() / value.float().norm().clamp(min=1e-12)
            worst = max(worst, float(change))
    with whole(file) as beside:
        save_file(out, beside, metadata=metadata)
    return before, file.stat().st_size, worst


if __name__ == "__main__":
    for path in sorted(Path(sys.argv[1]).glob("*.safetensors")):
        before, after, worst = halve(path)
        print(f"{path.name}: {before} to {after} bytes, largest relative change {worst:.1e}")
