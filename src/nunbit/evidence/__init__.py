"""What in the pictures an answer rests on: claims, each with a verdict and the objects, text lines and regions of the
Scene that it names.

    claims = claims_of("Is there a dog?", "No.", [scene])
    claims[0].verdict, claims[0].evidence

===================  ===================================================================================================
`answers`            question, answer and Scenes to claims: the entrance
`questions`          what a question asks for, so that "yes", "3" and "red" have a meaning
`names`              names of things in a text
`english`,           sentences to statements: existence, number, colour, place, relation, and what is denied
`hangul`
`index`              the things of Scenes by what they may be called
`things`             statements about things compared with Scenes
`sizes`              large and small things
`text_lines`         text that was read compared with the lines of Scenes
`lookups`            figures looked up in the rows of what is written
`question_facts`     what a question names in the Scenes, in lines that stand beside it
`question_rows`      of the writing: rows, cells under a head, extremes
`question_things`    of the things: how many, which, where, relations
`question_patterns`  the patterns of both
`wording`            claims in words, English and Korean
`shapes`             records read from JSON, their fields compared with what they declare
`drawing`            claims drawn over their pictures
===================  ===================================================================================================

Evidence is where the words of an answer are in the picture. It does not prove that the model looked there, and a
contradiction says only that answer and perception differ: either may be wrong.
"""

from nunbit.evidence.answers import claims_of
from nunbit.evidence.claims import Claim, Evidence, all_evidence, contradictions, from_json, to_json

__all__ = ["Claim", "Evidence", "all_evidence", "claims_of", "contradictions", "from_json", "to_json"]
