"""musicnn, music taggers, as embeddings."""
