"""YAMNet, an audio tagger, as an embedder; and TFLite models."""
