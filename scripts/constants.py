#!/usr/bin/env python3
"""Changes the numbers of src/core one at a time and says which changes no test notices.

    constants.py [--list] [PATTERN…]

What cargo-mutants leaves alone: the values of constants, and those of `fn default`. A whole number
grows by one, a fraction by a tenth. With PATTERNs, only files or lines that contain one of them.
Works on a copy in target/constants.
"""

import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
COPY = ROOT / "target" / "constants"
TESTS = ["cargo", "test", "--quiet", "--no-default-features", "--lib"]
NUMBER = re.compile(r"(?<![\w.])(\d[\d_]*(?:\.\d[\d_]*)?(?:e-?\d+)?)(?:_?[fiu]\d+|_?usize)?(?![\w.])")
START = re.compile(r"^\s*(pub(\(\w+\))? )?const [A-Z]\w*|^\s*fn default\(\) -> ")


def changed(number):
    """The text of a number a little greater."""
    plain = number.replace("_", "")
    if "." in plain or "e" in plain:
        value = float(plain)
        return repr(value * 1.1 if value else 0.1)
    return str(int(plain) + 1)


def sites(path):
    """Where the numbers are: (line, start, end), counted from 0."""
    inside = None
    for index, line in enumerate(path.read_text().splitlines()):
        if line.startswith("#[cfg(test)]") and inside is None:
            # Unit tests that are not in a file of their own end the file.
            inside = "tests?"
            continue
        if inside == "tests?":
            if line.startswith("mod ") and line.endswith("{"):
                return
            inside = None
        code = re.sub(r'"[^"]*"', lambda text: " " * len(text[0]), line).split("//")[0]
        if inside is None and START.match(code):
            inside = "default" if "fn default" in code else "const"
            # The type of a constant is no value.
            begin = code.find("=") if inside == "const" else len(code)
            if begin < 0:
                inside = None
                continue
        elif inside:
            begin = 0
        else:
            continue
        for match in NUMBER.finditer(code, max(begin, 0)):
            yield index, match.start(1), match.end(1)
        if inside == "const" and code.rstrip().endswith(";"):
            inside = None
        elif inside == "default" and re.match(r"^    }$", code):
            inside = None


def main():
    listing = "--list" in sys.argv
    patterns = [argument for argument in sys.argv[1:] if not argument.startswith("--")]
    todo = []
    for path in sorted((ROOT / "src/core").rglob("*.rs")):
        name = path.relative_to(ROOT)
        if path.name.endswith("tests.rs"):
            continue
        lines = path.read_text().splitlines()
        for line, start, end in sites(path):
            where = f"{name}:{line + 1}: {lines[line].strip()}"
            if not patterns or any(pattern in where for pattern in patterns):
                todo.append((name, line, start, end, where))
    if listing:
        print("\n".join(where for *_, where in todo))
        return 0

    tracked = ["git", "-C", ROOT, "ls-files", "-z", "src", "benches", "tests", "examples"]
    files = subprocess.run(tracked, check=True, capture_output=True, text=True).stdout.split("\0")
    for file in [*filter(None, files), "Cargo.toml", "Cargo.lock", "build.rs"]:
        (COPY / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / file, COPY / file)

    # What is edited in the meantime is not part of this run.
    originals = {name: (COPY / name).read_text() for name, *_ in todo}

    def notices():
        """Whether the tests fail; None: it does not build."""
        if subprocess.run([*TESTS, "--no-run"], cwd=COPY, capture_output=True).returncode:
            return None
        try:
            return subprocess.run(TESTS, cwd=COPY, capture_output=True, timeout=120).returncode != 0
        except subprocess.TimeoutExpired:
            return True

    if notices() is not False:
        print("constants: the tests fail before anything is changed", file=sys.stderr)
        return 1
    survived = 0
    for name, line, start, end, where in todo:
        original = originals[name]
        lines = original.splitlines(keepends=True)
        text = lines[line]
        value = changed(text[start:end])
        lines[line] = text[:start] + value + text[end:]
        (COPY / name).write_text("".join(lines))
        noticed = notices()
        (COPY / name).write_text(original)
        survived += noticed is False
        word = {True: "caught", False: "SURVIVED", None: "does not build"}[noticed]
        print(f"{word:14} {where}  [{text[start:end]} -> {value}]", flush=True)
    print(f"{survived} of {len(todo)} changes survived")
    return 0


if __name__ == "__main__":
    sys.exit(main())
