"""Claim checking, injection guard and robustness. Nothing is here yet."""
