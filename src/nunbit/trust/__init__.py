"""Whether an answer can be relied on: claims checked against the picture and corrected; orders in pictures found.

=================  ===================================================================================================
`woodpecker`       the five steps of Woodpecker, from an answer to a corrected one: the entrance
`trace`            what each step did, as one record that can be read and sent as JSON
`checks`           claims to questions, and what perception and the model say to each
`correction`       the smallest edit that makes an answer hold, tried and checked again
`edits`,           the edits that come into question for a claim, and those of each language
`edits_english`,
`edits_korean`
`phrases`          true sentences in both languages
`guard`            orders to a model in pictures, before any model sees them
=================  ===================================================================================================

Claims, verdicts and what they rest on come from `nunbit.evidence`; this room decides what to do about them.
"""
