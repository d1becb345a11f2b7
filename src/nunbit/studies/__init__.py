"""Experiments that train and compare models: ablation, connectors, few-shot, chain of thought, classification."""
