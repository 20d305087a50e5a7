#!/usr/bin/env python3
"""Whether what documents name in backticks is there: a path is one of this repository; what docs/architecture.md
calls `Type::function` is defined beside its type, and in the path that follows in brackets, if one does."""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
LIST = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
RUST = {file: (ROOT / file).read_text() for file in LIST if file.endswith(".rs")}
DEFINES = r"\b(fn|struct|enum|trait|type|mod|const|static|impl[^{{;]*) {0}\b|^ +{0}\b *[,:({{]|\"{0}\""
FOLDERS = re.compile(r"((src|tests|docs|scripts|fuzz|examples|core|models|infer|events|publish)/|\w.*/$)")
NAMED = re.compile(r"`([\w:./-]+)`(?=(?:\s+\(`(\w*[./][\w./]*)`)?)")


def at(path):
    """The files that `path` names, whole or without the folders before it."""
    place = re.compile(rf"(^|/){re.escape(path.rstrip('/'))}(/|\.rs$|$)")
    return [file for file in LIST if place.search(file)]


def defined(name, files):
    """Whether each part of `Type::function` is defined, both in one of `files`."""
    parts = [re.compile(DEFINES.format(re.escape(part)), re.M) for part in name.split("::")[-2:]]
    parts = parts if name.split("::")[0][0].isupper() else parts[-1:]
    return any(all(part.search(RUST[file]) for part in parts) for file in files if file in RUST)


faults = []
for document in ["docs/architecture.md", "docs/method.md", "docs/testing.md", "CONTRIBUTING.md"]:
    for name, place in NAMED.findall((ROOT / document).read_text().replace("```", "")):
        if name.endswith(".rs") or FOLDERS.match(name):
            if not at(name):
                faults.append(f"{document}: `{name}` is no file or folder; name one that is there")
        elif document.endswith("architecture.md") and "/" not in name and not name.startswith("Gst"):
            if not defined(name, at(place or "src")):
                faults.append(f"{document}: `{name}` is not defined in {place or 'src'}; name what is")
sys.exit("\n".join(faults) or 0)
