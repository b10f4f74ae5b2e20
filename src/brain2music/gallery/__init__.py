"""Music that exists: corpora, their embeddings on disk, search."""
