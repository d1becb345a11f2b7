"""``nunbit classify``: zero-shot classification of pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from nunbit.encoders.zero_shot import EMBEDDED, ZeroShotClassifier, prompt_templates, sensitivity
from nunbit.errors import UserError
from nunbit.files import decoded_text, text_lines
from nunbit.media import decode
from nunbit.media.sources import named_file

DISTRACTORS = {"en": ("text", "nothing", "a pattern", "a person"), "ko": ("글자", "아무것도 없음", "무늬", "사람")}


def classify(
    pictures: list[str],
    labels: str = "",
    labels_file: Path | None = None,
    model: str = "",
    templates: str = "ensemble",
    language: str = "en",
    temperature: float = 1.0,
    with_sensitivity: bool = False,
    as_json: bool = False,
) -> None:
    """Print the classes of pictures.

    Args:
        pictures: files.
        labels: class names separated by commas; or
        labels_file: a file of class names, one a line.
        model: folder or hub id of a contrastive model; empty for the embedded one.
        templates: ``one`` or ``ensemble``.
        language: of the templates, ``en`` or ``ko``.
        temperature: above 1 makes the probabilities more even.
        with_sensitivity: also report how answers change with wording, label order and extra classes.
        as_json: print JSON.

    Raises:
        UserError: class names, a picture or the model cannot be read.
    """
    names = _labels(labels, labels_file)
    wordings = prompt_templates(templates, language)
    images, classifier = [decode(named_file(p)) for p in pictures], open_classifier(model)
    found = classifier.classify(images, names, templates=wordings, temperature=temperature)
    report: dict[str, Any] = {
        "pictures": [
            {"image": p, "label": c.label, "probabilities": dict(zip(names, c.probabilities, strict=True))}
            for p, c in zip(pictures, found, strict=True)
        ]
    }
    if with_sensitivity:
        ensemble = prompt_templates("ensemble", language)
        report["sensitivity"] = sensitivity(classifier, images, names, ensemble, DISTRACTORS[language])
    print(json.dumps(report, ensure_ascii=False)) if as_json else _print_report(report)


def _print_report(report: dict[str, Any]) -> None:
    for row in report["pictures"]:
        ranked = sorted(row["probabilities"].items(), key=lambda x: -x[1])[:5]
        print(f"{row['image']}: " + ", ".join(f"{n} {v:.1%}" for n, v in ranked))
    if found := report.get("sensitivity"):
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
        raw = labels.split(",") if labels else text_lines(decoded_text((file or Path()).read_bytes()))
    except (OSError, UnicodeDecodeError):
        allowed = "a UTF-8 text file, one name a line"
        raise UserError(f"the class names '{file}' cannot be read", allowed=allowed) from None
    names = [n.strip() for n in raw if n.strip()]
    if len(names) < 2:
        raise UserError(f"{len(names)} class names", allowed="at least two")
    return names
