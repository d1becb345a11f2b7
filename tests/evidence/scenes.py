"""A Scene that the tests of evidence share."""

from nunbit.scene import Scene, SceneObject, TextLine


def scene() -> Scene:
    """Two dogs, a red cat, a person; an elephant that perception is not sure of; two lines of text."""
    return Scene(
        300,
        200,
        objects=[
            SceneObject("dog", (10, 20, 80, 90), 0.9, {"colour": "brown", "source": "coco-detector"}),
            SceneObject("dog", (100, 20, 160, 90), 0.85, {"colour": "black"}),
            SceneObject("cat", (200, 120, 290, 190), 0.95, {"colour": "red"}),
            SceneObject("elephant", (0, 100, 60, 199), 0.4),
            SceneObject("person", (170, 10, 190, 80), 0.9),
        ],
        text_lines=[
            TextLine.from_box("NO SMOKING", (100, 150, 160, 160), 0.95),
            TextLine.from_box("Coffee $3.25", (100, 170, 160, 180), 0.95),
        ],
    )
