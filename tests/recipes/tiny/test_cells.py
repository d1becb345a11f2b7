"""Labels of cells."""

from nunbit.perception.cells import glyph_char, glyph_parts
from nunbit.recipes.tiny.cells import cells_of
from nunbit.recipes.tiny.names import class_names
from nunbit.world.samples import sample


def test_hangul_parts_compose_back():
    for char in "가힣각뷁한":
        lead, vowel, final = glyph_parts(char)
        assert chr(0xAC00 + (lead - 96) * 588 + (vowel - 1) * 28 + final) == char
    assert glyph_parts("A") == (34, 0, 0)
    assert (
        "".join(glyph_char(*glyph_parts(c)) for c in "Aa9 ₩힣가값~") == "Aa9 \ufffd힣가값~"
        and glyph_char(0, 0, 0) == ""
    )


def test_cells_hold_what_was_drawn():
    names = class_names()
    for i in range(40):
        picture = sample(i, seed=4).picture
        cells = cells_of(picture, names)
        assert cells.name.shape == (144,) and cells.glyph.shape == (144, 4, 3)
        assert {names[k] for k in cells.name if k} <= {o.name for o in picture.scene.objects}
        assert (cells.glyph[..., 0] > 0).sum() <= len(picture.glyphs)
