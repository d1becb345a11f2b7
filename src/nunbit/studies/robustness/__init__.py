"""`nunbit robust`: how much answers depend on what should not matter.

=============  =======================================================================================================
`data`         labelled pictures: things of the world, cut-out photographs, a folder of the user's
`namer`        the package's own namer of photographs as a classifier
`zero_shot`    wording, label order, class balance, and curves under corruption and attack
`context`      what a background, or a thing beside, does to a name
`answers`      order of options, corruption and attack for a whole model
`run`          all of it, as JSON and for a terminal
`page`         the same as one HTML page
=============  =======================================================================================================
"""
