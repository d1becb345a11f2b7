"""The command line. Its commands import what they need when they run, so that ``nunbit --help`` answers at once."""

from __future__ import annotations

import sys
from typing import Any


def main() -> None:
    """Run the command line. A user error becomes one sentence on stderr and exit code 2, never a traceback."""
    import os

    from nunbit.cli import streams

    streams.prepare()
    from nunbit.cli.commands import app
    from nunbit.errors import UserError

    # Threads that wait for each other in a loop take the processor from those they wait for where other work runs.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
    try:
        try:
            _run(app)
        finally:
            streams.flush()
    except UserError as e:
        from nunbit.translation import message, user_language

        print(f"nunbit: {message(e, user_language())}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        streams.give_up_output()
        sys.exit(streams.BROKEN_PIPE)
    except OSError as e:  # a full disk, a folder without permission: a traceback would explain nothing
        from nunbit.system_errors import explained
        from nunbit.translation import message, user_language

        print(f"nunbit: {message(explained(e), user_language())}", file=sys.stderr)
        sys.exit(2)


def _run(app: Any) -> None:
    from nunbit.translation import user_language

    if user_language() == "ko":
        from nunbit.cli.korean import run

        run(app, **_defaults(app))
    else:
        app(**_defaults(app))


def _defaults(app: Any) -> dict[str, Any]:
    """What fills in options that are not typed: the environment, then ``nunbit.toml``."""
    from nunbit.cli import config_file

    path = config_file.config_path()
    found: dict[str, Any] = {"auto_envvar_prefix": config_file.ENVIRONMENT}
    if path is None:
        return found
    import typer

    return found | {"default_map": config_file.default_map(path, typer.main.get_command(app))}
