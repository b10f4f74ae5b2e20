"""Predictions to numbers: identification, baselines, chance, intervals, leakage."""
