"""How much memory is free: of a graphics card, or of the machine or its container."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import torch

CGROUPS = (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes"))
"""Files of a control group's limit and use, in both versions."""


def available_bytes(device: str) -> int:
    """Memory that is free for this process: of the graphics card, else of the machine or its container, whichever has
    less; 0 where the system does not say."""
    if torch.device(device).type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        held: int = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return free + held
    found = [n for n in (_system_bytes(), _container_bytes()) if n]
    return min(found, default=0)


def as_text(size: float) -> str:
    """Bytes in words: 1.5 GiB."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024 or unit == "GiB":
            break
        size /= 1024
    return f"{size:.1f} {unit}"


def _system_bytes() -> int:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2  # all that other systems say
    except (AttributeError, ValueError, OSError):
        return 0


def _container_bytes(root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> int:
    """What is left of the limits of the process's control group and of those above it; 0 without a limit."""
    return min((n for folder in _control_groups(root, own) if (n := _left(folder))), default=0)


def _control_groups(root: Path, own: Path) -> Iterator[Path]:
    yield root
    yield root / "memory"  # version 1
    try:
        inside = own.read_text().rpartition("::")[2].strip().strip("/")
    except OSError:
        return
    folder = root / inside
    while inside and folder != root:
        yield folder
        folder = folder.parent


def _left(folder: Path) -> int:
    """Bytes that a control group may still take, its file cache counted as free; 0 without a limit."""
    for limit, used in CGROUPS:
        try:
            most = int((folder / limit).read_text())  # "max" is no number: no limit
            now = int((folder / used).read_text())
            stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        except (OSError, ValueError):
            continue
        if most < 1 << 60:
            return max(1, most - now + int(stat.get("inactive_file", 0)))
    return 0
