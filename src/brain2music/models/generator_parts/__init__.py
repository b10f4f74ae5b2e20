"""What generators share: what a user may ask for, windows of long music, and the pieces that they are trained on."""
