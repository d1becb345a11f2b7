"""What a question imports, and that what was left out is there when something calls for it."""

import subprocess
import sys

import pytest
from PIL import Image

CODE = """
import sys
from nunbit.cli.start_up import quick_imports
with quick_imports():
    import nunbit.cli.ask
{then}
"""
NEEDLESS = ["torch._dynamo", "torch.distributed.tensor", "sympy", "scipy.optimize", "scipy.ndimage", "torch.onnx"]


def run(then: str) -> str:
    done = subprocess.run([sys.executable, "-c", CODE.format(then=then)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_question_imports_neither_compiler_nor_optimiser(tmp_path):
    picture = tmp_path / "p.png"
    Image.new("RGB", (64, 48), "red").save(picture)
    then = f"""
import atexit
from nunbit.cli import main
atexit.register(lambda: print("\\n", [m for m in {NEEDLESS} if m in sys.modules]))
sys.argv = ["nunbit", "ask", {str(picture)!r}, "What colour is it?", "--model", "nunbit-tiny"]
main()
"""
    assert run(then).splitlines()[-1].strip() == "[]"


@pytest.mark.slow
def test_the_compiler_is_there_afterwards():
    then = """
import torch
import torch._dynamo
assert type(torch._dynamo).__name__ == "module", type(torch._dynamo)
from transformers.masking_utils import TransformGetItemToIndex
with TransformGetItemToIndex():
    pass
print(torch.compile(lambda x: x + 1, backend="eager")(torch.ones(1)).item())
"""
    assert run(then) == "2.0"


def test_what_is_imported_already_stays_as_it_is():
    from transformers import utils

    from nunbit.cli.start_up import quick_imports

    before = utils.is_torch_distributed_available
    with quick_imports():
        assert utils.is_torch_distributed_available is before
    assert "torch._dynamo" not in sys.modules or type(sys.modules["torch._dynamo"]).__name__ == "module"
