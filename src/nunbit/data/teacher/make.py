"""Make instruction data: many items at once, every reply in the journal, the finished files at the end."""

from __future__ import annotations

import json
import math
import queue
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import nunbit
from nunbit.data.teacher import output
from nunbit.data.teacher.attempts import Attempts, Check, Gate, Stop
from nunbit.data.teacher.base import Teacher
from nunbit.data.teacher.budget import Budget, Prices
from nunbit.data.teacher.journal import Journal
from nunbit.data.teacher.plan import MOST_ITEMS, Item, default_count, mixed, plan
from nunbit.data.teacher.progress import Progress
from nunbit.data.teacher.prompting import Kind, detail_questions, prompts_digest
from nunbit.data.teacher.reply_format import Turn, parse
from nunbit.data.teacher.sources import Source
from nunbit.errors import UserError
from nunbit.files import write_text
from nunbit.lock import held
from nunbit.scene import Scene
from nunbit.world.base import Language

SETTINGS, JOURNAL = "settings.json", "journal.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class MakeOptions:
    """What is made, and how fast.

    Attributes:
        many: items; by default every picture gets one of the most frequent kind.
        retries: tries after the first that an item has.
        reply_tokens: the largest reply.
        max_tokens, max_cost: bounds on the folder over all its runs.
    """

    kinds: tuple[Kind, ...]
    languages: tuple[Language, ...] = ("en",)
    many: int | None = None
    seed: int = 0
    position: output.ImagePosition = "random"
    concurrency: int = 8
    retries: int = 5
    backoff_s: float = 0.5
    reply_tokens: int = 1024
    max_tokens: float = math.inf
    max_cost: float = math.inf
    prices: Prices = Prices()


@dataclass(slots=True)
class Summary:
    """How a run ended: items made and left, failures with their reasons, why it stopped early ("" if it did not)."""

    made: int
    left: int
    failed: dict[str, str] = field(default_factory=dict)
    stopped: str = ""


def make(
    source: Source, teacher: Teacher, options: MakeOptions, out: Path, check: Check, say: Callable[[str], None]
) -> Summary:
    """Make the items that are not made yet, and write the files.

    Args:
        out: the folder; one process at a time works in it, and a killed one resumes.
        say: takes the lines of progress.

    Raises:
        UserError: a folder of another run, a teacher that cannot be used, a damaged journal.
    """
    out.mkdir(parents=True, exist_ok=True)
    many = default_count(len(source.pictures), options.kinds) if options.many is None else options.many
    if not 1 <= many <= MOST_ITEMS:
        raise UserError(f"{many} items", allowed=f"1 to {MOST_ITEMS}")
    with held(out):
        settings = _settings(source, teacher, options, many)
        _check_settings(out / SETTINGS, settings)
        items = plan([p.id for p in source.pictures], many, options.kinds, options.languages, options.seed)
        journal = Journal(out / JOURNAL)
        try:
            stopped = _run(source, teacher, options, items, journal, check, say)
            return _write(
                source, options, items, journal, settings | {"teacher_address": teacher.address}, out, stopped
            )
        finally:
            journal.close()


def _run(
    source: Source,
    teacher: Teacher,
    options: MakeOptions,
    items: list[Item],
    journal: Journal,
    check: Check,
    say: Callable[[str], None],
) -> str:
    """Make what is missing; why the run ended early, "" if it did not."""
    budget = Budget(options.prices, max_tokens=options.max_tokens, max_cost=options.max_cost)
    budget.spent(journal.prompt_tokens, journal.reply_tokens)
    todo = [i for i in items if i.id not in journal.made]
    for item in todo:
        journal.failed.pop(item.id, None)  # it gets new tries now
    gate = Gate(threading.Event())
    maker = Attempts(
        teacher, journal, budget, gate, check, options.seed, options.retries, options.backoff_s, options.reply_tokens
    )
    work: queue.SimpleQueue[Item] = queue.SimpleQueue()
    for item in todo:
        work.put(item)
    ends: queue.SimpleQueue[BaseException] = queue.SimpleQueue()
    scene = lru_cache(maxsize=4 * options.concurrency)(lambda at: source.pictures[at].scene())

    def worker() -> None:
        while not gate.stopped.is_set():
            try:
                item = work.get_nowait()
            except queue.Empty:
                return
            try:
                maker.make(item, partial(scene, item.picture))
            except BaseException as e:  # the first one ends the run; it is raised again below
                ends.put(e)
                gate.stopped.set()
                return

    count = min(options.concurrency, teacher.most_at_once, max(1, len(todo)))
    threads = [threading.Thread(target=worker, daemon=True) for _ in range(count)]
    progress = Progress(len(items), journal, budget, say)
    try:
        for t in threads:
            t.start()
        progress.watch(threads)
    except BaseException:
        gate.stopped.set()
        raise
    finally:
        for t in threads:
            t.join(2.0)  # after an interrupt a request may hang until its time is over; its item is made again
    return _reason(ends)


def _reason(ends: queue.SimpleQueue[BaseException]) -> str:
    """Why the workers ended; raises what is no reason to end well."""
    why = ""
    while not ends.empty():
        error = ends.get()
        if not isinstance(error, Stop):
            raise error
        why = why or (str(error) and "the budget is used up")
    return why


def _settings(source: Source, teacher: Teacher, options: MakeOptions, many: int) -> dict[str, Any]:
    """What decides the items: a folder holds items of one such setting."""
    return {
        "source": source.name,
        "source_digest": source.digest,
        "teacher": teacher.name,
        "kinds": [*options.kinds],
        "languages": [*options.languages],
        "items": many,
        "seed": options.seed,
        "image_position": options.position,
        "prompts": prompts_digest(),
    }


def _check_settings(file: Path, settings: dict[str, Any]) -> None:
    if not file.exists():
        write_text(file, json.dumps(settings, ensure_ascii=False, indent=2) + "\n")
        return
    try:
        before = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as e:
        raise UserError(f"'{file}' cannot be read as JSON ({e})", todo="start in a new folder") from None
    for key, value in settings.items():
        if before.get(key) != value:
            raise UserError(
                f"'{file.parent}' holds a run with {key}={before.get(key)}, not {value}",
                allowed="the same settings, so that its items belong together",
                todo="name another folder with --out",
            )


def turns_of(text: str, item: Item, seed: int) -> tuple[Turn, ...]:
    """The turns of an accepted text; a description gets one of the fixed questions."""
    turns = parse(text, item.kind).turns
    if item.kind == "detail" and turns:
        asked = detail_questions()[item.language]
        return ((asked[mixed(seed, "question", item.id) % len(asked)], turns[0][1]),)
    return turns


def _write(
    source: Source,
    options: MakeOptions,
    items: list[Item],
    journal: Journal,
    settings: dict[str, Any],
    out: Path,
    stopped: str,
) -> Summary:
    """The files of what is made."""
    by_id = {i.id: i for i in items}
    counts: Counter[str] = Counter()

    def rows() -> Iterator[dict[str, Any]]:
        for record in journal.accepted(i.id for i in items):
            item = by_id[record["item"]]
            turns = turns_of(record["text"], item, options.seed)
            counts[f"{item.kind}/{item.language}"] += 1
            image = source.pictures[item.picture].image
            yield output.llava_item(item.id, image, turns, options.position, options.seed)

    def scenes() -> Iterator[dict[str, Any]]:
        for at in sorted({i.picture for i in items if i.id in journal.made}):
            picture = source.pictures[at]
            yield {"image": picture.image, "scene": bare(picture.scene())}

    made = output.write_list(out / output.DATA, rows())
    output.write_lines(out / output.SCENES, scenes())
    output.write_lines(out / output.FAILED, output.reasons(journal.failed, [i.id for i in items]))
    spent = {"replies": journal.replies, "prompt_tokens": journal.prompt_tokens, "reply_tokens": journal.reply_tokens}
    facts = {
        "format": "nunbit.instruct/1",
        "nunbit": nunbit.__version__,
        **settings,
        "images": str(source.images),
        "options": {k: v for k, v in asdict(options).items() if k in ("concurrency", "retries", "reply_tokens")},
        "counts": dict(sorted(counts.items())),
        "made": made,
        "failed": len(journal.failed),
        "left": len(items) - made,
        "spent": spent | {"cost": round(options.prices.cost(journal.prompt_tokens, journal.reply_tokens), 6)},
    }
    output.write_manifest(out / output.MANIFEST, facts)
    return Summary(made, len(items) - made, dict(journal.failed), stopped)


def bare(scene: Scene) -> dict[str, Any]:
    """A Scene in JSON without its map of segments, which is larger than all the rest."""
    return scene.to_json() | {"segment_map_runs": None, "segments": []}
