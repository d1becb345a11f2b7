"""What the tests of perception share: a provider that always says the same, and two pictures."""

from __future__ import annotations

from PIL import Image

from nunbit.scene import Scene, SceneObject

WHITE, BLACK = Image.new("RGB", (40, 30), "white"), Image.new("RGB", (40, 30), "black")


class Fixed:
    """A provider that says the same of every picture, and counts the pictures it saw; black pictures break it."""

    def __init__(self, name: str, **fields) -> None:
        self.name, self.fields, self.seen = name, fields, 0

    def __call__(self, images):
        if any(i.getpixel((0, 0)) == (0, 0, 0) for i in images):
            raise RuntimeError("a black picture\nand more")
        self.seen += len(images)
        return [Scene(i.width, i.height, **{k: list(v) for k, v in self.fields.items()}) for i in images]


def boxes(*named):
    return [SceneObject(n, b) for n, b in named]
