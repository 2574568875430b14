"""What is in a release: the tag index and the query language.

A release carries one index; `writer` makes it from the normalised tables, `reader` opens it, `query` turns text into a
checked tree and that into posts, and `subset` is what the other rooms hold of an answer. `store` is the seam between
the file and the language.

Nothing here fetches, draws or starts a process.
"""
