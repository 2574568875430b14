#!/bin/sh
# A release of the sample collection, from the first look to the next year. Everything is made in demo-out/, and every
# command is shown before it runs: each of them can be typed by hand.
set -eu
cd "$(dirname "$0")/.."
PATH=$PWD/.venv/bin:$PATH

if [ -t 1 ]; then
    title=$(printf '\033[1;36m') shown=$(printf '\033[1m') plain=$(printf '\033[0m')
else
    title='' shown='' plain=''
fi

say() { # a headline
    printf '\n%s== %s%s\n' "$title" "$*" "$plain"
}

run() { # show a command, then run it
    printf '%s$ %s%s\n' "$shown" "$*" "$plain"
    sh -c "$*"
}

refused() { # run a command that must end with the exit code $1
    expected=$1
    shift
    code=0
    run "$@" || code=$?
    printf '(exit code %s)\n' "$code"
    [ "$code" -eq "$expected" ] || { echo "expected $expected" >&2 && exit 1; }
}

rm -rf demo-out
mkdir demo-out
cd demo-out
own="--cache cache --trust-file trust.json" # what is remembered of datasets stays in demo-out/ too

say "A small booru: 98 freely licensed pictures with their metadata"
run "cp -r ../sample danbooru"
run "tagswarm release init danbooru --name danbooru --release 2026 --issued 2026-11-20"

say "A key to sign with, named in release.toml"
run "tagswarm release keygen maintainer.key --no-password"
run "sed -i \"s|^keys = .*|keys = [\\\"\$(tail -1 maintainer.key.pub)\\\"]|\" danbooru/release.toml"

say "Somebody has been careless: a file is cut, one has the wrong name, one is gone"
run "cp -r danbooru/original whole"
run "truncate -s 5000 danbooru/original/0008/2008.png"
run "mv danbooru/original/0008/1008.jpg danbooru/original/0008/1008.png"
run "rm danbooru/original/0013/1013.png"

say "The audit names each of them, and the build refuses"
refused 16 "tagswarm release audit danbooru"
refused 16 "tagswarm release build danbooru"

say "Mended, it builds"
run "rm danbooru/original/0008/1008.png && cp -rp whole/. danbooru/original && rm -r whole"
run "tagswarm release build danbooru"

say "Signed, it is the latest"
run "tagswarm release sign danbooru --key maintainer.key"

say "Anybody can verify it without this program"
run "minisign -V -p maintainer.key.pub -m danbooru/releases/2026/release.json"
run "cd danbooru && awk -F'\"' '/\"path\":/{p=\$4} /\"sha256\":/{print \$4 \"  \" p}' releases/2026/release.json | sha256sum -c --quiet && echo all documents are whole"
run "cd danbooru && grep -o 'volumes/[^\"]*\\.sha256' releases/2026/release.json | xargs cat | sha256sum -c --quiet && echo all files are whole"

say "With it, everything at once"
run "tagswarm release verify danbooru --key maintainer.key.pub"
run "tagswarm release show danbooru"

say "The researcher asks before fetching anything: how many, which, and how the query was understood"
run "tagswarm count '1girl solo -long_hair rating:g' --in danbooru"
run "tagswarm query '1girl solo order:score limit:3' --columns id,score,rating,width,height --in danbooru"
run "tagswarm explain '(blue_hair or blonde_hair) -hat date:>=2025-01-01' --in danbooru"
refused 12 "tagswarm count '1girl bleu_hair' --in danbooru"

say "The plan: what would come from where, before a byte moves"
run "tagswarm plan '1girl solo' --from danbooru $own"

say "The pull: every file verified by its SHA-256, and resized here"
run "tagswarm pull '1girl solo' --from danbooru -o subset --size 256 --fit pad $own"

say "A bit rots, and a file is lost: both are found, and only they are fetched again"
run "printf x | dd of=subset/images/0000/1000.jpg bs=1 seek=500 conv=notrunc status=none && rm subset/images/0042/1042.jpg"
refused 3 "tagswarm verify subset"
run "tagswarm repair subset --from danbooru $own"

say "The lock makes the same subset again, to the last byte"
run "tagswarm pull --locked subset/tagswarm.lock --from danbooru -o again $own"
run "diff -r subset/images again/images && echo no difference"

say "For a trainer: images, captions and a configuration"
run "tagswarm export subset kohya --to train"
run "head -c 120 \$(find train -name '*.txt' | sort | head -1) && echo ..."

say "Every volume has a torrent; what lies here is what it promises"
run "tagswarm torrent show danbooru/volumes/512px-2026-0000.torrent"
run "tagswarm torrent verify danbooru/volumes/512px-2026-0000.torrent ."

say "Built again: no image is read, no byte changes"
run "tagswarm release build danbooru"

say "A year later: two new posts, and only they are read and packed; the old volumes are carried over"
run "python ../demo/next_year.py danbooru new && cp -r new/. danbooru && rm -r new"
run "sed -i 's/^name = \"2026\"/name = \"2027\"/; s/^issued = .*/issued = 2027-11-20/' danbooru/release.toml"
run "tagswarm release build danbooru"
run "tagswarm release sign danbooru --key maintainer.key"
run "tagswarm release diff danbooru 2026 2027"
run "tagswarm release verify danbooru --key maintainer.key.pub"

say "Where to look"
echo "demo-out/subset/                             what was pulled, with tagswarm.lock"
echo "demo-out/danbooru/releases/2027/README.md    the release in numbers"
echo "demo-out/danbooru/releases/2027/audit.html   the audit, as a page for the browser"
echo "demo-out/danbooru/release.toml               what a maintainer decides"
