"""Training in general: the loop, stages, tasks, adapters, many processes, checkpoints, tracking, plans."""
