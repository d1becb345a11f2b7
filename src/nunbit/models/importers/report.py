"""What became of each tensor of a checkpoint when it was loaded."""

from __future__ import annotations

from dataclasses import dataclass, field

from nunbit.errors import UserError


@dataclass
class LoadReport:
    """Names as in the checkpoint.

    Args:
        matched: loaded as they are.
        remade: name -> what was done, e.g. a position table resized to another grid.
        missing: the model has it, the checkpoint does not.
        unexpected: the checkpoint has it, the model does not.
        misshapen: name -> both shapes, where nothing known explains the difference.
    """

    matched: list[str] = field(default_factory=list)
    remade: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    misshapen: dict[str, str] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether every tensor found its place."""
        return not (self.missing or self.unexpected or self.misshapen)

    def check(self, folder: str) -> None:
        """Check that every tensor found its place.

        Raises:
            UserError: lists those that did not.
        """
        if not self.complete:
            raise UserError(
                f"the checkpoint '{folder}' does not fit: {self}",
                allowed="the released layout, described by config.json and dims.json",
                todo="check the sizes in both files, or load with strict=False to see what happens",
            )

    def __str__(self) -> str:
        parts = [f"{len(self.matched)} matched"]
        for name in ("remade", "missing", "unexpected", "misshapen"):
            found = getattr(self, name)
            if found:
                shown = [f"{k} ({v})" for k, v in found.items()] if isinstance(found, dict) else list(found)
                more = f" and {len(shown) - 4} more" if len(shown) > 4 else ""
                parts.append(f"{len(found)} {name}: {', '.join(shown[:4])}{more}")
        return "; ".join(parts)
