"""A download that is killed at random moments: nothing unverified is kept, nothing verified comes again."""

from __future__ import annotations

import hashlib
import multiprocessing
import random
import time
from pathlib import Path

import pytest

from tests.mirror.transports import pulling
from tests.mirror.transports.servers import nginx
from tests.mirror.transports.torrents import NAME, Tree, choose, files_below, loopback, peer, seeding

_SERVER = multiprocessing.get_context("forkserver")  # one import of everything, not one a kill
_SERVER.set_forkserver_preload(["tests.mirror.transports.pulling"])
BLOCK = 16_384
RATE = 4_000_000
LONGEST = 1.2
"""Seconds that a process lives at most after its first byte, unless it is the last."""


@pytest.mark.timeout(600)
@pytest.mark.parametrize("source", ["peer", "web-seed"])
def test_a_download_that_is_killed(request: pytest.FixtureRequest, tmp_path: Path, source: str) -> None:
    kills = max(1, request.config.getoption("kills") // 2)
    tree = Tree(tmp_path / "published")
    tree.random_volume("a", range(40 * kills), mean=40_000)
    tree.random_volume("b", range(40 * kills, 80 * kills), mean=150_000)
    items = [item for volume in tree.volumes for item in tree.items(volume, choose(tree.volumes[volume], 10 * kills))]
    store = tmp_path / "store"
    store.mkdir()
    moments = random.Random(kills)
    with loopback() as seed, nginx(tree.folder, tmp_path / "nginx") as server:
        volumes = seeding(seed, tree)
        task = pulling.Task(
            tree.torrents,
            {item: tree.sha256[item.path] for item in items},
            tmp_path / "staging",
            store,
            [peer(seed)] if source == "peer" else [],
            [f"{server.address}/"] if source == "web-seed" else [],
            RATE,
        )

        def uploaded() -> int:
            return sum(joined.status().uploaded for joined in volumes)

        def until_it_begins(sent: int, asked: int) -> None:
            for _ in range(1_000):
                if uploaded() > sent or len(server.lines()) > asked:
                    return
            raise TimeoutError

        for number in range(kills + 1):
            missing = task.missing()
            sent, asked = uploaded(), len(server.lines())
            process = _SERVER.Process(target=pulling.run, args=(task,))
            process.start()
            if number < kills:
                if number % 4:  # the others die before or while they join
                    until_it_begins(sent, asked)
                time.sleep(moments.uniform(0, LONGEST))
                process.kill()
            process.join(120)
            assert number < kills or process.exitcode == 0
            for kept in store.iterdir():
                assert hashlib.sha256(kept.read_bytes()).hexdigest() == kept.name
            assert uploaded() - sent <= sum(-(-item.size // BLOCK) * BLOCK for item in missing)
            assert {line.path for line in server.lines()[asked:]} <= {f"/{NAME}/{item.path}" for item in missing}
    assert not task.missing()
    assert not [path for path in files_below(tmp_path / "staging") if path.endswith(".parts")]
