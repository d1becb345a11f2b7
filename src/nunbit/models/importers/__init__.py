"""Released checkpoints that transformers cannot open: MoAI-7B and CoLLaVO-7B."""
