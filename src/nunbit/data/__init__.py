"""Conversations as training data: reading, mixing, grouping by length, packing, crayon instructions."""
