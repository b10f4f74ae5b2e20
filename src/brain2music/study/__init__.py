"""BIDS in: runs, events to clips, stimuli as presented, checks of a study, and the simulated study."""
