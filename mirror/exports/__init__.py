"""Puts a pulled subset into the form that a trainer or a tagger reads: folders, shards, tables, captions.

`registry` knows them all. An export needs the files of a subset and their facts, never the network.
"""
