"""Brain to embedding: windows of scans matched to windows of sound, and the decoder fitted on them."""
