"""Model folders are there whole or not at all."""

import pytest

from nunbit.models.checkpoint import save_new


def test_a_model_folder_is_whole_or_not_there(tmp_path):
    class Part:
        def __init__(self, fails=False):
            self.fails = fails

        def save_pretrained(self, folder, **_):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "config.json").write_text("{}")
            if self.fails:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        save_new(Part(fails=True), Part(), tmp_path / "base")
    assert not (tmp_path / "base").exists()
    save_new(Part(), Part(), tmp_path / "base")
    assert (tmp_path / "base" / "config.json").exists() and not (tmp_path / "base.part").exists()
