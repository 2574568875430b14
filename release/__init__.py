"""Makes a release: from a tree of images and metadata to audited, signed, per-volume manifests.

Nothing here draws on a terminal or asks a question; progress leaves as the events of `manifests.events`.
"""
