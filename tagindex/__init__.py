"""What is in a release: the tag index and the query language.

The room is laid out by `docs/explanation/design.md` and holds nothing yet:
renditions are selected by rating until it does.
"""
