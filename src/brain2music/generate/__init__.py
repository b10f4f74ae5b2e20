"""New music: generators of ours, adapters to public ones, and what they all return."""
