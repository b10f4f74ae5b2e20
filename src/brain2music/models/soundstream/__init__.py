"""SoundStream, a neural codec."""
