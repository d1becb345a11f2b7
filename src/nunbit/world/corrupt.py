"""A Scene as perception might have estimated it: with the mistakes that show.

Only what a reader of the Scene can notice is changed: things that are not there have a low score, a second name
    for one thing lies in the same place with a lower score, misread characters have a low score. What cannot be
    noticed (a thing that was overlooked) would teach to guess; such mistakes come from real estimated Scenes.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nunbit.scene import Scene, SceneObject, TextLine
from nunbit.world.base import pick
from nunbit.world.names import kind_of, table

_ALIKE = {
    "0": "O",
    "O": "0",
    "1": "l",
    "l": "1",
    "5": "S",
    "S": "5",
    "8": "B",
    "B": "8",
    "2": "Z",
    "e": "c",
    "n": "r",
    "rn": "m",
    "i": "l",
    "u": "v",
}


def corrupt(scene: Scene, rng: np.random.Generator, strength: float = 1.0) -> Scene:
    """A copy with mistakes; ``strength`` 1 is what a small detector does on photographs."""
    facts = ("label", "value")
    objects = [
        replace(o, attributes={k: v for k, v in o.attributes.items() if k not in facts}, segment=None)
        for o in scene.objects
    ]
    for _ in range(int(rng.poisson(0.5 * strength))):
        objects.append(_false(scene, rng))
    for o in list(objects):
        if rng.random() < 0.12 * strength:
            objects.append(
                replace(o, name=_similar(o.name, rng), score=round(float(rng.uniform(0.2, 0.45)), 2), attributes={})
            )
    objects = [objects[int(i)] for i in rng.permutation(len(objects))]
    lines = [_misread(t, rng, strength) for t in scene.text_lines]
    return Scene(scene.width, scene.height, objects, [], lines, meta=dict(scene.meta))


def _false(scene: Scene, rng: np.random.Generator) -> SceneObject:
    w, h = scene.width * float(rng.uniform(0.05, 0.3)), scene.height * float(rng.uniform(0.05, 0.3))
    x, y = float(rng.uniform(0, scene.width - w)), float(rng.uniform(0, scene.height - h))
    names = [n for n in table() if kind_of(n) not in ("place", "shape")]
    return SceneObject(pick(rng, names), (x, y, x + w, y + h), round(float(rng.uniform(0.15, 0.42)), 2))


def _similar(name: str, rng: np.random.Generator) -> str:
    kind = kind_of(name)
    return pick(rng, [n for n in table() if kind_of(n) == kind and n != name] or ["box"])


def _misread(line: TextLine, rng: np.random.Generator, strength: float) -> TextLine:
    """One character in thirty is read as one that looks like it."""
    if not line.text.isascii() or rng.random() > 0.2 * strength:
        return line
    text = "".join(_ALIKE[c] if c in _ALIKE and rng.random() < 0.1 else c for c in line.text)
    return line if text == line.text else replace(line, text=text, score=round(float(rng.uniform(0.2, 0.48)), 2))
