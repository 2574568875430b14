"""Draw what a booru might have a year later: two new posts with their files and metadata.

`python demo/next_year.py DATASET NEW` reads the tag table of DATASET, a copy of sample/, and writes into NEW what an
export of the next year adds: two pictures, a shard of posts, and the tag table with its new counts.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

from PIL import Image, ImageDraw

TAGS = "metadata/tags000000000000.json"
POSTS = "metadata/posts000000000002.json"


def moon() -> Image.Image:
    """A moon in a darkening sky."""
    image = Image.linear_gradient("L").resize((640, 400))
    image = Image.merge("RGB", [image.point([value // part for value in range(256)]) for part in (6, 4, 2)])
    ImageDraw.Draw(image).ellipse((420, 60, 540, 180), fill=(250, 245, 220))
    return image


def circles() -> Image.Image:
    """Circles in circles, on a transparent ground."""
    image = Image.new("RGBA", (480, 480))
    draw = ImageDraw.Draw(image)
    for step in range(12):
        edge = step * 20
        draw.ellipse((edge, edge, 479 - edge, 479 - edge), fill=(20 * step, 90, 255 - 20 * step, 255))
    return image


PICTURES = {
    5007: ("jpg", moon, "moon no_humans scenery sky"),
    5123: ("png", circles, "abstract circle no_humans transparent_background"),
}


def write(dataset: Path, new: Path) -> None:
    """Write the pictures and their metadata into `new`."""
    rows, counts = [], dict[str, int]()
    for number, (ext, draw, tags) in PICTURES.items():
        path = new / f"original/{number % 1000:04}/{number}.{ext}"
        path.parent.mkdir(parents=True, exist_ok=True)
        image = draw()
        image.save(path, quality=92)
        data = path.read_bytes()
        rows.append(
            {
                "id": number,
                "created_at": "2027-02-03 04:05:06.789 UTC",
                "rating": "g",
                "md5": hashlib.md5(data, usedforsecurity=False).hexdigest(),
                "file_ext": ext,
                "file_size": len(data),
                "image_width": image.width,
                "image_height": image.height,
                "tag_string": tags,
                "tag_string_general": tags,
                "source": "drawn by demo/next_year.py",
            }
        )
        for tag in tags.split():
            counts[tag] = counts.get(tag, 0) + 1
    table = [json.loads(line) for line in (dataset / TAGS).read_text().splitlines()]
    table = [{**row, "post_count": row["post_count"] + counts.get(row["name"], 0)} for row in table]
    (new / "metadata").mkdir(parents=True, exist_ok=True)
    for name, content in ((TAGS, table), (POSTS, rows)):
        (new / name).write_text("".join(f"{json.dumps(row, separators=(',', ':'))}\n" for row in content))


if __name__ == "__main__":
    write(Path(sys.argv[1]), Path(sys.argv[2]))
