"""JEN-1's autoencoder."""
