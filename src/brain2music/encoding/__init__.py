"""Embedding to voxels: encoding models and their maps."""
