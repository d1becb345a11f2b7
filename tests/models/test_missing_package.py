"""A model whose processor needs a package that is not there: a sentence that says what to install."""

import importlib.util
import json

import pytest
import torch

from nunbit.errors import UserError
from nunbit.models.checkpoint import open_model
from nunbit.models.missing_package import missing_package

IMAGES = {"image_processor_type": "Qwen2VLImageProcessor", "processor_class": "Qwen2_5_VLProcessor"}
FORMS = {
    "processor_config.json": {
        "processor_class": "Qwen2_5_VLProcessor",
        "image_processor": IMAGES,
        "video_processor": {"video_processor_type": "Qwen2VLVideoProcessor"},
    },
    "preprocessor_config.json": IMAGES,
}


@pytest.mark.skipif(importlib.util.find_spec("torchvision") is not None, reason="torchvision is installed")
@pytest.mark.parametrize("form", FORMS)
def test_the_message_names_torchvision_and_the_release_that_fits(form, tmp_path):
    from tests.native_types import words

    words("<|image_pad|>").save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "qwen2_5_vl"}))
    (tmp_path / form).write_text(json.dumps(FORMS[form]))
    minor = int(torch.__version__.split(".")[1])
    with pytest.raises(UserError, match=rf"needs the package torchvision.*torchvision==0\.{minor + 15}\."):
        open_model(tmp_path)


@pytest.mark.parametrize(
    ("error", "wanted"),
    [
        (ImportError("Package `num2words` is required. Install it with `pip install num2words`."), "num2words"),
        (ImportError("\nXProcessor requires the SentencePiece library but it was not found"), "sentencepiece"),
        (ModuleNotFoundError("No module named 'einops'"), "einops"),
    ],
)
def test_other_packages_are_named(error, wanted):
    assert f"pip install {wanted}" in str(missing_package(error, "m")).lower()


def test_another_failure_is_not_called_a_missing_package():
    assert missing_package(AttributeError("'NoneType' object has no attribute 'shape'"), "m") is None
    assert missing_package(ImportError("a circular import"), "m") is None
