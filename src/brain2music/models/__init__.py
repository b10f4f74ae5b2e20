"""One folder per model, and the registries that find them by name."""
