"""The benchmarks, one file each. Importing this package registers them all; nothing heavy is imported."""

from nunbit.evaluation.benchmarks import (
    ai2d,
    chair,
    chartqa,
    coco_captions,
    docvqa,
    hallusion,
    jsonl,
    k_dtcbench,
    mathvista,
    mm_vet,
    mmbench,
    mme,
    mmmu,
    ocrbench,
    pope,
    scienceqa,
    seed_bench,
    textvqa,
)
from nunbit.evaluation.benchmarks.base import BENCHMARKS, Benchmark

__all__ = [
    "BENCHMARKS", "Benchmark", "ai2d", "chair", "chartqa", "coco_captions", "docvqa", "hallusion", "jsonl", "k_dtcbench", "mathvista", "mm_vet",
    "mmbench", "mme", "mmmu", "ocrbench", "pope", "scienceqa", "seed_bench", "textvqa",
]  # fmt: skip
