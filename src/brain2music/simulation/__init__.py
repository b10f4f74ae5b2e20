"""Studies with known truth: simulated brains, composed music."""
