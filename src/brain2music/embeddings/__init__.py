"""Embeddings of music: data classes, protocols, storage, and the alignment of their windows with scans."""
