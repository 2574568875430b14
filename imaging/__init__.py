"""One image: what is it, is it whole, resize it; and the limited processes in which all of that happens.

Nothing here knows posts, releases or volumes.
"""
