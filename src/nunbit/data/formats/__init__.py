"""Layouts of instruction data, read and written through one `Sample`.

    dataset = read("llava_instruct_150k.json", images="train2017")
    lost = write(dataset, Path("out.jsonl"), "messages")

=============  ======================================================================================================
`llava`        JSON list with ``conversations`` of human and gpt: `llava_instruct_150k`, `mix665k`, `558k`
`onevision`    YAML that names several such lists, each with a rule for which samples are taken
`messages`     JSON lines of ``messages`` with parts and ``images``: TRL
`llamafactory` JSON list of ``messages`` with ``<image>`` marks, and its ``dataset_info.json``
`swift`        JSON lines of the same, and the list that ``--custom_dataset_info`` takes
`openai`       JSON lines for OpenAI's fine-tuning; pictures inside, as ``data:`` URLs
`webdataset`   tar shards of a ``.json`` and its pictures
`parquet`      Hugging Face's columns ``messages`` and ``images``
=============  ======================================================================================================

What a layout cannot hold is counted by its name and returned, never dropped without a word.
"""

from nunbit.data.formats.registry import FORMATS, format_of, read, write
from nunbit.data.formats.sample import Dataset, Sample, Turn

__all__ = ["FORMATS", "Dataset", "Sample", "Turn", "format_of", "read", "write"]
