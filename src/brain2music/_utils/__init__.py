"""Utilities of all packages: errors, files, locks, names, progress, CPU."""
