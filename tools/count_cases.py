#!/usr/bin/python3
"""Counts the cases in a ctest JUnit file: prints "<passed> <failed> <skipped>".

A ctest case that ran doctest or pytest counts as the cases it says it ran; any other counts as
one. A ctest case that failed without saying which (a crash, a timeout) adds one failure.
"""

import re
import sys
import xml.etree.ElementTree as xml

DOCTEST = re.compile(
    r"\[doctest\] test cases:\s*\d+ \|\s*(\d+) passed \|\s*(\d+) failed \|\s*\d+ skipped"
)
PYTEST = re.compile(r"^(?:=+ )?((?:\d+ \w+(?:, )?)+) in [\d.]+s", re.MULTILINE)


def count_words(summary: str) -> tuple[int, int, int]:
    found = {word: int(n) for n, word in re.findall(r"(\d+) (\w+)", summary)}
    failed = found.get("failed", 0) + found.get("error", 0) + found.get("errors", 0)
    return found.get("passed", 0), failed, found.get("skipped", 0)


def count_case(case: xml.Element) -> tuple[int, int, int]:
    text = case.findtext("system-out") or ""
    status = case.get("status")
    if status in ("notrun", "disabled"):
        return 0, 0, 1
    passed = failed = skipped = 0
    for match in DOCTEST.finditer(text):
        passed += int(match[1])
        failed += int(match[2])
    for match in PYTEST.finditer(text):
        good, bad, left_out = count_words(match[1])
        passed, failed, skipped = passed + good, failed + bad, skipped + left_out
    if status == "run":
        return (passed, failed, skipped) if passed + failed + skipped else (1, 0, 0)
    return passed, max(failed, 1), skipped


def main() -> None:
    total = [0, 0, 0]
    for case in xml.parse(sys.argv[1]).getroot().iter("testcase"):
        for i, n in enumerate(count_case(case)):
            total[i] += n
    print(*total)


if __name__ == "__main__":
    main()
