"""The query language of boorus: text to a tree, the tree checked against a release, the checked tree to posts.

    text --parser--> tree --check--> checked tree --evaluate--> ordered ids

The first two steps refuse what is wrong, with its place; the third answers always. Nothing here reads a file.
"""
