"""One run of `nunbit robust`: contrastive models side by side, and a whole model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nunbit.encoders.zero_shot import TEMPLATES
from nunbit.errors import UserError
from nunbit.studies.figures import format_figure, format_table
from nunbit.studies.robustness import answers, context, zero_shot
from nunbit.studies.robustness.data import SOURCES, labelled
from nunbit.studies.robustness.namer import NamerClassifier, known_names
from nunbit.studies.robustness.zero_shot import BOUNDS, Classifier, Say
from nunbit.world.base import Language

PARTS = ("wording", "balance", "corruption", "attack", "context")


@dataclass(frozen=True, slots=True)
class RobustnessOptions:
    """What is measured.

    Attributes:
        pictures: ``world``, ``photographs``, or a folder with a folder of pictures for each name.
        limit: pictures for classification.
        questions: to the whole model.
        steps: of the attacks.
        language: of names and templates.
        seed: of pictures, noise and attacks.
        parts: of `PARTS`.

    Raises:
        UserError: an unknown part.
    """

    pictures: str = "world"
    limit: int = 314
    questions: int = 40
    steps: int = 20
    language: Language = "en"
    seed: int = 0
    parts: tuple[str, ...] = PARTS

    def __post_init__(self) -> None:
        if wrong := [p for p in self.parts if p not in PARTS]:
            raise UserError(f"parts '{', '.join(wrong)[:100]}'", allowed=", ".join(PARTS))


def run(
    classifiers: Mapping[str, Classifier],
    assistant: Any = None,
    options: RobustnessOptions = RobustnessOptions(),
    say: Say = lambda _: None,
) -> dict[str, Any]:
    """Measure every contrastive model on the same pictures, and the whole model where there is one.

    Returns:
        ``pairs``: name -> part -> figures; ``answers``: of the whole model; ``options``.
    """
    named = any(isinstance(c, NamerClassifier) for c in classifiers.values())
    data = labelled(options.pictures, options.limit, options.seed, known_names() if named else None)
    result: dict[str, Any] = {
        "pictures": data.source,
        "names": len(data.names),
        "n": len(data.pictures),
        "language": options.language,
        "steps": options.steps,
        "seed": options.seed,
        "pairs": {},
    }
    for name, classifier in classifiers.items():
        result["pairs"][name] = _classified(classifier, data, options, say)
    if assistant is not None:
        result["model"] = assistant.name
        result["answers"] = _answered(assistant, data, options, say)
    return result


def _classified(classifier: Classifier, data: Any, options: RobustnessOptions, say: Say) -> dict[str, Any]:
    names = [*data.names] if isinstance(classifier, NamerClassifier) else data.called(options.language)
    labels = classifier.encode_labels(names, TEMPLATES[options.language])
    seed = options.seed
    made: dict[str, Callable[[], Any]] = {
        "balance": lambda: zero_shot.balance(classifier, data, labels),
        "corruption": lambda: zero_shot.under_corruption(classifier, data, labels, seed, say),
        "attack": lambda: zero_shot.under_attack(classifier, data, labels, seed, options.steps, say),
        "context": lambda: {
            "background": context.by_background(classifier, data, labels, seed, say),
            "company": context.by_company(classifier, data, labels, seed, say),
        },
    }
    if not isinstance(classifier, NamerClassifier):
        made["wording"] = lambda: zero_shot.wording(classifier, data, options.language)
    chosen = [p for p in options.parts if p in made and (p != "context" or data.things)]
    return {part: made[part]() for part in chosen}


def _answered(assistant: Any, data: Any, options: RobustnessOptions, say: Say) -> dict[str, Any]:
    source = options.pictures if options.pictures in SOURCES else "photographs"
    asked = answers.questions(source, options.questions, options.seed)
    out: dict[str, Any] = {"questions": len(asked), "about": source}
    if "wording" in options.parts:
        out["order"] = answers.by_order(assistant.ask_many, data, max(1, options.questions // 2), options.seed)
        say("options in four orders")
    if "corruption" in options.parts:
        out["corruption"] = answers.under_corruption(assistant.ask_many, asked, options.seed, say)
    if "attack" in options.parts:
        out["attack"] = answers.under_attack(assistant, asked, options.seed, options.steps, say)
    return out


def as_text(result: Mapping[str, Any]) -> str:
    """The report for a terminal."""
    lines = [
        f"robustness: {result['n']} pictures of {result['names']} names ({result['pictures']}), language "
        f"{result['language']}, seed {result['seed']}, {result['steps']} steps of attack"
    ]
    for name, parts in result["pairs"].items():
        lines += ["", name, *_pair_lines(parts)]
    if found := result.get("answers"):
        lines += ["", f"{result['model']}, {found['questions']} questions ({found['about']})", *_answer_lines(found)]
    return "\n".join(lines)


def _pair_lines(parts: Mapping[str, Any]) -> list[str]:
    out = []
    if w := parts.get("wording"):
        out.append(
            f"  wording: {_percent(w['lowest'])} to {_percent(w['highest'])}, deviation {_percent(w['deviation'])}, "
            f"ensemble {format_figure(w['ensemble'])}; two wordings differ on {_percent(w['changed'])} of the "
            f"pictures; another order of the labels on {_percent(w['by_order'])}"
        )
    if b := parts.get("balance"):
        out.append(
            f"  balance: {_percent(b['never'])} of the names are never given, the most given tenth gets "
            f"{_percent(b['most'])} of the answers, distance {_percent(b['distance'])}; worse half of the names "
            f"{_percent(b['worst'])}; {format_figure(b['plain'])}, evened {format_figure(b['evened'])}"
        )
    out += _tables(parts)
    if c := parts.get("context"):
        ground, company = c["background"], c["company"]
        out.append(
            f"  background: plain {format_figure(ground['plain'])}, others {format_figure(ground['other'])}, cost "
            f"{format_figure(ground['cost'])} points; the name of {_percent(ground['changed'])} of the things changes; "
            f"{_percent(ground['pulled'])} of the wrong names are the background's own, "
            f"{_percent(ground['expected'])} another background's"
        )
        pulls = ", ".join(f"{n} {took}/{stood}" for n, (stood, took) in company["pulls"].items())
        out.append(
            f"  company: alone {format_figure(company['alone'])}, beside another {format_figure(company['beside'])}, "
            f"cost {format_figure(company['cost'])} points; the other's name {_percent(company['other'])}, neither "
            f"{_percent(company['neither'])}; most often: {pulls}"
        )
    return out


def _answer_lines(found: Mapping[str, Any]) -> list[str]:
    out = []
    if o := found.get("order"):
        places = ", ".join(_percent(p) for p in o["by_place"])
        out.append(
            f"  order of options: {format_figure(o['accuracy'])}; by the place of the right one {places}; the answer "
            f"changes for {_percent(o['changed'])} of the pictures; {_percent(o['unread'])} name no option"
        )
    return out + _tables(found)


def _tables(found: Mapping[str, Any]) -> list[str]:
    """Accuracy by corruption and strength, and by bound of the attack."""
    out = []
    if rows := found.get("corruption"):
        made = [(kind, *(f"{100 * r['right']:.1f}" for r in row)) for kind, row in rows.items()]
        out.append(_indented(format_table(("corruption", "clean", "1", "2", "3", "4", "5"), made)))
    if rows := found.get("attack"):
        heads = ("of 255", *(str(b) for b in BOUNDS))
        made = [(kind, *(format_figure(rows[str(b)][kind]) for b in BOUNDS)) for kind in ("attack", "noise")]
        out.append(_indented(format_table(heads, made)))
    return out


def _indented(table: str) -> str:
    return "\n".join(f"  {line}" for line in table.splitlines())


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"
