"""The shared language of the rooms: values, formats, digests, signatures, errors, events.

Nothing here knows the network, a thread, a subprocess or a terminal. Values go in and values come out; the two doors to
the disk are `disk` (bytes) and `tables` (Parquet).
"""
