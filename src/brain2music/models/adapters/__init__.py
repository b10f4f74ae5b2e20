"""Public models, as what this package asks of its own."""
