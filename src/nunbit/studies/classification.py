"""`nunbit eval classify`: how well a contrastive model names portraits of the procedural world, and how much the
wording matters.

Two sets of pictures: styles known from training (other draws), and the artwork style kept out of it. Every artwork
thing is drawn equally often and every name is a class. Intervals resample names: two draws of one drawing are not
independent.

Letters: P pictures, K classes, D width of the shared space.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image

from nunbit.encoders.zero_shot import TEMPLATES, ZeroShotClassifier
from nunbit.studies.figures import accuracy, format_figure, format_table, paired_gain, study_page
from nunbit.world import portraits, things
from nunbit.world.base import Language, Split, generator

MORE: dict[Language, tuple[str, ...]] = {
    "en": (
        "{}",
        "this is {}.",
        "there is {} here.",
        "look, {}!",
        "somebody drew {}.",
        "one {} on a background.",
        "a sign with {}.",
        "what you see is {}.",
    ),
    "ko": (
        "{}",
        "이것은 {}.",
        "여기 {이/가} 있다.",
        "{을/를} 보세요!",
        "누군가 {을/를} 그렸다.",
        "배경 위의 {} 하나.",
        "{} 표지.",
        "보이는 것은 {}.",
    ),
}
"""With the twelve templates of the ensemble: twenty wordings a language."""
SETS: dict[str, Split] = {"known styles": "test", "unseen style": "unseen"}
LANGUAGES: tuple[Language, Language] = ("en", "ko")


def wordings(language: Language) -> tuple[str, ...]:
    """The twenty templates of a language, those of the ensemble first."""
    return (*TEMPLATES[language], *MORE[language])


def run(classifier: ZeroShotClassifier, *, each: int = 4, seed: int = 0) -> dict[str, Any]:
    """Classify ``each`` portraits of every thing in both sets; the classes of a wording are encoded once.

    Returns:
        ``rows``, one for each set and language: ``one``, ``ensemble`` (accuracies with intervals), ``by_wording``
            (share of each),
        ``spread`` (lowest, highest and standard deviation of these), ``gain`` of the ensemble over one template.
    """
    names, rows = things.artwork_names(), []
    classes = {language: _classes(classifier, language) for language in LANGUAGES}
    for label, split in SETS.items():
        numbered = enumerate(n for n in names for _ in range(each))
        drawn = [portraits.draw(generator(seed, i, split), split, n) for i, n in numbered]
        images = classifier.encode_images([Image.fromarray(p.pixels) for p in drawn])
        clusters = [p.name for p in drawn]
        for language in LANGUAGES:
            right = {kind: _right(classifier, images, matrix, clusters) for kind, matrix in classes[language].items()}
            rows.append({"set": label, "language": language, **_figures(right, clusters, language)})
    return {"rows": rows, "pictures": len(names) * each, "names": len(names), "seed": seed}


def _classes(classifier: ZeroShotClassifier, language: Language) -> dict[str, torch.Tensor]:
    """Class vectors ``(K, D)`` of the ensemble and of each wording alone."""
    labels = [things.names()[n][1] if language == "ko" else n for n in things.artwork_names()]
    alone = {t: classifier.encode_labels(labels, [t]) for t in wordings(language)}
    return {"ensemble": classifier.encode_labels(labels, TEMPLATES[language])} | alone


def _right(
    classifier: ZeroShotClassifier, images: torch.Tensor, classes: torch.Tensor, names: Sequence[str]
) -> list[float]:
    """1.0 or 0.0 for each picture: ``(P, D)`` images against ``(K, D)`` classes."""
    chosen = classifier.probabilities(images, classes).argmax(-1).tolist()
    return [float(things.artwork_names()[k] == name) for k, name in zip(chosen, names, strict=True)]


def _figures(right: Mapping[str, list[float]], clusters: Sequence[str], language: Language) -> dict[str, Any]:
    one, ensemble = right[TEMPLATES[language][0]], right["ensemble"]
    by_wording = {t: float(np.mean(right[t])) for t in wordings(language)}
    shares = list(by_wording.values())
    return {
        "one": accuracy(one, clusters),
        "ensemble": accuracy(ensemble, clusters),
        "gain": paired_gain(one, ensemble, clusters),
        "by_wording": by_wording,
        "spread": {"low": min(shares), "high": max(shares), "deviation": float(np.std(shares))},
    }


def as_text(result: Mapping[str, Any]) -> str:
    """The table for a terminal."""
    heads = (
        "pictures",
        "language",
        "one template, %",
        "ensemble, %",
        "gain",
        "20 wordings: lowest",
        "highest",
        "deviation",
    )
    rows = []
    for r in result["rows"]:
        figures = (format_figure(r[k]) for k in ("one", "ensemble", "gain"))
        spread = (f"{100 * r['spread'][k]:.1f}" for k in ("low", "high", "deviation"))
        rows.append((r["set"], r["language"], *figures, *spread))
    head = f"{result['pictures']} pictures of {result['names']} things a set, seed {result['seed']}"
    return f"{head}\n{format_table(heads, rows)}"


def page(result: Mapping[str, Any]) -> str:
    """Tables and chart as one HTML page."""
    kinds = ("one", "ensemble")
    groups = {kind: {f"{r['set']}, {r['language']}": r[kind] for r in result["rows"]} for kind in kinds}
    tables = [as_text(result)]
    for r in result["rows"]:
        rows = [(t, f"{100 * v:.1f}") for t, v in r["by_wording"].items()]
        tables.append(f"{r['set']}, {r['language']}\n{format_table(('wording', 'right, %'), rows)}")
    return study_page("Zero-shot classification", "\n\n".join(tables), groups)
