"""Galleries: corpora of existing music, their embeddings on disk, and search."""
