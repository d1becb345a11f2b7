"""Free memory: the machine's, or what its container may still take."""

import pytest

from nunbit.models import free_memory as memory


def group(folder, limit, used, cache=0):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.max").write_text(str(limit))
    (folder / "memory.current").write_text(str(used))
    (folder / "memory.stat").write_text(f"anon 5\ninactive_file {cache}\n")


@pytest.mark.parametrize(
    ("limit", "inner", "wanted"),
    (("max", "max", 0), (1000, "max", 700), (1000, 800, 500), ("max", 800, 500), (1 << 62, "max", 0)),
)
def test_the_tightest_control_group_counts(tmp_path, limit, inner, wanted):
    """900 of which 600 are file cache, in the outer group; 500 and 200 in the inner one."""
    group(tmp_path / "cgroup", limit, 900, 600)
    group(tmp_path / "cgroup/slice/unit", inner, 500, 200)
    own = tmp_path / "own"
    own.write_text("1:name=systemd:/x\n0::/slice/unit\n")
    assert memory._container_bytes(tmp_path / "cgroup", own) == wanted


def test_without_control_groups_the_machine_counts(tmp_path):
    assert memory._container_bytes(tmp_path / "none", tmp_path / "none") == 0
    assert memory.available_bytes("cpu") > 1 << 20
