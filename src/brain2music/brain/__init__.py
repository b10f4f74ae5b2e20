"""Volumes to responses: masks, cleaning, the scans of each clip, reliability."""
