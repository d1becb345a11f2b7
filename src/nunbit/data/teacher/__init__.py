"""Instruction data written by a text-only teacher, as LLaVA's was (arXiv 2304.08485, sec. 3), checked and resumable.

==============  =======================================================================================================
`sources`       COCO files, a folder of pictures or the world to pictures with Scenes
`context`       a Scene in words: captions and boxes
`prompting`     what the teacher is asked, by kind and language
`reply_format`  the teacher's text to turns
`base`          the contract of a teacher, and how it fails
`template`      the teacher that needs no model; `http_teacher`, `local`: any server, any language model in a folder
`plan`          which items are made, in which order
`journal`       every reply on the disk before it counts
`budget`        tokens and cost, and when to stop
`make`          all of it together
`output`        LLaVA's JSON, the manifest, the list of what failed
==============  =======================================================================================================
"""
