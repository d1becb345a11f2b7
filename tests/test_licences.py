"""Every shipped font, picture and weight has its licence in one file, and the texts are there."""

import fnmatch
import json
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXTS = ROOT / "src" / "nunbit" / "licences"
ENTRIES = json.loads((TEXTS / "licences.json").read_text(encoding="utf-8"))
BINARY = tuple(
    ".ttf .otf .woff .woff2 .webp .png .jpg .jpeg .gif .svg .ico .safetensors .npz .npy .bin .pt .onnx .gguf".split()
)
RESERVED = ("nanum", "naver", "bitstream", "vera")


def tracked():
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("no repository")
    return [name for name in done.stdout.split("\0") if name.endswith(BINARY) and (ROOT / name).exists()]


def test_every_binary_has_one_licence():
    files = tracked()
    assert len(files) > 40
    found = {f: [e["files"] for e in ENTRIES if fnmatch.fnmatchcase(f, e["files"])] for f in files}
    assert not {f: e for f, e in found.items() if len(e) != 1}


def test_every_entry_names_files_that_exist_and_a_text():
    for entry in ENTRIES:
        assert entry.get("optional") or [*ROOT.glob(entry["files"])], entry
        assert entry["licence"] and entry["copyright"] and entry["what"]
        shipped = entry["files"].startswith("src/nunbit/")
        text = (TEXTS if shipped else ROOT) / entry["text"]
        assert len(text.read_text(encoding="utf-8")) > 200, text


def test_a_text_has_the_copyright_lines_that_its_licence_wants_kept():
    for name, line in (
        ("OFL-1.1.txt", "Copyright (c) 2010, NAVER Corporation"),
        ("Bitstream-Vera.txt", "Copyright (c) 2003 by Bitstream, Inc."),
        ("MIT-fluent-emoji.txt", "Copyright (c) Microsoft Corporation"),
        ("MIT-human-models.txt", "Copyright (c) 2021 Vladimir Mandic"),
        ("Apache-2.0.txt", "Version 2.0, January 2004"),
        ("CC-BY-4.0.txt", "https://creativecommons.org/licenses/by/4.0/legalcode"),
        ("MIT.txt", (ROOT / "LICENSE").read_text(encoding="utf-8")),
    ):
        assert line in (TEXTS / name).read_text(encoding="utf-8"), name


def test_nothing_share_alike_is_in_the_wheel():
    share_alike = [e["files"] for e in ENTRIES if "-SA-" in e["licence"]]
    assert share_alike and not any(f.startswith("src/nunbit/") for f in share_alike)
    assert 'packages = ["src/nunbit"]' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", sorted((ROOT / "src/nunbit/world/fonts").glob("*.ttf")), ids=lambda p: p.stem)
def test_no_subset_font_has_a_reserved_name(path):
    from PIL import ImageFont

    family = " ".join(ImageFont.truetype(str(path), 12).getname()).lower()
    assert family.startswith("nunbit") and not any(word in family for word in RESERVED)


def test_model_cards_state_a_licence():
    cards = [*(ROOT / "src/nunbit/models/weights").glob("*/README.md")]
    assert len(cards) >= 2
    for card in cards:
        assert "licen" in card.read_text(encoding="utf-8").lower(), card


def test_without_the_share_alike_package_another_style_stands_in(monkeypatch, caplog):
    from nunbit.world import artwork

    real = artwork._file
    for function in (artwork.missing_styles, artwork._atlas, artwork.artwork_tile):
        function.cache_clear()
    assert artwork.missing_styles() == ()
    artwork.missing_styles.cache_clear()
    monkeypatch.setattr(artwork, "_file", lambda style: None if style in artwork.SHARE_ALIKE else real(style))
    try:
        assert artwork.missing_styles() == artwork.SHARE_ALIKE
        colour, _ = artwork.artwork_tile("openmoji", 0, 40, False)
        want, _ = artwork.artwork_tile(artwork.STYLES[0], 0, 40, False)
        assert (colour == want).all() and "is not installed" in caplog.text
    finally:
        for function in (artwork.missing_styles, artwork._atlas, artwork.artwork_tile):
            function.cache_clear()
