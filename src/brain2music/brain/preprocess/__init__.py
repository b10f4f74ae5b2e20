"""Preprocessing of raw BOLD images: head motion, brain masks, registration to anatomy, names of regions."""
