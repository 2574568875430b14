"""The command line: a command parses, calls one function of the library and renders what it tells.

Nothing here decides anything about a dataset.
"""
