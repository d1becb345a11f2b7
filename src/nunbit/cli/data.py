"""What ``nunbit data`` does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nunbit.cli.output import say, show
from nunbit.data.formats import read, write
from nunbit.data.formats.registry import placed
from nunbit.errors import UserError

if TYPE_CHECKING:
    from nunbit.cli.commands.data import CheckOptions, ConvertOptions
    from nunbit.data.check import Report

UNUSABLE = ("malformed", "missing picture", "damaged picture", "no target", "too long")
"""Findings of samples that training would leave out or stop at."""


def convert_file(options: ConvertOptions) -> None:
    """Read, place the pictures, write, and say what was lost.

    Raises:
        UserError: what reading and writing raise; with ``strict`` also a field that the layout cannot hold.
    """
    dataset = read(options.source, options.from_, options.images, seed=options.seed)
    dataset = replace(dataset, samples=placed(dataset.samples, options.position, options.seed))
    lost = write(dataset, options.out, options.to)
    say(f"{len(dataset.samples)} samples, {dataset.format} to {options.to}: {options.out}")
    for field, many in sorted(lost.items()):
        say(f"{options.to} does not hold: {field} ({many} samples)")
    if lost and options.strict:
        raise UserError(f"{options.to} does not hold {', '.join(sorted(lost))}", todo="choose another layout")


def check_file(options: CheckOptions) -> bool:
    """Check, print and write the report; whether every sample can be used.

    Raises:
        UserError: a file, a model or a benchmark that cannot be read.
    """
    from nunbit.data.check import check
    from nunbit.data.check_page import page
    from nunbit.evaluation.overlap import known_of
    from nunbit.files import write_text

    builder, most = _builder(options.model) if options.model else (None, 0)
    report = check(
        options.source,
        format=options.from_,
        images=options.images,
        builder=builder,
        max_tokens=most,
        known=[known_of(spec) for spec in options.benchmark or ()],
        seed=options.seed,
    )
    if options.out is not None:
        write_text(options.out, page(report, options.source.name, _pictures(options, report)))
        say(f"wrote {options.out}")
    show(report.to_json(), lambda _: _as_text(report), options.as_json)
    return not any(report.counts[code] for code in UNUSABLE)


def _builder(model: str) -> tuple[Any, int]:
    """The prompt builder of a model, and how many tokens it takes."""
    from transformers import AutoConfig, AutoProcessor

    from nunbit.models.image_tokens import token_counter
    from nunbit.models.loading import named_folder
    from nunbit.models.prompt import PromptBuilder

    folder = named_folder(model)
    try:
        config, processor = AutoConfig.from_pretrained(folder), AutoProcessor.from_pretrained(folder)
    except (OSError, ValueError) as e:
        raise UserError(
            f"'{model}' cannot be opened ({type(e).__name__})", allowed="a model's folder or hub id"
        ) from None
    most = int(getattr(config.get_text_config(), "max_position_embeddings", 0) or 0)
    return PromptBuilder.from_processor(processor, token_counter(config)), most


def _pictures(options: CheckOptions, report: Report) -> dict[int, Path]:
    """A picture of each sample that has findings, where it is a file."""
    root = options.images or (options.source if options.source.is_dir() else options.source.parent)
    wanted = {f.number for f in report.findings} & {*report.pictures}
    paths = {n: (root / report.pictures[n]).resolve() for n in sorted(wanted)}
    return {n: p for n, p in paths.items() if p.is_relative_to(root.resolve()) and p.is_file()}


def _as_text(report: Report) -> str:
    lines = [f"{report.samples} samples"]
    lines += [f"  {n:>7}  {code}" for code, n in report.counts.most_common()] or ["  nothing found"]
    for f in report.findings[:20]:
        lines.append(f"{f.name}: {f.code}" + (f": {f.about}" if f.about else ""))
    if sum(report.counts.values()) > 20:
        lines.append(f"... {sum(report.counts.values()) - 20} more: -o report.html or --json lists them")
    for name, rows in report.facts.items():
        lines.append(f"{name}: " + ", ".join(f"{label}: {n}" for label, n in rows.items()))
    return "\n".join(lines)
