#!/bin/sh
# Subset the fonts that world pictures are written with: ASCII, the 2,350 syllables of KS X 1001 for Hangul fonts, and for tests of other scripts
# the letters of the words that nunbit.evaluation.abilities.drawings writes in them.
# Needs the system packages fonts-nanum and fonts-dejavu-core, and fonttools.
set -eu
out="$(dirname "$0")/../src/nunbit/world/fonts"
hangul=$(python3 - <<'PY'
print("".join(bytes([a, b]).decode("euc-kr") for a in range(0xB0, 0xC9) for b in range(0xA1, 0xFF)))
PY
)
sub() { pyftsubset "$1" --output-file="$out/$2" --unicodes=20-7E,20A9 --text="$3" --layout-features='' --no-hinting --desubroutinize --name-IDs='1,2,13'; }
d=/usr/share/fonts/truetype/dejavu
n=/usr/share/fonts/truetype/nanum
sub $d/DejaVuSans.ttf sans.ttf ""
sub $d/DejaVuSans-Bold.ttf sans-bold.ttf ""
sub $d/DejaVuSerif.ttf serif.ttf ""
sub $d/DejaVuSansMono.ttf mono.ttf ""
sub $n/NanumGothic.ttf gothic.ttf "$hangul"
sub $n/NanumGothicBold.ttf gothic-bold.ttf "$hangul"
sub $n/NanumSquareRoundR.ttf round.ttf "$hangul"
others() { PYTHONPATH="$(dirname "$0")/../src" python3 -c "from nunbit.evaluation.abilities.drawings import SCRIPTS; print(''.join(w for s in '$1'.split() for w in SCRIPTS[s]))"; }
sub $d/DejaVuSans.ttf greek-cyrillic.ttf "$(others 'greek cyrillic')"
sub $n/NanumGothic.ttf kana-han.ttf "$(others 'kana han')"
PYTHONPATH="$(dirname "$0")/.." python3 -m tools.rename_fonts "$out"  # a changed font may not keep a reserved name
