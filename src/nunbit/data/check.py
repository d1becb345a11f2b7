"""Checks of instruction data before it is learnt from: what is wrong with which sample, and what the whole looks like.

    report = check(Path("talk.json"), images=Path("pictures"))
    report.findings, report.facts

Nothing is changed or left out; `nunbit data check` writes the report as a page.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nunbit.data.conversations import Conversation, conversation_of
from nunbit.data.formats import Sample
from nunbit.data.formats.llava import to_record
from nunbit.data.formats.registry import each
from nunbit.data.formats.sample import MARK
from nunbit.data.personal import personal_data
from nunbit.data.pictures import MISSING, unusable
from nunbit.errors import UserError
from nunbit.media.images import picture_size_px
from nunbit.media.similar import alike, hash_of

if TYPE_CHECKING:
    from nunbit.models.prompt import PromptBuilder

CODES = {
    "malformed": "the record has another shape; reading it would end the run",
    "missing picture": "a picture is not where the sample says",
    "damaged picture": "a picture cannot be decoded",
    "no target": "no answer: there is nothing to learn from",
    "too long": "more tokens than the model takes; training leaves it out",
    "same sample": "the same pictures and turns as an earlier sample",
    "similar picture": "a picture that looks like another one under a different name",
    "personal data": "mail addresses, phone or card numbers, resident numbers, keys",
    "in a benchmark": "a question or a picture of a benchmark",
}
"""What is looked for, by the name of the finding."""
EXAMPLES, NAMED_MAX = 3, 10_000
"""Samples whose targets are shown, and findings of one kind that are listed; all are counted."""
QUESTION_WORDS = 4
"""Questions of fewer words are everybody's ("What is this?"): that a benchmark has them says nothing."""
SIZES_PX = (64, 128, 256, 512, 1024, 2048, 4096)
WORDS = (1, 3, 10, 30, 100, 300, 1000)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: its code, the sample by number and by name, and the words or the file that it rests
    on."""

    code: str
    number: int
    name: str
    about: str = ""


@dataclass(slots=True)
class Report:
    """What `check` found.

    Attributes:
        samples: how many there are.
        findings: at most `NAMED_MAX` of a code; counts: all, by code.
        facts: tables of the whole: name -> label -> number.
        targets: of a few samples the text that the model reads, as (words, whether they are learnt) pieces.
        pictures: number of a sample -> name of its first picture.
    """

    samples: int = 0
    findings: list[Finding] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    facts: dict[str, dict[str, int]] = field(default_factory=dict)
    targets: list[tuple[str, list[tuple[str, bool]]]] = field(default_factory=list)
    pictures: dict[int, str] = field(default_factory=dict)

    def add(self, code: str, number: int, name: str, about: str = "") -> None:
        """Count a finding, and list it while there is room."""
        self.counts[code] += 1
        if self.counts[code] <= NAMED_MAX:
            self.findings.append(Finding(code, number, name, about))

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "samples": self.samples,
            "counts": {code: self.counts.get(code, 0) for code in CODES},
            "findings": [{"code": f.code, "sample": f.number, "name": f.name, "about": f.about} for f in self.findings],
            "facts": self.facts,
        }


@dataclass(frozen=True, slots=True)
class Known:
    """What a benchmark holds: hashes of its pictures, and its questions as `plain` words, by where they stand."""

    pictures: dict[str, int]
    questions: dict[str, str]


def check(
    source: Path,
    *,
    format: str = "auto",
    images: Path | None = None,
    builder: PromptBuilder | None = None,
    max_tokens: int = 0,
    known: Sequence[Known] = (),
    seed: int = 0,
) -> Report:
    """Look through all samples of a file.

    Args:
        images: the pictures' folder; the file's own if None.
        builder: of the model that is to learn; counts tokens and shows targets.
        max_tokens: of that model; 0: any number.
        known: benchmarks that no sample may be taken from.

    Raises:
        UserError: the file as a whole cannot be read.
    """
    root = (images or (source if source.is_dir() else source.parent)).resolve()
    report = Report()
    kept: list[tuple[int, Sample, Conversation]] = []
    for number, found in enumerate(each(source, format, images, seed=seed)):
        report.samples += 1
        try:
            if isinstance(found, UserError):
                raise found
            if found.images:
                report.pictures[number] = found.images[0]
            name = found.named(number)
            kept.append((number, found, conversation_of(to_record(found)[0], name, root)))
        except UserError as e:
            report.add("malformed", number, f"sample {number}", str(e))
    _turns(report, kept)
    usable = _pictures(report, kept)
    _similar(report, kept, usable, known)
    _questions(report, kept, known)
    if builder is not None:
        _tokens(report, kept, builder, max_tokens, usable)
    return report


def plain(text: str) -> str:
    """Words without case, marks and white space, to compare."""
    return " ".join(re.findall(r"\w+", text.replace(MARK, " ").casefold()))


def _turns(report: Report, kept: Sequence[tuple[int, Sample, Conversation]]) -> None:
    """Targets, doubles, personal data; languages and lengths."""
    seen: dict[bytes, int] = {}
    languages: Counter[str] = Counter()
    turns: Counter[str] = Counter()
    lengths: Counter[int] = Counter()
    for number, sample, _ in kept:
        name = sample.named(number)
        answers = [t.text for t in sample.turns if t.role == "assistant" and t.text.strip()]
        if not answers:
            report.add("no target", number, name)
        key = hashlib.sha256(repr((sample.images, [(t.role, plain(t.text)) for t in sample.turns])).encode()).digest()
        if (first := seen.setdefault(key, number)) != number:
            report.add("same sample", number, name, f"sample {first}")
        found = {(p.kind, p.hidden) for t in sample.turns for p in personal_data(t.text)}
        for kind, hidden in sorted(found):
            report.add("personal data", number, name, f"{kind}: {hidden}")
        languages[language_of(" ".join(t.text for t in sample.turns))] += 1
        turns[f"{min(len(answers), 10)}{'+' if len(answers) > 10 else ''}"] += 1
        lengths.update(_bin(len(a.split()), WORDS) for a in answers)
    report.facts["language"] = dict(languages.most_common())
    report.facts["answers in a sample"] = dict(sorted(turns.items(), key=lambda kv: int(kv[0].rstrip("+"))))
    report.facts["words of an answer"] = {_label(b, WORDS): lengths[b] for b in sorted(lengths)}


def language_of(text: str) -> str:
    """``en``, ``ko``, ``both``, or ``other``: a script counts from a tenth of the letters on."""
    letters = [c for c in text if c.isalpha()]
    if not letters:
        return "other"
    hangul = sum("가" <= c <= "힣" for c in letters) / len(letters)
    latin = sum(c.isascii() for c in letters) / len(letters)
    names = [name for name, share in (("en", latin), ("ko", 1.5 * hangul)) if share > 0.1]
    return "both" if len(names) == 2 else names[0] if names and hangul + latin > 0.5 else "other"


def _pictures(report: Report, kept: Sequence[tuple[int, Sample, Conversation]]) -> dict[Path, tuple[int, str]]:
    """Missing and damaged pictures; the others with the sample that shows them first."""
    bad = unusable(p for _, s, c in kept if not s.pictures for p in c.images)
    usable: dict[Path, tuple[int, str]] = {}
    sizes: Counter[int] = Counter()
    for number, sample, conversation in kept:
        for path in conversation.images:
            if path in bad:
                code = "missing picture" if bad[path] == MISSING else "damaged picture"
                report.add(code, number, sample.named(number), path.name)
            elif path not in usable and not sample.pictures:
                usable[path] = (number, sample.named(number))
                sizes[_bin(max(picture_size_px(path)), SIZES_PX)] += 1
    report.facts["longest side in pixels"] = {_label(b, SIZES_PX): sizes[b] for b in sorted(sizes)}
    shown = Counter(len(c.images) for _, _, c in kept)
    report.facts["pictures in a sample"] = {str(n): many for n, many in sorted(shown.items())}
    return usable


def _similar(
    report: Report,
    kept: Sequence[tuple[int, Sample, Conversation]],
    usable: dict[Path, tuple[int, str]],
    known: Sequence[Known],
) -> None:
    """Pictures that look like others, and like those of benchmarks."""
    held: dict[str, bytes | Path] = {str(p): p for p in usable}
    where = {str(p): place for p, place in usable.items()}
    for number, sample, _ in kept:
        for name, data in sample.pictures.items():
            held.setdefault(name, data)
            where.setdefault(name, (number, sample.named(number)))
    hashes = {key: h for key, source in held.items() if (h := _hash(source)) is not None}
    for a, b, bits in alike(hashes):
        report.add("similar picture", *where[b], f"{Path(b).name} and {Path(a).name} ({bits} of 64 bits differ)")
    for benchmark in known:
        for a, b, _ in alike(hashes, benchmark.pictures):
            report.add("in a benchmark", *where[a], f"{Path(a).name} looks like the picture of {b}")


def _hash(source: bytes | Path) -> int | None:
    try:
        return hash_of(source)
    except UserError:  # a damaged picture inside the data's own file
        return None


def _questions(report: Report, kept: Sequence[tuple[int, Sample, Conversation]], known: Sequence[Known]) -> None:
    """Questions that a benchmark asks in the same words."""
    asked = {q: where for benchmark in known for q, where in benchmark.questions.items()}
    for number, sample, _ in kept:
        for turn in sample.turns if asked else ():
            words = plain(turn.text)
            if turn.role == "user" and len(words.split()) >= QUESTION_WORDS and words in asked:
                report.add(
                    "in a benchmark", number, sample.named(number), f"{words[:80]!r} is the question of {asked[words]}"
                )


def _tokens(
    report: Report,
    kept: Sequence[tuple[int, Sample, Conversation]],
    builder: PromptBuilder,
    max_tokens: int,
    usable: dict[Path, tuple[int, str]],
) -> None:
    """Lengths in tokens, and the targets of a few samples as the model will see them."""
    lengths: Counter[int] = Counter()
    for number, sample, conversation in kept:
        if any(p not in usable for p in conversation.images):
            continue
        try:
            prompt = builder.build(conversation.messages, training=True, name=conversation.name)
        except UserError as e:
            if not any(f.number == number for f in report.findings if f.code == "no target"):
                report.add("malformed", number, sample.named(number), str(e))
            continue
        lengths[_bin(prompt.length, WORDS)] += 1
        if max_tokens and prompt.length > max_tokens:
            report.add("too long", number, sample.named(number), f"{prompt.length} tokens")
        if len(report.targets) < EXAMPLES:
            report.targets.append((sample.named(number), list(_pieces(builder, prompt))))
    report.facts["tokens"] = {_label(b, WORDS): lengths[b] for b in sorted(lengths)}


def _pieces(builder: PromptBuilder, prompt: Any) -> Iterator[tuple[str, bool]]:
    """The prompt's text in pieces, each with whether it is learnt; a picture is one mark."""
    start = 0
    for end in range(1, len(prompt.ids) + 1):
        if end == len(prompt.ids) or prompt.loss_mask[end] != prompt.loss_mask[start]:
            yield builder.encoder.decode(prompt.ids[start:end].tolist()), bool(prompt.loss_mask[start])
            start = end


def _bin(value: int, edges: Sequence[int]) -> int:
    """How many of the edges a value passes."""
    return sum(value > e for e in edges)


def _label(place: int, edges: Sequence[int]) -> str:
    if place == len(edges):
        return f"> {edges[-1]:,}"
    return f"{edges[place - 1] + 1:,} - {edges[place]:,}" if place else f"0 - {edges[0]:,}"
