"""Models: prompts, composition of encoder, connector and language model, object-aware parts, loading and saving."""
