"""Released checkpoints that transformers cannot open: MoAI-7B, CoLLaVO-7B, original LLaVA, OpenFlamingo."""
