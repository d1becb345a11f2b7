"""Exact-name registries for the four things a user names: connectors, benchmarks, recipes, presets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from nunbit.errors import unknown_name

T = TypeVar("T")


class Registry(Generic[T]):
    """A dictionary whose look-up error lists the choices and the nearest match. Names are exact, never substrings."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._items: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """A decorator that adds an item under a name; twice the same name is an AssertionError."""

        def add(item: T) -> T:
            assert name not in self._items, f"{self.kind} '{name}' is registered twice"
            self._items[name] = item
            return item

        return add

    def __getitem__(self, name: str) -> T:
        if name not in self._items:
            raise unknown_name(self.kind, name, self._items)
        return self._items[name]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._items))

    def __contains__(self, name: object) -> bool:
        return name in self._items

    def __len__(self) -> int:
        return len(self._items)
