"""Waveforms in few numbers: SoundStream (tokens) and the JEN-1 autoencoder (continuous latents), and their parts."""
