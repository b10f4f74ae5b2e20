"""Mel spectrograms as tokens, and vocoders to turn them into sound."""
