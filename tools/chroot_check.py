"""`make chroot-check`: the first two commands and every command of README.md in a system that has nothing but Debian's
base and Python, where no container engine runs.

    sudo python3 tools/chroot_check.py FOLDER     needs root, debootstrap, a network and 12 GB; FOLDER is kept

What pip, apt and TLS need here (indexes, proxies, certificates) is taken from this machine's own configuration.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
import urllib.parse
from pathlib import Path

ROOT = Path(__file__).parents[1]
HOME = "/srv/nunbit"
"""Where the checkout lies in the new system."""
PACKAGES = "python3,python3-venv,make,ca-certificates,curl"
NEEDED_GB = 12
COPIED = ("/etc/resolv.conf", "/etc/hosts", "/etc/pip.conf", "/etc/xdg/pip", "~/.pip", "~/.config/pip",
          "/etc/ssl/certs/ca-certificates.crt")  # fmt: skip
PASSED = re.compile(r"(?i)(http|https|no|all|ftp)_proxy|PIP_\w+|SSL_CERT_\w+|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE")
"""Names of environment variables that say how to reach the network."""
EXPECTED = {
    "nunbit train llava15 model.llm=LLM": (2, 120),  # placeholders: a sentence
    "nunbit eval ablation": (124, 60),  # hours: it starts, and is stopped
}
"""Exit code and seconds of the lines that begin so; of all others 0 and `LIMIT_S`."""
LIMIT_S = 3600
PORT = 8000


def main() -> None:
    """Build the system, run the commands, print a table; exit with 1 where an exit code is another than expected."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--suite", default="bookworm", help="of Debian; its python3 must be 3.11 or newer")
    parser.add_argument("--mirror", default="", help="of Debian's packages; debootstrap's own if not named")
    options = parser.parse_args()
    lacking = [name for name in ("debootstrap", "unshare", "git") if not shutil.which(name)]
    if os.geteuid() != 0 or lacking:
        sys.exit(f"needs root and debootstrap, unshare and git; missing: {', '.join(lacking) or 'root'}")
    if not os.environ.get("NUNBIT_CHROOT_MOUNTS"):  # mounts are made in a name space of their own: they end with it
        os.environ["NUNBIT_CHROOT_MOUNTS"] = "1"
        command = ["unshare", "--mount", "--propagation", "private", sys.executable, *sys.argv]
        os.execvp(command[0], command)
    system = options.folder.resolve() / "system"
    prepare(system, options.suite, options.mirror)
    sys.exit(run_all(system))


def prepare(system: Path, suite: str, mirror: str) -> None:
    """A system with its mounts, this machine's network settings, and a fresh checkout of the last commit."""
    if not (system / "usr/bin/python3").exists():
        system.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(system).free >> 30
        if free < NEEDED_GB:
            sys.exit(f"{free} GB are free at {system}; {NEEDED_GB} GB are needed: name another folder")
        named = [mirror] if mirror else []
        subprocess.run(
            ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", suite, str(system), *named], check=True
        )
    for kind in ("dev", "proc"):
        target = str(system / kind)
        subprocess.run(
            ["mount", *(["-t", "proc", "proc"] if kind == "proc" else ["--rbind", "/dev"]), target], check=True
        )
    for name in COPIED:
        source = Path(name).expanduser()
        if source.exists():
            target = system / str(source).lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            (shutil.copytree if source.is_dir() else shutil.copy)(
                source, target, **({"dirs_exist_ok": True} if source.is_dir() else {})
            )
    settings = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=False).stdout.splitlines()
    kept = [line for line in settings if re.match(r'Acquire::(https?::|Check-)[\w:-]+ "', line)]
    (system / "etc/apt/apt.conf.d/99host").write_text("\n".join([*kept, ""]), encoding="utf-8")
    for folder in pip_folders():
        target = system / str(folder).lstrip("/")
        target.mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "--bind", "-o", "ro", str(folder), str(target)], check=True)
    shutil.rmtree(system / HOME.lstrip("/"), ignore_errors=True)
    (system / HOME.lstrip("/")).mkdir(parents=True)
    packed = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout
    subprocess.run(["tar", "-x", "-C", str(system / HOME.lstrip("/"))], input=packed, check=True)


def pip_folders() -> list[Path]:
    """The folders on this machine that pip's configuration takes packages from."""
    told = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False)
    words = re.findall(r"[^\s'\"=]+", told.stdout)
    paths = [urllib.parse.urlsplit(w).path if w.startswith("file:") else w for w in words]
    folders = {Path(p) for p in paths if p.startswith("/") and Path(p).is_dir()}
    return sorted(f.parent if f.name == "simple" else f for f in folders)


def commands(page: str) -> list[tuple[str, str]]:
    """What a page prints to be run: (``sh`` or ``python``, text). A call of curl takes several lines."""
    found = []
    for language, block in re.findall(r"^```(sh|python)\n(.*?)^```", page, re.S | re.M):
        whole = language == "python" or block.startswith("curl")
        found += [(language, part) for part in ([block] if whole else block.splitlines()) if part.strip()]
    return found


def run_all(system: Path) -> int:
    """Run what README.md prints; 1 where an exit code is another than expected."""
    wrong = 0
    served: subprocess.Popen[bytes] | None = None
    for language, text in commands((ROOT / "README.md").read_text(encoding="utf-8")):
        code, limit = next((v for k, v in EXPECTED.items() if text.startswith(k)), (0, LIMIT_S))
        start = time.monotonic()
        if text.startswith("nunbit serve"):
            served = subprocess.Popen(inside(system, shlex.join(shlex.split(text, comments=True))))
            got = 0 if answers(system) else 1
        else:
            script = text if language == "sh" else f"python - <<'END_OF_BLOCK'\n{text}END_OF_BLOCK\n"
            done = subprocess.run(inside(system, script, limit), stdin=subprocess.DEVNULL, capture_output=True)
            got = done.returncode
            if got != code:
                print((done.stdout + done.stderr).decode(errors="replace")[-3000:], flush=True)
        if language == "python" and served is not None:  # the last block that calls the server
            served.terminate()
            served.wait(60)
            served = None
        wrong += got != code
        first = text.strip().splitlines()[0][:90]
        print(
            f"{'ok ' if got == code else 'BAD'} exit {got:3} of {code:3}  {time.monotonic() - start:6.0f} s  {first}",
            flush=True,
        )
    print(f"{wrong} exit codes are not as expected" if wrong else "every command ended as expected")
    return int(wrong > 0)


def inside(system: Path, script: str, limit_s: int = LIMIT_S) -> list[str]:
    """The command that runs a script in the system, in the checkout, with the PATH of ``make shell``."""
    passed = [f"{k}={v}" for k, v in os.environ.items() if PASSED.fullmatch(k)]
    path = f"PATH={HOME}/.venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    environment = [path, "HOME=/root", "LANG=C.UTF-8", "SHELL=/bin/sh", *passed]
    body = f"cd {HOME} && {script}"
    return ["chroot", str(system), "/usr/bin/env", "-i", *environment, "timeout", str(limit_s), "sh", "-c", body]


def answers(system: Path, within_s: int = 300) -> bool:
    """Whether the server is ready in that time."""
    until = time.monotonic() + within_s
    probe = f"curl -sf -o /dev/null http://127.0.0.1:{PORT}/ready"
    while time.monotonic() < until:
        if subprocess.run(inside(system, probe, 10), check=False).returncode == 0:
            return True
        time.sleep(1)
    return False


if __name__ == "__main__":
    main()
