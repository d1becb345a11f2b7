"""What every study over variants and seeds shares: a folder of finished runs that is resumed, and runs in parallel.

Each run is one JSON file of the folder. ``study.json`` keeps the settings they were made with, so a folder never
mixes two studies. Accuracies, gains and pages are in `nunbit.studies.figures`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nunbit.errors import UserError
from nunbit.evaluation.old_names import with_current_keys
from nunbit.files import write_text
from nunbit.lock import held

Record = dict[str, Any]
"""What one run measured, as it is in its JSON file."""
SETTINGS, OLD_SETTINGS = "study.json", "plan.json"
GROWING_SETTINGS = ("variants", "seeds", "scenes")
"""Settings that may grow from one command to the next: more variants and seeds are more files."""
_OBJECT_AWARE_STEMS = ("aware", "object_aware")
_HASHED_AS = {"perception.safetensors": "eyes.safetensors"}
"""Files of a model folder that were renamed count under their old name, so that an old study still knows its base
model.
"""


class StudyRun(NamedTuple):
    """One run of a study.

    Attributes:
        file: name of its file, without ``.json``.
        title: what progress messages call it.
        measure: trains and measures, and returns the record.
    """

    file: str
    title: str
    measure: Callable[[], Record]


def describe_accuracy(record: Record) -> str:
    """The share of right answers of a finished run, for the progress message."""
    return f"{100 * np.mean(record['right']):.1f} %"


def run_study(
    name: str,
    config: Any,
    folder: Path,
    runs: Iterable[StudyRun],
    *,
    summarise: Callable[[list[Record]], Record],
    page: Callable[[Record], str],
    say: Callable[[str], None],
    describe: Callable[[Record], str] = describe_accuracy,
    jobs: int = 1,
) -> Record:
    """Do the runs that are not in the folder yet, then write the summary of all as ``NAME.json`` and ``NAME.html``.

    Args:
        config: the settings of the study, a dataclass.
        summarise: records of all runs -> the result.
        page: the result -> an HTML page.
        describe: a record -> its progress message.
        jobs: runs in parallel, each in its own process with its share of the processor's threads. The times they
            measure are then those of a busy machine. Runs must not depend on each other, and ``measure`` must be
            picklable.

    Raises:
        UserError: see `study_folder` and `read_record`; or a process of a run was killed.
    """
    with study_folder(folder, config):
        runs, records = list(runs), []
        if jobs > 1:
            _run_parallel(folder, [r for r in runs if not (folder / f"{r.file}.json").exists()], jobs, say, describe)
        for file, title, measure in runs:
            records.append(load_or_measure(folder / f"{file}.json", measure))
            say(f"{title}: {describe(records[-1])}")
        result = summarise(records)
        write_record(folder / f"{name}.json", result)
        write_text(folder / f"{name}.html", page(result))
    return result


def _run_parallel(
    folder: Path, runs: Sequence[StudyRun], jobs: int, say: Callable[[str], None], describe: Callable[[Record], str]
) -> None:
    import multiprocessing

    import torch

    # Spawned, as a forked process would inherit locks that threads of this one hold.
    threads, spawn = max(1, torch.get_num_threads() // jobs), multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, spawn, initializer=torch.set_num_threads, initargs=(threads,)) as pool:
        pending = {pool.submit(load_or_measure, folder / f"{r.file}.json", r.measure): r.title for r in runs}
        try:
            for done in as_completed(pending):
                say(f"{pending[done]}: {describe(done.result())}")
        except BrokenProcessPool:
            raise UserError(
                "a run of the study was killed or ran out of memory",
                todo="give the command again with fewer --jobs; finished runs are kept",
            ) from None
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


@contextmanager
def study_folder(folder: Path, config: Any) -> Iterator[None]:
    """Lock the folder of a study, and check that its runs were made with these settings.

    Raises:
        UserError: the folder belongs to a study with other settings, or another process writes into it.
    """
    assert is_dataclass(config) and not isinstance(config, type)
    folder.mkdir(parents=True, exist_ok=True)
    with held(folder):
        given = json.loads(json.dumps(asdict(config), default=weights_hash))
        given = {k: v for k, v in given.items() if k not in GROWING_SETTINGS}
        path = next((folder / n for n in (SETTINGS, OLD_SETTINGS) if (folder / n).exists()), None)
        if path is not None:
            kept = read_record(path)
            other = [k for k in given if kept.get(k) != given[k]]
            if other:
                raise UserError(
                    f"'{folder}' holds a study with other settings",
                    allowed=", ".join(f"{k}={kept.get(k)}" for k in other),
                    todo="name another folder with -o",
                )
        write_record(folder / SETTINGS, given)
        yield


def load_or_measure(path: Path, measure: Callable[[], Record]) -> Record:
    """The record in a file; where there is no file, it is measured and written first.

    Raises:
        UserError: see `read_record`.
    """
    if not path.exists():
        write_record(path, measure())
    return read_record(path)


def read_record(path: Path) -> Record:
    """A JSON file of a study, of this version or an earlier one.

    Raises:
        UserError: it does not hold what `write_record` wrote.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:  # UnicodeDecodeError is one
        record = None
    if not isinstance(record, dict):
        raise UserError(
            f"'{path}' is damaged",
            allowed="a file of this study, as it was written",
            todo="delete it; the same command makes it again",
        )
    return dict(with_current_keys(record))


def write_record(path: Path, record: Any) -> None:
    """Write JSON; the file is complete or not there at all."""
    write_text(path, json.dumps(record, ensure_ascii=False, indent=1))


def weights_hash(folder: Path) -> str:
    """Sixteen hexadecimal digits over the files of a model folder, wherever it lies.

    The object-aware files do not count: studies start from the base model alone.

    Raises:
        UserError: the folder does not exist.
    """
    if not folder.is_dir():
        raise UserError(
            f"no folder '{folder}' to start from", allowed="the folder of a native LLaVA", todo="check the path"
        )
    digest = hashlib.sha256()
    named = {_HASHED_AS.get(p.name, p.name): p for p in folder.iterdir() if p.suffix in (".safetensors", ".json")}
    for name, path in sorted(named.items()):
        if path.stem not in _OBJECT_AWARE_STEMS:
            digest.update(name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]
