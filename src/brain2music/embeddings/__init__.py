"""Embeddings: the noun, the protocol, the store, and where they meet scans."""
