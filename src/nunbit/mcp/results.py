"""What the tools return, typed: clients get these as structured content, with a JSON schema of each.

Boxes are ``[x1, y1, x2, y2]`` in pixels of the picture that was given, x2 and y2 exclusive, origin at the top left.
"""

from __future__ import annotations

from pydantic import BaseModel, Field

Box = list[float]


class SeenObject(BaseModel):
    """A thing in a picture."""

    name: str
    box: Box
    score: float = Field(description="Confidence, 0 to 1.")
    colours: str = ""


class SeenText(BaseModel):
    """A line of writing."""

    text: str
    box: Box
    score: float


class SeeResult(BaseModel):
    """What is in a picture."""

    width: int
    height: int
    kind: str = Field(description="photograph, drawing, screenshot, document, chart; empty if unknown.")
    words: str = Field(description="All of it in a few lines of words.")
    objects: list[SeenObject]
    relations: list[str] = Field(description='Such as "cat left of dog".')
    text: list[SeenText]


class ReadResult(BaseModel):
    """What is written in a picture."""

    text: str = Field(description="The writing in rows from top to bottom; cells of one row are joined by ' | '.")
    lines: list[SeenText]


class CheckedClaim(BaseModel):
    """One thing that an answer says, compared with the picture."""

    text: str
    verdict: str = Field(description="supported, contradicted or not found.")
    found: str = Field("", description="What is there instead, for a contradiction.")
    boxes: list[Box] = []
    picture: int = Field(0, description="Position of the picture, from 0.")


class Change(BaseModel):
    """A correction."""

    before: str
    after: str
    reason: str


class AnswerResult(BaseModel):
    """An answer after its check, and how it got there."""

    answer: str
    original: str = Field(description="The answer before its corrections; the same where nothing was wrong.")
    corrections: list[Change]
    claims: list[CheckedClaim]


class Count(BaseModel):
    """How often a thing is in each of two pictures."""

    name: str
    first: int
    second: int


class CompareResult(BaseModel):
    """How two pictures differ, as far as perception sees."""

    same: bool = Field(description="No difference in things and writing was found.")
    counts: list[Count] = Field(description="Things whose number differs.")
    text_only_first: list[str]
    text_only_second: list[str]
