"""CoLLaVO's published setting, a base in 4 bits, is the default where it can be."""

import pytest

from nunbit.recipes import collavo
from nunbit.training.options import RunOptions


def test_the_base_is_in_4_bits_where_bitsandbytes_is_installed(monkeypatch):
    """The default was 16 bits before, whatever was installed."""
    monkeypatch.setattr(collavo, "has_bitsandbytes", lambda: True)
    assert collavo.defaults().lora.bits == 4
    assert collavo.configure(["model.base=x", "data=y"]).lora.bits == 4
    assert collavo.configure(["model.base=x", "data=y", "lora.bits=0"]).lora.bits == 0


def test_a_debug_run_holds_its_small_base_as_it_is_unless_told(monkeypatch):
    monkeypatch.setattr(collavo, "has_bitsandbytes", lambda: True)
    assert collavo.configure(["debug=true"]).lora.bits == 0
    assert collavo.configure(["debug=true", "lora.bits=4"]).lora.bits == 4


def test_without_bitsandbytes_it_is_said_in_one_line(monkeypatch, tmp_path):
    monkeypatch.setattr(collavo, "has_bitsandbytes", lambda: False)
    config = collavo.configure(["debug=true"])
    assert collavo.defaults().lora.bits == 0

    class Begun(Exception):
        pass

    def begin(*_given):
        raise Begun

    said = []
    monkeypatch.setattr(collavo.shared, "begin_on_base", begin)
    with pytest.raises(Begun):
        collavo.run(config, tmp_path, RunOptions(say=said.append))
    assert len([line for line in said if "bitsandbytes is not installed" in line]) == 1
