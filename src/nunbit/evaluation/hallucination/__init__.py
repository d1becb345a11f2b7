"""Hallucination measured on pictures whose Scenes are exact, and what verification changes.

=============  =======================================================================================================
`pictures`     held-out drawings and composites of photographs with their exact Scenes
`lying`        answers whose statements are false at a known rate
`pope`         POPE's questions made from any Scenes: random, popular and adversarial absences, English and Korean
`claims`       precision and recall of what answers say, by kind, judged by exact Scenes; CHAIR with coverage
`consistency`  a picture, the same without one thing, and none: whether answers follow
`verify`       all of it before and after verification
=============  =======================================================================================================
"""
