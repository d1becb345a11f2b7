"""Statements about things, compared with what the Scenes hold: claims with their verdicts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from nunbit.evidence.claims import Claim, Evidence, Verdict
from nunbit.evidence.index import CONFIDENT, Found, Index
from nunbit.evidence.names import ANYTHING, canonical
from nunbit.evidence.sizes import SIZE_WORDS, size_verdict
from nunbit.evidence.statements import BOX, Statement
from nunbit.scene import box_iou

MOST_EVIDENCE = 24
"""Pieces of evidence a claim lists at most."""
LESS_THAN_HALF, MORE_THAN_HALF = 0.45, 0.58
"""Share of a side up to which a thing is left (top), and from which a place "left" is contradicted."""
CENTRAL, NOT_CENTRAL = 0.2, 0.34
"""Distance from the middle, in shares of a side, within which a thing is central, and from which it is not."""
SAME_BOX_IOU, OTHER_BOX_IOU = 0.5, 0.1
CLEAR = 0.06
"""Share of a side by which the middles of two things must differ for a side of one another."""
OPPOSITE = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}


def check(statement: Statement, answer: str, index: Index) -> Claim:
    """The claim that a statement makes about things."""
    judge = {
        "existence": _existence,
        "naming": _naming,
        "count": _count,
        "attribute": _attribute,
        "place": _place,
        "relation": _relation,
    }[statement.kind]
    return judge(statement, answer, index)


def _claim(
    s: Statement,
    answer: str,
    verdict: Verdict,
    found: Sequence[Found] = (),
    *,
    said: str = "",
    weak: bool = False,
    more: Sequence[Evidence] = (),
) -> Claim:
    about, other = (m.name if m else "" for m in (s.about, s.other))
    evidence = tuple(dict.fromkeys((*(f.evidence for f in found[:MOST_EVIDENCE]), *more)))
    weak = verdict == "supported" and (weak or all(f.evidence.score < CONFIDENT for f in found))
    return Claim(
        s.kind,
        answer[s.start : s.end],
        (s.start, s.end),
        about,
        ", ".join(s.colours) if s.kind in ("existence", "naming") else s.value,
        other,
        s.denied,
        verdict,
        weak,
        said,
        evidence,
    )


def _fitting(s: Statement, found: Sequence[Found]) -> list[Found]:
    """Things that may have all the colours that a statement names; a colour that was not measured may be any."""
    return [f for f in found if all(f.colour_verdict(c) in ("same", "near", "unknown") for c in s.colours)]


def _everywhere(things: Sequence[Found], index: Index) -> bool:
    """Whether every picture has one of the things: only then a conversation about several is contradicted."""
    return {f.evidence.picture for f in things} == {*index.pictures}


def _existence(s: Statement, answer: str, index: Index) -> Claim:
    assert s.about is not None
    found = index.of(s.about)
    general = s.partial or not index.exactly(s.about)
    if s.denied:
        exact = [f for f in index.exactly(s.about) if f.confident and f.countable]
        exact = [f for f in exact if all(f.colour_verdict(c) == "same" for c in s.colours)]
        if s.partial:
            return _claim(s, answer, "not found", found[:1])
        if exact and _everywhere(exact, index):
            return _claim(s, answer, "contradicted", exact, said=exact[0].evidence.text)
        others = [f for f in found if any(f.colour_verdict(c) == "other" for c in s.colours)]
        if others and len(others) == len(found):  # "no red car": the only car is blue
            return _claim(s, answer, "supported", others)
        return _claim(s, answer, "not found", () if not found else found[:1])
    if s.colours and found and not _fitting(s, found):
        return _other_colour(s, answer, found, index)
    fitting = _fitting(s, found)
    return _claim(s, answer, "supported", fitting, weak=general) if fitting else _claim(s, answer, "not found")


def _naming(s: Statement, answer: str, index: Index) -> Claim:
    """ "Not a dog but a cat" is contradicted only where there is a dog and nothing else of its kind."""
    assert s.about is not None
    if not s.denied:
        claim = _existence(s, answer, index)
        asked = [f for f in index.by_label.get(s.value, ()) if f.countable] if s.value else []
        one = {canonical(f.evidence.text) for f in asked}
        if claim.evidence or len(one) != 1 or not all(f.confident for f in asked) or not _everywhere(asked, index):
            return claim
        return _claim(s, answer, "contradicted", asked, said=asked[0].evidence.text)  # "what animal?": the only one
    exact = [f for f in index.exactly(s.about) if f.confident and f.countable]
    others = [
        f
        for label in _kinds(exact)
        for f in index.by_label.get(label, ())
        if f.countable and f.evidence.id not in {e.evidence.id for e in exact}
    ]
    if exact and not others and _everywhere(exact, index):
        return _claim(s, answer, "contradicted", exact, said=exact[0].evidence.text)
    return _claim(s, answer, "not found")


def _kinds(found: Sequence[Found]) -> set[str]:
    """Labels of the kinds of things, without the one that all things have."""
    own = {canonical(f.evidence.text) for f in found}
    return {label for f in found for label in f.labels} - own - {ANYTHING}


def _other_colour(s: Statement, answer: str, found: Sequence[Found], index: Index) -> Claim:
    sure = [f for f in found if f.confident]
    if sure and len(sure) == len([f for f in found if f.countable]) and _everywhere(sure, index):
        return _claim(s, answer, "contradicted", sure, said=_colours(sure))
    return _claim(s, answer, "not found", found)


def _colours(found: Sequence[Found]) -> str:
    counted = Counter(", ".join(sorted(f.colours)) for f in found if f.colours)
    return " / ".join(c for c, _ in counted.most_common(3))


def _attribute(s: Statement, answer: str, index: Index) -> Claim:
    assert s.about is not None
    found = [f for f in index.of(s.about) if f.countable]
    if s.value in SIZE_WORDS:
        return _size(s, answer, found, index)
    same = [f for f in found if f.colour_verdict(s.value) == "same"]
    if s.denied:
        if found and len(same) == len(found) and all(f.confident for f in same) and _everywhere(same, index):
            return _claim(s, answer, "contradicted", same, said=s.value)
        other = [f for f in found if f.colour_verdict(s.value) == "other"]
        return _claim(s, answer, "supported" if other and not same else "not found", other or found)
    if same:
        return _claim(s, answer, "supported", same, weak=not index.exactly(s.about))
    if found and all(f.colour_verdict(s.value) == "other" for f in found):
        return _other_colour(s, answer, found, index)
    return _claim(s, answer, "not found", found)


def _size(s: Statement, answer: str, found: Sequence[Found], index: Index) -> Claim:
    verdicts = [size_verdict(f, s.value, index) for f in found]
    same = [f for f, v in zip(found, verdicts, strict=True) if v == "same"]
    if same:
        return _claim(s, answer, "supported", same, weak=not index.exactly(s.about) if s.about else True)
    if found and {*verdicts} == {"other"} and all(f.confident for f in found) and _everywhere(found, index):
        return _claim(s, answer, "contradicted", found, said="small" if s.value == "large" else "large")
    return _claim(s, answer, "not found", found)


def _count(s: Statement, answer: str, index: Index) -> Claim:
    assert s.about is not None
    found = [f for f in index.of(s.about) if f.countable]
    exact = s.about.names == (ANYTHING,) or bool(index.exactly(s.about))
    fitting = _fitting(s, found)
    sure = [f for f in fitting if f.confident and all(f.colour_verdict(c) == "same" for c in s.colours)]
    ranges = [
        (sum(f.evidence.picture in p for f in sure), sum(f.evidence.picture in p for f in fitting))
        for p in ([n] for n in index.pictures)
    ]
    if len(index.pictures) > 1:
        ranges.append((len(sure), len(fitting)))
    number = int(s.value)
    agrees = any(_within(number, low, high, s.bound) for low, high in ranges)
    said = str(len(sure)) if len(sure) == len(fitting) else f"{len(sure)}-{len(fitting)}"
    unclear = s.partial or not exact or any(f.colour_verdict(c) != "same" for f in fitting for c in s.colours)
    if agrees and s.denied:
        surely = not unclear and all(low == high == number for low, high in ranges) and number > 0
        return _claim(s, answer, "contradicted" if surely else "not found", sure, said=said if surely else "")
    if agrees:
        return _claim(s, answer, "supported" if fitting else "not found", fitting, weak=unclear)
    if s.denied:
        return _claim(s, answer, "supported" if sure and not unclear else "not found", fitting)
    if unclear or not all(low for low, _ in ranges):
        return _claim(s, answer, "not found", fitting)
    return _claim(s, answer, "contradicted", fitting, said=said)


def _within(number: int, low: int, high: int, bound: str) -> bool:
    """Whether a stated number fits a Scene with ``low`` sure things and ``high`` with the unsure ones."""
    if bound == ">=":
        return number <= high
    if bound == "<=":
        return number >= low
    slack = max(1, round(0.2 * number)) if bound == "~" else 0
    return low - slack <= number <= high + slack


def _place(s: Statement, answer: str, index: Index) -> Claim:
    assert s.about is not None
    found = [f for f in index.of(s.about) if f.countable]
    verdicts = [_at(f, s.value, index) for f in found]
    inside = [f for f, v in zip(found, verdicts, strict=True) if v == "same"]
    outside = [f for f, v in zip(found, verdicts, strict=True) if v == "other"]
    wanted, against = (outside, inside) if s.denied else (inside, outside)
    if wanted:
        return _claim(s, answer, "supported", wanted, weak=not index.exactly(s.about))
    if against and len(against) == len(found) and all(f.confident for f in found) and _everywhere(found, index):
        return _claim(s, answer, "contradicted", against, said=_part(against[0]))
    return _claim(s, answer, "not found", found)


def _at(f: Found, part: str, index: Index) -> str:
    """``same``, ``other`` or ``near`` for the place of a thing and a part of the picture or a box in hundredths."""
    box = BOX.fullmatch(part)
    if box:
        scene = index.scenes[index.pictures.index(f.evidence.picture)]
        sides = (scene.width, scene.height) * 2
        x1, y1, x2, y2 = (int(v) * side / 100 for v, side in zip(box.groups(), sides, strict=True))
        if x2 <= x1 or y2 <= y1:
            return "near"
        overlap = box_iou((x1, y1, x2, y2), f.evidence.box)
        return "same" if overlap >= SAME_BOX_IOU else "other" if overlap < OTHER_BOX_IOU else "near"
    x, y = f.place
    if part == "center":
        off = max(abs(x - 0.5), abs(y - 0.5))
        return "same" if off <= CENTRAL else "other" if off >= NOT_CENTRAL else "near"
    shares = {"left": x, "right": 1 - x, "top": y, "bottom": 1 - y}
    found = [shares[w] for w in part.split() if w in shares]
    if any(v >= MORE_THAN_HALF for v in found):
        return "other"
    return "same" if found and all(v <= LESS_THAN_HALF for v in found) else "near"


def _part(f: Found) -> str:
    x, y = f.place
    row = "top" if y < 1 / 3 else "bottom" if y > 2 / 3 else ""
    column = "left" if x < 1 / 3 else "right" if x > 2 / 3 else ""
    return f"{row} {column}".strip() or "center"


def _relation(s: Statement, answer: str, index: Index) -> Claim:
    assert s.about is not None and s.other is not None
    first, second = index.of(s.about), index.of(s.other)
    pairs = [
        (a, b)
        for a in first[:MOST_EVIDENCE]
        for b in second[:MOST_EVIDENCE]
        if a.evidence.picture == b.evidence.picture and a.evidence.id != b.evidence.id and a.countable and b.countable
    ]
    verdicts = [_related(a, b, s.value, index) for a, b in pairs]
    held = [p for p, v in zip(pairs, verdicts, strict=True) if v == "same"]
    against = [p for p, v in zip(pairs, verdicts, strict=True) if v == "other"]
    wanted, unwanted = (against, held) if s.denied else (held, against)
    if wanted:
        return _claim(s, answer, "supported", wanted[0])
    sure = pairs and len(unwanted) == len(pairs) and all(f.confident for p in pairs for f in p)
    if sure and _everywhere([a for a, _ in pairs], index):
        said = s.value if s.denied else OPPOSITE.get(s.value, "")
        return _claim(s, answer, "contradicted", unwanted[0], said=said)
    return _claim(s, answer, "not found", pairs[0] if pairs else ())


def _related(a: Found, b: Found, predicate: str, index: Index) -> str:
    """Whether a relation holds: by the boxes for the four sides, else by the Scene's own relations, which list what
    was found and so never say no."""
    dx, dy = b.place[0] - a.place[0], b.place[1] - a.place[1]
    gap = {"left of": dx, "right of": -dx, "above": dy, "below": -dy}.get(predicate)
    if gap is not None:
        return "same" if gap >= CLEAR else "other" if gap <= -CLEAR else "near"
    scene = index.scenes[index.pictures.index(a.evidence.picture)]
    listed = {r.predicate for r in scene.relations if (r.subject, r.object) == (a.object, b.object)}
    if predicate in listed or (predicate in ("on", "inside") and listed & {"on", "inside", "in"}):
        return "same"
    return "same" if predicate == "beside" and _touch(a, b) else "near"


def _touch(a: Found, b: Found) -> bool:
    """Whether two boxes lie beside each other with no more than half of the smaller one's width between them."""
    left, right = sorted((a.evidence.box, b.evidence.box))
    narrow = min(left[2] - left[0], right[2] - right[0])
    level = min(left[3], right[3]) > max(left[1], right[1])
    return level and right[0] - left[2] <= 0.5 * narrow
