"""Names of the subset fonts: a changed font may not carry a reserved name (SIL Open Font License, section 3).

    python -m tools.rename_fonts [FOLDER]

Writes family, style, copyright and licence into the name table of each file; no glyph is touched. Needs fonttools.
"""

from __future__ import annotations

import sys
from pathlib import Path

from fontTools.ttLib import TTFont

FONTS = Path(__file__).parents[1] / "src" / "nunbit" / "world" / "fonts"
DEJAVU = "Copyright (c) 2003 by Bitstream, Inc. All Rights Reserved. DejaVu changes are in public domain."
NANUM = (
    "Copyright (c) 2010, NAVER Corporation (http://www.nhncorp.com), with Reserved Font Name Nanum, Naver Nanum, "
    "NanumGothic, Naver NanumGothic, NanumMyeongjo, NanumBrush, NanumPen, NanumBarunGothic"
)
NAMES = {
    "sans": ("Nunbit Sans", "Regular", DEJAVU),
    "sans-bold": ("Nunbit Sans", "Bold", DEJAVU),
    "serif": ("Nunbit Serif", "Regular", DEJAVU),
    "mono": ("Nunbit Mono", "Regular", DEJAVU),
    "greek-cyrillic": ("Nunbit Greek Cyrillic", "Regular", DEJAVU),
    "gothic": ("Nunbit Gothic", "Regular", NANUM),
    "gothic-bold": ("Nunbit Gothic", "Bold", NANUM),
    "round": ("Nunbit Round", "Regular", NANUM),
    "kana-han": ("Nunbit Kana Han", "Regular", NANUM),
}
LICENCES = {
    DEJAVU: ("Bitstream Vera licence, see licences/Bitstream-Vera.txt", "https://dejavu-fonts.github.io/License.html"),
    NANUM: ("SIL Open Font License 1.1, see licences/OFL-1.1.txt", "https://openfontlicense.org"),
}


def rename(path: Path) -> None:
    """Write the names of one file."""
    family, style, copyright_line = NAMES[path.stem]
    licence, address = LICENCES[copyright_line]
    font = TTFont(path, recalcBBoxes=False, recalcTimestamp=False)
    table = font["name"]
    table.names = []
    full = family if style == "Regular" else f"{family} {style}"
    values = {
        0: copyright_line,
        1: family,
        2: style,
        4: full,
        6: full.replace(" ", "") if style == "Regular" else f"{family.replace(' ', '')}-{style}",
        13: licence,
        14: address,
    }
    for number, value in values.items():
        table.setName(value, number, 3, 1, 0x409)
    font.save(path)


def main() -> None:
    """Rename every font of the folder."""
    for path in sorted((Path(sys.argv[1]) if len(sys.argv) > 1 else FONTS).glob("*.ttf")):
        rename(path)
        print(path.name, NAMES[path.stem][0])


if __name__ == "__main__":
    main()
