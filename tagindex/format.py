"""The format of the index, `tagswarm.index/1`: its tables, its limits, and how a foreign or newer file is told.

Page: docs/reference/formats/index.md. Nothing here opens a file.
"""

from __future__ import annotations

FORMAT = "tagswarm.index/1"
APPLICATION_ID = 0x74677369
"""`tgsi`, in the header of SQLite."""
VERSION = 1
"""`user_version` in the header of SQLite."""
PAGE = 8_192
"""Bytes of a page: the lists are long and read whole, but a small index should stay small."""
CHUNK = 1 << 16
"""Posts of a chunk of a column: one container of a Roaring bitmap."""
SEGMENT = 1 << 17
"""A segment of posting lists ends with the list that makes it this many bytes, or more."""
LISTED = 1_024
"""A tag of at most this many posts has a list of gaps, any other one a Roaring bitmap."""
SOURCES = 1 << 13
"""Posts of a block of sources."""
TEXTS = 1 << 11
"""Texts of a block of notes, comments or commentaries."""
NAMES = 1 << 15
"""Names of a block of signatures."""
INITIALS = 16
"""Initials of more letters than this are not kept."""

SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE site (name TEXT PRIMARY KEY, first INTEGER NOT NULL, posts INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE tag (key INTEGER PRIMARY KEY, name TEXT NOT NULL, category INTEGER NOT NULL, count INTEGER NOT NULL);
CREATE TABLE alias (name TEXT, target TEXT, PRIMARY KEY (name, target)) WITHOUT ROWID;
CREATE TABLE implication (antecedent TEXT, consequent TEXT, PRIMARY KEY (antecedent, consequent)) WITHOUT ROWID;
CREATE TABLE initials (letters TEXT PRIMARY KEY, tag INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE spelling (first INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE posting (first INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE word (column TEXT, value TEXT, count INTEGER NOT NULL, posts BLOB NOT NULL, PRIMARY KEY (column, value))
    WITHOUT ROWID;
CREATE TABLE flag (column TEXT PRIMARY KEY, count INTEGER NOT NULL, posts BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE number (column TEXT PRIMARY KEY, key INTEGER NOT NULL, low INTEGER, high INTEGER,
    present INTEGER NOT NULL, nulls BLOB NOT NULL, chunks BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE chunk (key INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE nulls (column TEXT PRIMARY KEY, posts BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE md5 (first INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE source (block INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE pool (number INTEGER PRIMARY KEY, site TEXT NOT NULL, id INTEGER NOT NULL, name TEXT NOT NULL,
    category TEXT NOT NULL, deleted INTEGER NOT NULL, posts BLOB NOT NULL);
CREATE TABLE text (number INTEGER PRIMARY KEY, kind TEXT NOT NULL, data BLOB NOT NULL);
CREATE TABLE user (site TEXT, id INTEGER, name TEXT NOT NULL, folded TEXT NOT NULL, PRIMARY KEY (site, id))
    WITHOUT ROWID;
"""
INDEXES = """
CREATE UNIQUE INDEX tag_name ON tag (name);
CREATE INDEX user_name ON user (folded);
"""
TABLES = (
    "site",
    "tag",
    "alias",
    "implication",
    "initials",
    "spelling",
    "posting",
    "word",
    "flag",
    "number",
    "chunk",
    "nulls",
    "md5",
    "source",
    "pool",
    "text",
    "user",
)
"""Everything but `meta`, which holds the SHA-256 of each of these."""

CHUNKS_PER_COLUMN = 1 << 24
"""The key of a chunk is the key of its column times this, plus its number."""
FIELDS = {"notes": 1, "comments": 1, "artist_commentaries": 4}
"""The tables of texts and how many fields a text has."""
