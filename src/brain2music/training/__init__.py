"""Training: one loop for every model of ours, its data and its checkpoints."""
