"""Red team: pictures that order a model about, each with a twin that does not, and what a guard and a model make of
them.

============  ===================================================================================================
`pairs`       attack and twin of each family, drawn from seeds; wordings are none that the guard learns from
`carriers`    what the orders stand on: receipts, signs, slides, chats, manuals, windows, pictures
`detection`   the guard alone: orders found, twins suspected, milliseconds, an attacker who adapts
`attack`      a model, with and without the guard: canaries in its answers
`report`      both as one page of HTML
============  ===================================================================================================
"""
