"""The line that says what is waited for: seen on a terminal, gone afterwards, and nowhere else."""

import io
import time

import pytest

from nunbit.cli.output import waiting


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_terminal_shows_what_is_waited_for_and_clears_the_line(monkeypatch):
    shown = Terminal()
    monkeypatch.setattr("sys.stderr", shown)
    with pytest.raises(ZeroDivisionError), waiting("loading nunbit-tiny"):
        until = time.monotonic() + 30
        while "0 s" not in shown.getvalue() and time.monotonic() < until:
            time.sleep(0.01)
        raise ZeroDivisionError
    assert "loading nunbit-tiny ... 0 s" in shown.getvalue() and shown.getvalue().endswith("\r\033[K")


def test_a_file_gets_nothing(monkeypatch):
    shown = io.StringIO()
    monkeypatch.setattr("sys.stderr", shown)
    with waiting("loading"):
        pass
    assert shown.getvalue() == ""
