"""Readers of the metadata formats of boorus: a module a format, `FORMATS` by name, `detect` by content."""

from .base import Format, Reader
from .detect import Sighting, detect
from .formats import FORMATS
from .stream import Document, documents

__all__ = ["FORMATS", "Document", "Format", "Reader", "Sighting", "detect", "documents"]
