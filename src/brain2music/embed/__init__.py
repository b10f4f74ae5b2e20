"""Sound to embeddings: one file a model, one registry."""
