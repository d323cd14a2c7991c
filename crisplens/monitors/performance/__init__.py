"""How well a model does in production: measured with labels, estimated without, by segment and by variant."""
