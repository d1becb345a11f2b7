"""Vision encoders: loading and feature extraction, and zero-shot classification with contrastive pairs."""
