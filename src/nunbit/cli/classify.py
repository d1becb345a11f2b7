"""``nunbit classify``: zero-shot classification of pictures."""

from __future__ import annotations

import json
from pathlib import Path

from nunbit.encoders.zero_shot import EMBEDDED, ZeroShotClassifier, prompt_templates, sensitivity
from nunbit.errors import UserError
from nunbit.media import decode

DISTRACTORS = {"en": ("text", "nothing", "a pattern", "a person"), "ko": ("글자", "아무것도 없음", "무늬", "사람")}


def classify(
    pictures: list[str],
    labels: str,
    labels_file: Path | None,
    model: str,
    kind: str,
    language: str,
    temperature: float,
    firmness: bool,
    as_json: bool,
) -> None:
    names = _labels(labels, labels_file)
    templates = prompt_templates(kind, language)
    images, classifier = [decode(Path(p)) for p in pictures], open_classifier(model)
    guesses = classifier.classify(images, names, templates=templates, temperature=temperature)
    report: dict = {
        "pictures": [
            {"image": p, "label": g.label, "probabilities": dict(zip(names, g.probabilities, strict=True))}
            for p, g in zip(pictures, guesses, strict=True)
        ]
    }
    if firmness:
        report["sensitivity"] = sensitivity(
            classifier, images, names, prompt_templates("ensemble", language), DISTRACTORS[language]
        )
    if as_json:
        print(json.dumps(report, ensure_ascii=False))
        return
    for p, g in zip(pictures, guesses, strict=True):
        ranked = sorted(zip(names, g.probabilities, strict=True), key=lambda x: -x[1])[:5]
        print(f"{p}: " + ", ".join(f"{n} {v:.1%}" for n, v in ranked))
    if firmness:
        found = report["sensitivity"]
        print(
            f"answers that change: with the wording {max(found['by_wording'].values()):.0%} at worst, "
            f"with the order of the labels {found['by_order']:.0%}, with extra classes {found['by_distractors']:.0%}"
        )


def open_classifier(model: str) -> ZeroShotClassifier:
    """The named contrastive model, or the embedded one.

    Raises:
        UserError: neither is there, or it cannot be opened.
    """
    if not model and not (EMBEDDED / "config.json").is_file():
        raise UserError(
            "no contrastive model",
            allowed="--model with the folder or hub id of a CLIP or SigLIP model",
            todo="or make one: nunbit train clip -o runs/clip, then --model runs/clip/model",
        )
    return ZeroShotClassifier.from_pretrained(model or str(EMBEDDED))


def _labels(labels: str, file: Path | None) -> list[str]:
    if bool(labels) == bool(file):
        raise UserError("class names from nowhere or from two places", allowed="--labels a,b,c or --labels-file FILE")
    try:
        raw = labels.split(",") if labels else (file or Path()).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise UserError(
            f"the class names '{file}' cannot be read", allowed="a UTF-8 text file, one name a line"
        ) from None
    names = [n.strip() for n in raw if n.strip()]
    if len(names) < 2:
        raise UserError(f"{len(names)} class names", allowed="at least two")
    return names
