"""YAMNet, an audio tagger, as an embedding."""
