"""Uses and carries a release: plan, pull, verify, mirror, seed.

The room is laid out by `docs/explanation/design.md` and holds nothing yet.
"""
