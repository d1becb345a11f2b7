"""Scene -> words: MoAI's four sentences, CoLLaVO's object list and prompt, and a plain transcription for small models.

``compat=True`` writes exactly what the released code writes, its accidents included: weights trained on those strings
expect them. The default writes the same without them: boxes belong to their own segment and stay inside the picture, a
class counts to 20 at most, and where nothing was found the text is empty.

Source: arXiv 2403.07508, sec. 3 (MoAI); arXiv 2402.11248, sec. 3 (CoLLaVO); wording and thresholds: released code.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np

from nunbit.coco import NUMBER_MAX, PANOPTIC_CLASSES, PREDICATES, short_name
from nunbit.errors import unknown_name
from nunbit.scene import CELLS_AT_ONCE, Box, Relation, Scene, SceneObject, Segment, TextLine, as_box, ids_in

DETECTION_MIN, RELATION_MIN, TEXT_MIN = 0.5, 0.8, 0.85
"""Scores kept by MoAI, the bound included."""
RELATIONS_MAX = 10

SYSTEM = "AI assistant should give helpful and detailed answers to user after fully understanding an image. <image>"
_BOXES = "The image includes bounding box coordinates and their objects: "
_RELATIONS = "The image includes relationships between objects: "
_TEXTS = "The image includes text descriptions: "


def box_to_string(box: Sequence[float] | np.ndarray) -> str:
    """``[x1, y1, x2, y2]`` with two decimals. Rounded from float32, as the released code does: 0.995 becomes 1.00."""
    return "[" + ", ".join(f"{float(v):.2f}" for v in np.asarray(box, dtype=np.float32)) + "]"


def relative_box(box: Sequence[float], width: int, height: int, *, compat: bool = False) -> np.ndarray:
    """The box in fractions of the picture's sides, ``(4,)`` float32; clipped to 0..1 unless compat."""
    fractions = np.asarray(box, dtype=np.float32) / np.array([width, height, width, height], dtype=np.float32)
    # Adding zero turns -0.0 into 0.0, so that no box prints as [-0.00, ...].
    return fractions if compat else np.clip(fractions, 0.0, 1.0) + np.float32(0.0)


def mask_boxes(segment_map: np.ndarray) -> dict[int, Box]:
    """Id -> box of its cells for every id above 0 that is in the map, ascending; x2 and y2 are the last cell + 1."""
    height, width = segment_map.shape
    boxes: dict[int, Box] = {}
    for i in (int(v) for v in ids_in(segment_map) if v > 0):
        rows, columns = np.zeros(height, bool), np.zeros(width, bool)
        strip = max(1, CELLS_AT_ONCE // max(1, width))
        for top in range(0, height, strip):  # a mask of all of a large map would be as large again
            mask = segment_map[top : top + strip] == i
            rows[top : top + strip] = mask.any(1)
            columns |= mask.any(0)
        ys, xs = np.flatnonzero(rows), np.flatnonzero(columns)
        boxes[i] = (float(xs[0]), float(ys[0]), float(xs[-1] + 1), float(ys[-1] + 1))
    return boxes


def _segment_boxes(
    segment_map: np.ndarray, segments: Sequence[Segment], compat: bool
) -> list[tuple[Segment, np.ndarray]]:
    """Each segment with its relative box. Compat pairs rows and boxes by position: IndexError when one has vanished."""
    height, width = segment_map.shape
    boxes = mask_boxes(segment_map)
    if compat:
        by_place = list(boxes.values())
        pairs = [(s, by_place[i]) for i, s in enumerate(segments)]
    else:
        pairs = [(s, boxes[s.id]) for s in segments if s.id in boxes and s.name]
    return [(s, relative_box(b, width, height, compat=compat)) for s, b in pairs]


# ---- MoAI


def panoptic_sentence(segment_map: np.ndarray | None, segments: Sequence[Segment], *, compat: bool = False) -> str:
    """The sentence ``[x1, y1, x2, y2] class, and [...] class.`` over the segments of a ``(H, W)`` map."""
    if segment_map is None:
        return ""
    try:
        pairs = _segment_boxes(segment_map, segments, compat)
    except IndexError:
        return ""
    if compat and any(not s.name for s in segments):
        return ""
    return _sentence(_BOXES, [f"{box_to_string(b)} {short_name(s.name)}" for s, b in pairs])


def objects_from_detector(
    scores: Sequence[float], labels: Sequence[int], boxes: Sequence[Sequence[float]], names: Sequence[str]
) -> list[SceneObject]:
    """A detector's rows as objects, boxes ``(n, 4)`` in pixels. A label beyond ``names`` is an IndexError."""
    rows = zip(scores, labels, boxes, strict=True)
    return [SceneObject(names[int(n)], as_box(b), float(s)) for s, n, b in rows]


def detection_sentence(objects: Sequence[SceneObject], width: int, height: int, *, compat: bool = False) -> str:
    """The same sentence for open-world detections of score 0.5 and up, in the detector's order."""
    kept = [o for o in objects if o.score >= DETECTION_MIN]
    boxes = [relative_box(o.box, width, height, compat=compat) for o in kept]
    return _sentence(_BOXES, [f"{box_to_string(b)} {o.name}" for o, b in zip(kept, boxes, strict=True)])


def relations_from_scores(
    scores: np.ndarray, pairs: Sequence[Sequence[int]] | np.ndarray, n_objects: int
) -> list[Relation]:
    """The strongest relations of a scene-graph model, weakest first or in no order.

    Args:
        scores: ``(R, 57)`` predicate probabilities, column 0 = background (dropped).
        pairs: ``(R, 2)`` positions of subject and object.
        n_objects: at most min(10, n_objects) relations are read. Fewer rows than that is a ValueError.
    """
    if n_objects == 0:
        return []
    real = np.asarray(scores, dtype=np.float64)[:, 1:]
    best, count = real.max(axis=1), min(RELATIONS_MAX, n_objects)
    # argpartition, not argsort: the released code's order is that of this routine.
    top = np.argpartition(best, -count)[-count:]
    return [
        Relation(int(pairs[i][0]), PREDICATES[int(real[i].argmax())], int(pairs[i][1]), float(best[i]))
        for i in top
        if best[i] >= RELATION_MIN
    ]


def psg_objects(labels: Sequence[int]) -> list[SceneObject]:
    """Objects of a scene-graph model from its 1-based labels (the box is not used); 0 wraps, 134 is an IndexError."""
    return [SceneObject(short_name(PANOPTIC_CLASSES[int(n) - 1]), (0.0, 0.0, 1.0, 1.0)) for n in labels]


def psg_sentence(labels: Sequence[int], scores: np.ndarray, pairs: Sequence[Sequence[int]]) -> str:
    """The relation sentence straight from a scene-graph model's output, as released: too few relations give ``""``."""
    objects = psg_objects(labels)
    try:
        relations = relations_from_scores(scores, pairs, len(objects))
    except ValueError:
        return ""
    return relation_sentence(objects, relations, compat=True)


def relation_sentence(objects: Sequence[SceneObject], relations: Sequence[Relation], *, compat: bool = False) -> str:
    """``The image includes relationships between objects: person (#1) is holding horse.`` for scores of 0.8 and up."""
    names = numbered_names([o.name for o in objects])
    valid = [r for r in relations if max(r.subject, r.object) < len(names)]
    if compat and len(valid) < len(relations):
        return ""
    sentences = [f"{names[r.subject]} is {r.predicate} {names[r.object]}" for r in valid if r.score >= RELATION_MIN]
    return _sentence(_RELATIONS, sentences)


def numbered_names(names: Sequence[str]) -> list[str]:
    """Short names; those that occur more than once get a running `` (#k)``."""
    short = [short_name(n) for n in names]
    total, seen = Counter(short), Counter[str]()
    out = []
    for name in short:
        seen[name] += 1
        out.append(f"{name} (#{seen[name]})" if total[name] > 1 else name)
    return out


def text_sentence(lines: Sequence[TextLine] | None, *, compat: bool = False) -> str:
    """``The image includes text descriptions: T1, and T2.`` for lines of confidence 0.85 and up.

    None (an engine that found nothing) is ``""``; in compat a TypeError, as released.
    """
    if lines is None and not compat:
        return ""
    kept = [t for t in lines if t.score >= TEXT_MIN]  # type: ignore[union-attr]
    return _sentence(_TEXTS, [t.text for t in kept if compat or t.text.strip()])


def join_aux(parts: Sequence[str], *, compat: bool = False) -> str:
    """Panoptic, detection, relation and text sentence in one string. In compat empty ones leave their space."""
    return " ".join(parts if compat else [p for p in parts if p])


def moai_text(scene: Scene, *, compat: bool = False) -> str:
    """MoAI's auxiliary text. Objects with a ``segment`` are in the panoptic sentence, others in the detector's."""
    detected = [o for o in scene.objects if o.segment is None]
    parts = (
        panoptic_sentence(scene.segment_map, scene.segments, compat=compat),
        detection_sentence(detected, scene.width, scene.height, compat=compat),
        relation_sentence(scene.objects, scene.relations, compat=compat),
        text_sentence(scene.text_lines, compat=compat),
    )
    return join_aux(parts, compat=compat)


def _sentence(opening: str, items: Sequence[str]) -> str:
    return opening + ", and ".join(items) + "." if items else ""


# ---- CoLLaVO


def object_list(segment_map: np.ndarray | None, segments: Sequence[Segment], *, compat: bool = False) -> str:
    """``(#1 person) [0.00, 0.00, 0.29, 0.29], (#1 grass) [...]``; the map is at token size ``(35, 35)`` in the release.

    Compat counts without end and raises IndexError when a segment of the table is not in the map.
    """
    if segment_map is None:
        return ""
    pairs = _segment_boxes(segment_map, segments, compat)
    numbers = [s.number if compat else min(s.number, NUMBER_MAX) for s, _ in pairs]
    items = zip(numbers, pairs, strict=True)
    return ", ".join(f"(#{n} {short_name(s.name)}) {box_to_string(b)}" for n, (s, b) in items)


def collavo_question(question: str, objects: str) -> str:
    """The question with what is known about the picture in front of it."""
    known = f"The image includes {objects}." if objects else "None of detailed object information for image."
    return f"{known} {question}"


def collavo_prompt(question: str, style: Literal["demo", "eval"] = "demo") -> str:
    """The whole prompt around a question, as the released demo or evaluation writes it."""
    if style == "demo":
        return f"{SYSTEM} USER: {question} ASSISTANT:"
    return f"{SYSTEM} [UNUSED_TOKEN_146]user\n{question}[UNUSED_TOKEN_145]\n[UNUSED_TOKEN_146]assistant\n"


# ---- plain words for a small language model

_WORDS = {
    "en": ("Objects", "Text", "nothing was recognised", ". "),
    "ko": ("물체", "글자", "알아본 것이 없음", ". "),
    "zh": ("物体", "文字", "没有识别出内容", "。"),
}


def transcribe(
    scene: Scene,
    language: str = "en",
    *,
    translate: Callable[[str], str] | Mapping[str, str] | None = None,
    max_items: int = 40,
) -> str:
    """One short line: each object with its colour and box, then each line of writing with its box.

    Boxes are ``[x1, y1, x2, y2]`` in hundredths of the picture's sides, so that the model can copy them into an answer.
    ``Objects: red circle [10, 20, 30, 40]; dog [50, 5, 90, 60]. Text: "OPEN" [12, 70, 60, 80].``

    Args:
        translate: turns an object name or colour into the language (a mapping leaves unknown words as they are).
        max_items: objects and text lines beyond this are counted, not listed.
    """
    if language not in _WORDS:
        raise unknown_name("language", language, _WORDS)
    things, texts, nothing, stop = _WORDS[language]
    say = translate if callable(translate) else (lambda w: (translate or {}).get(w, w))
    listed = [f"{_described(o, say)} {_hundredths(o.box, scene)}" for o in scene.objects]
    lines = sorted(scene.text_lines, key=lambda t: (round(t.box[1] / scene.height, 2), t.box[0]))
    written = [f'"{_one_line(t.text)}" {_hundredths(t.box, scene)}' for t in lines if t.text.strip()]
    parts = [f"{k}: {_capped(v, max_items)}" for k, v in ((things, listed), (texts, written)) if v]
    return stop.join(parts or [f"{things}: {nothing}"]) + stop.strip()


def _described(o: SceneObject, say: Callable[[str], str]) -> str:
    colour = o.attributes.get("colour") or o.attributes.get("color")
    name = say(short_name(o.name))
    # A name that already says its colour ("red circle") is not coloured twice.
    return f"{say(colour)} {name}" if colour and colour not in o.name.split() else name


def _hundredths(box: Box, scene: Scene) -> str:
    fractions = relative_box(box, scene.width, scene.height)
    return "[" + ", ".join(str(round(100 * float(v))) for v in fractions) + "]"


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace('"', "'")


def _capped(items: Sequence[str], limit: int) -> str:
    rest = len(items) - limit
    return "; ".join(items[:limit]) + (f"; +{rest}" if rest > 0 else "")
