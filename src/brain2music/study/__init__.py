"""Reading of BIDS studies: runs, events, clips, stimuli as presented, folds, and checks of a study."""
