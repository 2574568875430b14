"""Ways for bytes to come: each carries items into a staging folder and says of every one what came of it."""
