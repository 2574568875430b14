"""The kinds of findings: what each means, why it matters, what to do, and what happens if it is waived.

This table is the one place that says which findings block a build: `docs/reference/findings.md` is made from it, the
HTML report quotes it, and release.toml waives by its names. A kind whose `waived` is None cannot be waived, because no
true manifest could be written over it.

Nothing here looks at data. What is known of unfit torrents stands in `manifests.torrentlint`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tagswarm.manifests import torrentlint


class Severity(StrEnum):
    """How bad a finding is; the order of definition is the order of reports."""

    ERROR = "error"
    """Blocks a build until it is mended or waived."""
    WARNING = "warning"
    """Worth a look; blocks nothing."""
    INFO = "info"
    """Normal for collections of this kind, and counted."""


class Section(StrEnum):
    """The parts of the reference page and of the report."""

    FILES = "Files and their posts"
    BYTES = "Bytes and claims"
    IMAGES = "Images"
    TREE = "Names and folders"
    ROWS = "Posts and rows of metadata"
    TAGS = "Tags"
    RELATIONS = "Aliases, implications, parents and pools"
    TORRENTS = "Torrents"
    WAIVERS = "Waivers"


@dataclass(frozen=True, slots=True)
class Kind:
    """What is known of one kind of finding before any is found."""

    section: Section
    severity: Severity
    """The usual one; single findings of a kind may be milder or graver, and `why` says when."""
    title: str
    """One plain sentence."""
    why: str
    """Why it matters."""
    fix: str
    """What to do about it."""
    waived: str | None = "Nothing else changes: it never blocks a build."
    """What happens if it is waived; None where it cannot be."""

    @property
    def waivable(self) -> bool:
        """Whether release.toml may waive it."""
        return self.waived is not None


_ERROR, _WARNING, _INFO = Severity

_NO_FILE = "The post stays in the metadata and in the index; no volume has a file of it."
_AS_IT_IS = "The file is published as it is; the claim stays in the metadata beside it."
_NO_RENDITION = "The file is published as it is, typed by its content; no rendition is made from it."
_LEFT_OUT = "It is left where it lies and is in no volume."
_UNFIT = "The torrent is published as it is, and those clients fail with it."
_KEPT = "The relation is published as the source has it."

CATALOGUE: Final[dict[str, Kind]] = {
    # Files and their posts.
    "missing-file": Kind(
        Section.FILES,
        _ERROR,
        "A post has no file.",
        "Counts and queries would promise an image that nobody can fetch.",
        "Restore the file, take the row out of the metadata, or withdraw the post.",
        _NO_FILE,
    ),
    "past-end": Kind(
        Section.FILES,
        _ERROR,
        "A post without a file follows the last file of its site.",
        "The metadata was exported after the files were fetched; such a tail is hundreds of posts long.",
        "Fetch the newer files, or cut the metadata at the last file.",
        _NO_FILE,
    ),
    "no-file-claimed": Kind(
        Section.FILES,
        _INFO,
        "A post has no file and claims none.",
        "Boorus hide MD5 and extension of banned and paid-only posts, so nobody could have fetched these.",
        "Nothing; withdraw the post if it should not be listed at all.",
    ),
    "orphan-file": Kind(
        Section.FILES,
        _ERROR,
        "A file has no post.",
        "Without a row it has no tags and no rating, and nobody can say why it is here.",
        "Add the row to the metadata, or take the file out of the tree.",
        _LEFT_OUT,
    ),
    "duplicate-file": Kind(
        Section.FILES,
        _ERROR,
        "Two files of one tree claim to be the same version of a post.",
        "A post has one file; which of the two it is cannot be guessed.",
        "Remove one, or name the newer one as a version: 1000.v2.png.",
        None,
    ),
    "wrong-bucket": Kind(
        Section.FILES,
        _ERROR,
        "A file lies in a bucket that is not its id modulo 1000.",
        "Everyone computes the path of a file from its id and would not find it.",
        "Move the file to the folder that the evidence names.",
        None,
    ),
    "published-file-missing": Kind(
        Section.FILES,
        _ERROR,
        "A file that an earlier release published is gone.",
        "The volumes of that release are seeded and mirrored from this tree and would break.",
        "Restore the file, or withdraw the post.",
        None,
    ),
    "duplicate-content": Kind(
        Section.FILES,
        _WARNING,
        "Several posts have the same file, byte for byte.",
        "Training sets count it twice; about one post in two hundred is such a repost.",
        "Nothing, or withdraw the later posts.",
    ),
    # Bytes and claims.
    "changed-after-publication": Kind(
        Section.BYTES,
        _ERROR,
        "A file is not what an earlier release published under its name.",
        "A published volume never changes: every mirror holds the old bytes and would call the new ones damaged.",
        "Restore the old file; a new one is named as a version: 1000.v2.png.",
        None,
    ),
    "bit-rot": Kind(
        Section.BYTES,
        _ERROR,
        "The bytes of a file changed though its size, time and inode did not.",
        "No program writes like that: the disk, its cable or the memory is failing.",
        "Restore the file from a copy and test the disk. If the new bytes are the right ones, waive it.",
        "The bytes as they were read last are published.",
    ),
    "md5-mismatch": Kind(
        Section.BYTES,
        _ERROR,
        "A file has exactly the size that is claimed and another MD5.",
        "Optimising changes the size; the same size with other bytes is a flipped bit or another file.",
        "Fetch the file again.",
        _AS_IT_IS,
    ),
    "md5-stale": Kind(
        Section.BYTES,
        _INFO,
        "A whole image is smaller than is claimed and has another MD5.",
        "Claims describe the file before it was optimised without loss; for most collections this is normal. Also "
        "where no size is claimed.",
        "Nothing: the release has digests of its own.",
    ),
    "size-mismatch": Kind(
        Section.BYTES,
        _WARNING,
        "A file is not as large as is claimed.",
        "A warning where the file is larger than claimed, or no MD5 is claimed that could decide. An error where the "
        "MD5 is the claimed one, so the claim contradicts itself, and where a smaller file is never decoded, so "
        "nothing shows that it is whole.",
        "Compare the file with the source, and mend the row or the file.",
        _AS_IT_IS,
    ),
    "dimension-mismatch": Kind(
        Section.BYTES,
        _ERROR,
        "An image has neither the claimed width and height nor, turned upright, those.",
        "Optimising keeps the size of the picture: this is another picture, or a sample of it.",
        "Fetch the original again, or mend the row.",
        _AS_IT_IS,
    ),
    "wrong-extension": Kind(
        Section.BYTES,
        _ERROR,
        "A file is of another type than its name says.",
        "Programs that trust names fail on it, and servers send the wrong type.",
        "Rename the file to the extension that the evidence names, and mend the row.",
        "The file is published under its name; the manifest states the real type.",
    ),
    "extension-mismatch": Kind(
        Section.BYTES,
        _ERROR,
        "A file is what its name says and not of the type that is claimed.",
        "It may be the file of another post, or a sample instead of the original.",
        "Fetch the original again, or mend the row.",
        _AS_IT_IS,
    ),
    # Images.
    "empty-file": Kind(
        Section.IMAGES,
        _ERROR,
        "A file has no bytes.",
        "A download or a copy was cut short.",
        "Fetch the file again.",
        _NO_RENDITION,
    ),
    "truncated": Kind(
        Section.IMAGES,
        _ERROR,
        "An image ends before its end.",
        "A download or a copy was cut short; part of the picture is missing.",
        "Fetch the file again. If the source itself is cut, waive it.",
        _NO_RENDITION,
    ),
    "undecodable": Kind(
        Section.IMAGES,
        _ERROR,
        "An image cannot be decoded whole.",
        "Some of its bytes are damaged, and training on it would stop or go wrong.",
        "Fetch the file again. If the source itself is damaged, waive it.",
        _NO_RENDITION,
    ),
    "unsupported": Kind(
        Section.IMAGES,
        _WARNING,
        "An image is of a format or variant that nothing here decodes.",
        "Nobody has seen whether it is whole.",
        "Look at it with a program that knows the format.",
    ),
    "decompression-bomb": Kind(
        Section.IMAGES,
        _ERROR,
        "An image unfolds to more pixels or memory than one file may cost.",
        "Small files of that sort are made to stop the programs that open them.",
        "Look where it came from; take it out of the tree, or waive it if it is an honest poster.",
        _NO_RENDITION,
    ),
    "too-many-frames": Kind(
        Section.IMAGES,
        _ERROR,
        "An animation has more frames than one file may cost.",
        "Decoding it would take without end.",
        "Look where it came from; waive it if it is honest.",
        _NO_RENDITION,
    ),
    "decode-timeout": Kind(
        Section.IMAGES,
        _ERROR,
        "Decoding a file took too long and was stopped, twice.",
        "Everyone who opens it will wait as long.",
        "Open it alone; take it out of the tree if it hangs there too.",
        _NO_RENDITION,
    ),
    "decode-memory": Kind(
        Section.IMAGES,
        _ERROR,
        "Decoding a file took more memory than a worker may have.",
        "Everyone who opens it needs as much.",
        "Look where it came from; waive it if it is honest.",
        _NO_RENDITION,
    ),
    "decode-crash": Kind(
        Section.IMAGES,
        _ERROR,
        "Decoding a file ended the process that did it, twice.",
        "It may have been made to attack a decoder.",
        "Take it out of the tree and report it to the authors of the decoder.",
        _NO_RENDITION,
    ),
    "not-an-image": Kind(
        Section.IMAGES,
        _INFO,
        "A file is no image.",
        "An info for videos, archives and Flash whose name says so: they are typed and never decoded. An error where "
        "the name promises an image, as for the error page of a server that was saved as one. A warning where nothing "
        "tells the type.",
        "Where it is an error, fetch the file again.",
        _NO_RENDITION,
    ),
    "rendition-failed": Kind(
        Section.IMAGES,
        _ERROR,
        "No rendition could be made from an image that decodes.",
        "The rendition would lack a post that it selects.",
        "Open the image with another program; fetch it again, or waive it.",
        _NO_RENDITION,
    ),
    # Names and folders.
    "stray-file": Kind(
        Section.TREE,
        _ERROR,
        "Something lies in a tree that is no file of the layout.",
        "A tree is published as a whole; what nobody put there on purpose should not go out with it.",
        "Move it out of the tree.",
        _LEFT_OUT,
    ),
    "unsafe-name": Kind(
        Section.TREE,
        _ERROR,
        "A name leaves the tree or cannot exist on some system.",
        "It would end up in manifests, torrents and shells of other people.",
        "Rename or remove it.",
        None,
    ),
    "link": Kind(
        Section.TREE,
        _ERROR,
        "A symbolic link lies in a tree.",
        "It may lead out of the tree, and a mirror would publish what it leads to.",
        "Put the file itself there.",
        None,
    ),
    "special-file": Kind(
        Section.TREE,
        _ERROR,
        "A device, socket or pipe lies in a tree.",
        "Reading it may never end.",
        "Remove it.",
        None,
    ),
    "unreadable": Kind(
        Section.TREE,
        _ERROR,
        "A file or folder cannot be read.",
        "Without its bytes there is no digest of it.",
        "Check its owner and permissions, and the disk.",
        None,
    ),
    "changed-while-read": Kind(
        Section.TREE,
        _ERROR,
        "A file changed while it was read.",
        "Its digest is that of no file that ever existed.",
        "Let nothing write to the tree, and run the same command again.",
        None,
    ),
    # Posts and rows of metadata.
    "bad-row": Kind(
        Section.ROWS,
        _ERROR,
        "A row of the metadata cannot be read.",
        "Its post is missing from the release, and its file counts as an orphan.",
        "Mend the row, which the finding names by file and line, or export it again.",
        "The row is left out; its text is published in metadata/rejects.jsonl.zst of the release.",
    ),
    "broken-dump": Kind(
        Section.ROWS,
        _ERROR,
        "A file of metadata ends before its end, or is damaged.",
        "Every row after that place is missing.",
        "Fetch the file again.",
        "The rows that could be read are published.",
    ),
    "duplicate-post": Kind(
        Section.ROWS,
        _ERROR,
        "Two rows have the same site and id.",
        "They say different things about one post, and the first was taken. A warning where they are identical.",
        "Remove the wrong row.",
        "The first row is published; the others stay in rejects.jsonl.zst.",
    ),
    "ghost-row": Kind(
        Section.ROWS,
        _WARNING,
        "Rows describe posts that no longer exist.",
        "Safebooru lists removed posts with neither image nor tags. They were left out.",
        "Nothing.",
    ),
    "unknown-withdrawal": Kind(
        Section.ROWS,
        _WARNING,
        "A post is taken back that nobody knows.",
        "No row, file or earlier release has it: the id may be misspelt, and the post that was meant is still there.",
        "Mend the id in the list of withdrawals, or take the line out.",
    ),
    "rows-without-id": Kind(
        Section.ROWS,
        _INFO,
        "Rows have no id.",
        "Exports of Danbooru hide the id of banned and paid-only posts. They were left out.",
        "Nothing.",
    ),
    "unknown-rating": Kind(
        Section.ROWS,
        _ERROR,
        "A rating is none of the rating scheme of its site.",
        "The letter s means safe until 2021 and sensitive since 2022: with the wrong scheme, a filter for safe images "
        "lets others pass.",
        "Set rating_scheme of the source in release.toml, or mend the row.",
        "The post is published without a rating.",
    ),
    "no-rating": Kind(
        Section.ROWS,
        _INFO,
        "Posts have no rating.",
        "They are in no selection by rating.",
        "Nothing, or mend the rows.",
    ),
    "date-out-of-range": Kind(
        Section.ROWS,
        _ERROR,
        "A post was made before 2000 or after the release.",
        "Dates like 1970 stand for none, and others come from a wrong unit or time zone.",
        "Mend the row, or the date of the release in release.toml.",
        "The date is published as it is.",
    ),
    "no-date": Kind(
        Section.ROWS,
        _WARNING,
        "Posts have no date.",
        "They are in no selection by date and in no volume by year.",
        "Take the dates from another export of the site.",
    ),
    "no-tags": Kind(
        Section.ROWS,
        _WARNING,
        "A post has no tags.",
        "No query finds it.",
        "Mend the row.",
    ),
    "duplicate-tag": Kind(
        Section.ROWS,
        _WARNING,
        "A row names a tag twice.",
        "It is counted once here and twice by others.",
        "Nothing, or mend the row.",
    ),
    # Tags.
    "unknown-tag": Kind(
        Section.TAGS,
        _ERROR,
        "Posts have a tag that the table of tags lacks.",
        "Posts and tags come from different exports, or the tag is misspelt. Only where a table of tags was given.",
        "Add the tag to the table, or mend the rows.",
        "The tag is published with the category unknown.",
    ),
    "invalid-tag-name": Kind(
        Section.TAGS,
        _WARNING,
        "Posts have a tag whose name breaks the rules of boorus.",
        "In a query it would mean something else, or could not be written.",
        "Rename the tag in the metadata.",
    ),
    "non-ascii-tag": Kind(
        Section.TAGS,
        _INFO,
        "Posts have a tag with characters beyond ASCII.",
        "Older exports have such names; they are kept, in the normal form NFC.",
        "Nothing.",
    ),
    "aliased-tag-used": Kind(
        Section.TAGS,
        _WARNING,
        "Posts have a tag that is an alias of another one.",
        "A query for the tag is answered with the other one and does not find these posts.",
        "Replace the tag in the rows, or take the alias out of the table.",
    ),
    "tag-count-differs": Kind(
        Section.TAGS,
        _INFO,
        "Counts that the table of tags claims are not those of the posts.",
        "They were taken from the live site on another day; the release has counts of its own.",
        "Nothing.",
    ),
    # Aliases, implications, parents and pools.
    "alias-self": Kind(
        Section.RELATIONS,
        _ERROR,
        "A tag is an alias of itself.",
        "It names nothing.",
        "Remove the alias.",
        _KEPT,
    ),
    "alias-chain": Kind(
        Section.RELATIONS,
        _ERROR,
        "An alias leads to another alias.",
        "Aliases are resolved in one step, so a query ends at a name that is none.",
        "Let the alias lead to the end of the chain.",
        _KEPT,
    ),
    "alias-cycle": Kind(
        Section.RELATIONS,
        _ERROR,
        "Aliases lead in a circle.",
        "None of the names is the true one.",
        "Remove one of them.",
        _KEPT,
    ),
    "ambiguous-alias": Kind(
        Section.RELATIONS,
        _WARNING,
        "A name is an alias of several tags.",
        "A query for the name has to ask which is meant.",
        "Keep one of them.",
    ),
    "implication-self": Kind(
        Section.RELATIONS,
        _ERROR,
        "A tag implies itself.",
        "It says nothing.",
        "Remove the implication.",
        _KEPT,
    ),
    "implication-cycle": Kind(
        Section.RELATIONS,
        _ERROR,
        "Implications lead in a circle.",
        "The tags would all be on the same posts, so they would be one tag.",
        "Remove one of them.",
        _KEPT,
    ),
    "implication-redundant": Kind(
        Section.RELATIONS,
        _INFO,
        "An implication follows from others.",
        "Danbooru refuses such implications; older ones are harmless.",
        "Nothing.",
    ),
    "implication-of-alias": Kind(
        Section.RELATIONS,
        _WARNING,
        "An end of an implication is an alias of another tag.",
        "No post should have that tag, so the implication never applies.",
        "Let the implication name the other tag.",
    ),
    "parent-self": Kind(
        Section.RELATIONS,
        _ERROR,
        "A post is its own parent.",
        "Programs that walk up to the first parent never end.",
        "Mend the row.",
        _KEPT,
    ),
    "parent-cycle": Kind(
        Section.RELATIONS,
        _ERROR,
        "Posts are each other's parents in a circle.",
        "Programs that walk up to the first parent never end.",
        "Mend one of the rows.",
        _KEPT,
    ),
    "dangling-parent": Kind(
        Section.RELATIONS,
        _WARNING,
        "The parent of a post is not in the release.",
        "It was deleted, or the release is a part of the site.",
        "Nothing, or add the parent.",
    ),
    "dangling-pool-post": Kind(
        Section.RELATIONS,
        _WARNING,
        "A pool names posts that are not in the release.",
        "They were deleted, or the release is a part of the site.",
        "Nothing, or add the posts.",
    ),
    "duplicate-pool-post": Kind(
        Section.RELATIONS,
        _WARNING,
        "A pool names a post twice.",
        "Its order is not clear there.",
        "Nothing, or mend the pool.",
    ),
    # Torrents: only a build can find them, when it has made the torrents.
    **{
        name: Kind(Section.TORRENTS, _ERROR, meaning.text, meaning.clients, meaning.remedy, _UNFIT)
        for name, meaning in torrentlint.LINTS.items()
    },
    # Waivers.
    "unused-waiver": Kind(
        Section.WAIVERS,
        _WARNING,
        "A waiver of release.toml matches no finding.",
        "It would hide the next finding of that name, which nobody has looked at.",
        "Remove it from release.toml.",
        None,
    ),
}
