#!/usr/bin/python3
"""Checks what the rooms promise each other. Run as a ctest (label layers).

    check_layers.py [--build <dir>]   check the tree; with a build directory also compile headers
                                      alone, with that build's flags
    check_layers.py --self-test       check the checker

What is checked, in storage/, protocol/, server/ and tests/ (C++ files only):
  includes    storage sees the standard library and fmt (mutex.cc also the system's futex, region.cc
              its pages, reaper.cc both);
              protocol the standard library and fmt (rdb.cc also LZF); server sees both rooms.
              Asio enters by server/net/asio.h only, CLI11 by server/command_line.cc only, Lua and
              msgpack stay in server/scripting/. Inside server: engine sees neither commands nor net,
              commands see neither net nor server.h, nothing but engine/families.* sees commands.
              Full paths only, and a file's own header comes first.
  headers     open with `#pragma once` and compile alone: of most of them the build has shown that,
              since a file of it includes them first; the others are compiled here.
  length      a file has at most 600 lines, a function at most 80, unless the comment at the
              head of the file gives a reason after the word "Length:".

Results of compiling headers are kept in the build directory by the age of everything a header
includes, so the second run is quick.
"""

import argparse
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOMS = ("storage", "protocol", "server", "tests")
FILE_LINES = 600
FUNCTION_LINES = 80

INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', re.MULTILINE)

# What each room may include of our own.
OWN = {
    "storage": ("storage/",),
    "protocol": ("protocol/",),
    "server": ("storage/", "protocol/", "server/"),
    "tests": ("storage/", "protocol/", "server/", "tests/"),
}

# Outside libraries: who may include what. First match of the header decides.
# A header without a dot (<vector>) is the standard library and free to all.
OUTSIDE = (
    (r"fmt/", r"."),
    (r"(xxhash|[ei]mmintrin|malloc)\.h$", r"storage/|server/|tests/"),
    (r"asio(/|\.hpp$)", r"server/net/asio\.(h|cc)$"),
    (r"liblzf/", r"protocol/rdb\.cc$"),
    (r"CLI/", r"server/command_line\.cc$"),
    (r"(lua|lauxlib|lualib|luajit|lua-cjson)\.h(pp)?$", r"server/scripting/|tests/"),
    (r"msgpack", r"server/scripting/|tests/"),
    (r"httplib\.h$", r"server/web/"),
    (r"openssl/", r"server/net/tls|server/scripting/|server/security/"),
    (r"doctest/", r"tests/"),
    (r"(linux/futex|sys/syscall|unistd)\.h$", r"storage/(mutex|reaper)\.cc$|server/|tests/"),
    (r"sys/resource\.h$", r"storage/reaper\.cc$|server/|tests/"),
    (r"sys/mman\.h$", r"storage/(page_runs|region|reaper)\.cc$|server/|tests/"),
    (r"[a-z_0-9/]+\.h$", r"server/|tests/"),  # the operating system
)

# Inside the server: (files, what they must not include, why).
INSIDE = (
    (r"server/engine/(?!families\.)", r"server/(commands|net)/", "the engine knows no family or socket"),
    (r"server/engine/families\.", r"server/net/", "the engine knows no socket"),
    (r"server/commands/", r"server/(net/|server\.h|main)", "a command knows no socket or server"),
    (r"server/(?!commands/|engine/)", r"server/commands/", "families are reached through the engine"),
)


def strip_code(text: str) -> str:
    """The same lines with comments, strings and preprocessor lines blanked."""
    token = re.compile(
        r'//[^\n]*|/\*.*?\*/|R"([^(\s]*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"'
        r"|(?<![0-9A-Za-z_])(?:u8|[uUL])?'(?:\\.|[^'\\\n])+'"
        r"|^[ \t]*#(?:\\\n|[^\n])*",
        re.DOTALL | re.MULTILINE,
    )

    def blank(match: re.Match) -> str:
        quoted = '""' if '"' in match[0][:3] else "0" if "'" in match[0][:3] else ""
        return quoted + "\n" * match[0].count("\n")

    return token.sub(blank, text)


ACCESS = re.compile(r"\b(?:public|private|protected)\s*:(?!:)")
CONTAINER = re.compile(
    r"^(?:inline\s+)?namespace\b|^extern\s*\"\"$"
    r"|^(?:template\s*<.*>\s*)?(?:requires\b.*)?(?:typedef\s+)?(?:class|struct|union|enum)\b(?!.*\)\s*"
    r"(?:const|noexcept|override|final|&|\s)*$)",
    re.DOTALL,
)
LAMBDA = re.compile(r"\[[^\[\]]*\]\s*(?:<[^<>]*>\s*)?(?:\(.*\))?\s*(?:mutable|noexcept|constexpr|->[^;{}]*|\s)*$", re.DOTALL)
FUNCTION = re.compile(
    r"\)\s*(?:const|noexcept(?:\(.*\))?|override|final|mutable|try|&&?|->[^;{}()]*(?:\([^;{}]*\))?"
    r"|requires\b.*|[A-Z_]{4,}(?:\([^()]*\))?|\s)*$",
    re.DOTALL,
)
CONSTRUCTOR = re.compile(r"\)\s*(?:noexcept\s*)?:(?!:)", re.DOTALL)


def kind_of_block(head: str) -> str:
    """What a brace opens, judged by the text since the last statement: container (namespace,
    class), function, or value (an initialiser)."""
    head = ACCESS.sub("", head).strip()
    if CONTAINER.search(head):
        return "container"
    if CONSTRUCTOR.search(head):
        return "function" if head[-1] in "})" else "value"  # a member's braces, or the body
    if FUNCTION.search(head) and not head.endswith("="):
        return "function"
    return "function" if LAMBDA.search(head) else "value"


def long_functions(text: str) -> list[tuple[int, int]]:
    """(line, length) of every function longer than allowed, from its opening brace to its end."""
    found = []
    stack = []  # (kind, line, head before the brace)
    head, line = "", 1
    for char in strip_code(text):
        if char == "\n":
            line += 1
        if char == "{":
            outer = stack[-1][0] if stack else "container"
            kind = "inside" if outer in ("function", "inside") else kind_of_block(head)
            stack.append((kind, line, head))
            head = ""
        elif char == "}" and stack:
            kind, began, before = stack.pop()
            length = line - began + 1
            if kind == "function" and length > FUNCTION_LINES:
                found.append((began, length))
            head = before + "{}" if kind == "value" else ""
        elif char == ";":
            head = ""
        else:
            head += char
    return found


def reason_for_length(text: str) -> bool:
    for line in text.splitlines():
        if not line.startswith("//"):
            return False
        if "Length:" in line:
            return True
    return False


def check_lengths(path: str, text: str) -> list[str]:
    if reason_for_length(text):
        return []
    problems = []
    lines = text.count("\n")
    if lines > FILE_LINES:
        problems.append(f"{path}: {lines} lines, more than {FILE_LINES}; look for the second noun")
    for line, length in long_functions(text):
        problems.append(f"{path}:{line}: a function of {length} lines, more than {FUNCTION_LINES}")
    return problems


def judge_outside(path: str, header: str) -> str | None:
    if "." not in header and not header.startswith("asio"):
        return None
    for pattern, users in OUTSIDE:
        if re.match(pattern, header):
            return None if re.match(users, path) else f"<{header}> is not for this file"
    return f"<{header}> is an unknown library; give it a room in tools/check_layers.py"


def judge_own(path: str, header: str) -> str | None:
    room = path.split("/")[0]
    if header.split("/")[0] not in ROOMS:
        return f'"{header}" is not a full path from the top of the tree'
    if not header.startswith(OWN[room]):
        return f'"{header}": {room}/ may not see it'
    for files, banned, reason in INSIDE:
        if re.match(files, path) and re.match(banned, header):
            return f'"{header}": {reason}'
    return None


def check_includes(path: str, text: str, own_header: bool) -> list[str]:
    problems = []
    includes = INCLUDE.findall(text)
    for quote, header in includes:
        judge = judge_own if quote == '"' else judge_outside
        problem = judge(path, header)
        if problem:
            problems.append(f"{path}: {problem}")
    if own_header:
        expected = path.removesuffix(".cc") + ".h"
        if not includes or includes[0][1] != expected:
            problems.append(f'{path}: "{expected}" comes first')
    return problems


def check_file(top: Path, path: str) -> list[str]:
    text = (top / path).read_text()
    own_header = path.endswith(".cc") and (top / path).with_suffix(".h").exists()
    problems = check_includes(path, text, own_header) + check_lengths(path, text)
    if path.endswith(".h") and "#pragma once" not in text:
        problems.append(f"{path}: no #pragma once")
    return problems


# --- headers alone ---------------------------------------------------------------------------


def flags_by_room(build: Path) -> dict[str, list[str]]:
    """The compiler and its include and define flags, as the build uses them in each room."""
    flags: dict[str, list[str]] = {}
    top = str(Path(__file__).resolve().parent.parent) + "/"
    for entry in json.loads((build / "compile_commands.json").read_text()):
        words = shlex.split(entry["command"])
        while not re.search(r"\+\+[-0-9]*$", words[0]):  # past a launcher such as ccache
            words = words[1:]
        room = entry["file"].removeprefix(top).split("/")[0]
        kept = [words[0]]
        for i, word in enumerate(words):
            if word.startswith(("-D", "-I", "-std=")):
                kept.append(word)
            elif word == "-isystem":
                kept += words[i : i + 2]
        if len(kept) > len(flags.get(room, [])):  # the richest: a library's, not a lone file's
            flags[room] = kept
    return flags


def compile_header(top: Path, header: str, flags: list[str]) -> tuple[str, list[str]]:
    """(what the compiler complained of, the files of ours the header includes)"""
    with tempfile.NamedTemporaryFile(suffix=".d") as deps:
        run = subprocess.run(
            [*flags, "-fsyntax-only", "-x", "c++", "-MMD", "-MF", deps.name, "-"],
            input=f'#include "{header}"\n', capture_output=True, text=True, cwd=top, check=False,
        )
        words = Path(deps.name).read_text().replace("\\\n", " ").split()
    ours = [w for w in words if w.startswith(str(top)) or (top / w).is_file()]
    return (run.stderr if run.returncode else "", ours)


def age_of(top: Path, files: list[str]) -> list[int]:
    return [(top / f).stat().st_mtime_ns if (top / f).exists() else 0 for f in files]


def shown_by_build(top: Path, build: Path) -> set[str]:
    """What the files of the build include first."""
    sources = {entry["file"] for entry in json.loads((build / "compile_commands.json").read_text())}
    first = (INCLUDE.search(Path(source).read_text()) for source in sources)
    return {include[2] for include in first if include and include[1] == '"'}


def check_headers(top: Path, build: Path, headers: list[str]) -> list[str]:
    flags = flags_by_room(build)
    shown = shown_by_build(top, build)
    headers = [header for header in headers if header not in shown]
    store = build / "headers-alone.json"
    known = json.loads(store.read_text()) if store.exists() else {}

    def check(header: str) -> str:
        words = flags.get(header.split("/")[0]) or next(iter(flags.values()))
        last = known.get(header)
        if last and last["flags"] == words and last["ages"] == age_of(top, last["files"]):
            return ""
        complaint, files = compile_header(top, header, words)
        if not complaint:
            known[header] = {"flags": words, "files": files, "ages": age_of(top, files)}
        return complaint

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        complaints = list(pool.map(check, headers))
    store.write_text(json.dumps(known))
    return [f"{h}: does not compile alone\n{c}" for h, c in zip(headers, complaints) if c]


# --- the checker's own test --------------------------------------------------------------------

BODY = "  int n = 0;\n" * 90


def self_test() -> list[str]:
    def includes(path: str, text: str, own_header: bool = False) -> bool:
        return not check_includes(path, text, own_header)

    def fits(text: str) -> bool:
        return not check_lengths("storage/x.cc", text)

    table = '{.name = "x", .size = 1},\n' * 200
    claims = {
        "storage may see itself and std": includes("storage/a.cc", '#include "storage/b.h"\n#include <map>'),
        "storage may see fmt": includes("storage/a.cc", "#include <fmt/format.h>"),
        "storage may not see protocol": not includes("storage/a.h", '#include "protocol/reply.h"'),
        "storage may not see sockets": not includes("storage/a.h", "#include <sys/socket.h>"),
        "protocol may not see storage": not includes("protocol/a.h", '#include "storage/shard.h"'),
        "server may see both": includes("server/log.cc", '#include "storage/a.h"\n#include "protocol/b.h"'),
        "asio has one door": includes("server/net/asio.h", "#include <asio.hpp>"),
        "and no other": not includes("server/net/loop.h", "#include <asio.hpp>"),
        "nor by its parts": not includes("server/net/loop.h", "#include <asio/ip/tcp.hpp>"),
        "CLI11 reads the command line": includes("server/command_line.cc", "#include <CLI/CLI.hpp>"),
        "CLI11 is not for main": not includes("server/main.cc", "#include <CLI/CLI.hpp>"),
        "engine knows no net": not includes("server/engine/a.h", '#include "server/net/loop.h"'),
        "engine knows no commands": not includes("server/engine/a.h", '#include "server/commands/x.h"'),
        "families does": includes("server/engine/families.cc", '#include "server/commands/x.h"'),
        "commands know no net": not includes("server/commands/a.cc", '#include "server/net/loop.h"'),
        "commands see the engine": includes("server/commands/a.cc", '#include "server/engine/command.h"'),
        "net knows no commands": not includes("server/net/a.cc", '#include "server/commands/x.h"'),
        "no relative includes": not includes("storage/a.cc", '#include "../protocol/x.h"'),
        "no bare includes": not includes("storage/a.cc", '#include "b.h"'),
        "an unknown library is named": not includes("server/a.cc", "#include <boost/any.hpp>"),
        "own header first": includes("storage/a.cc", '#include "storage/a.h"\n#include <map>', True),
        "own header not second": not includes("storage/a.cc", '#include <map>\n#include "storage/a.h"', True),
        "600 lines fit": fits("int a;\n" * 600),
        "601 do not": not fits("int a;\n" * 601),
        "unless a reason is given": fits("// A table.\n// Length: one table.\n" + "int a;\n" * 700),
        "a reason stands at the head": not fits("int a;\n" * 700 + "// Length: late\n"),
        "a long function": not fits("void f(int a) {\n" + BODY + "}\n"),
        "a long function in a namespace": not fits("namespace a {\nint f() {\n" + BODY + "}\n}\n"),
        "a long method": not fits("class A : public B {\n public:\n  int f() const {\n" + BODY + "}\n};\n"),
        "a long constructor": not fits("A::A(int n) : n_(n), m_{n} {\n" + BODY + "}\n"),
        "another": not fits("A::A(int n)\n    : n_{n}, m_(n) {\n" + BODY + "}\n"),
        "a long trailing return": not fits("auto f() -> std::vector<int> {\n" + BODY + "}\n"),
        "a guarded function": not fits("void A::f() REQUIRES(mutex_) {\n" + BODY + "}\n"),
        "a lambda in a table": not fits("constexpr Row rows[] = {{.run = [](Call& c) {\n" + BODY + "}}};\n"),
        "a long namespace is no function": fits("namespace a::b {\n" + BODY + "}\n"),
        "nor is a class": fits("template <class T>\nclass A final : public B<T> {\n" + BODY + "};\n"),
        "nor a marked class": fits('class CAPABILITY("mutex") Mutex {\n' + BODY + "};\n"),
        "nor an enum": fits("enum class A : uint8_t {\n" + BODY.replace(";", ",") + "};\n"),
        "nor a table": fits("constexpr Row rows[] = {\n" + table + "};\n"),
        "braces in text do not count": fits("namespace a {\nchar b = '{'; auto c = \"{\"; // {\n"
                                             "auto d = R\"({)\"; int e = 1'000;\n}\n" + BODY),
        "80 lines fit": fits("void f() {\n" + "  g();\n" * 78 + "}\n"),
    }
    return [f"self-test: {name}" for name, holds in claims.items() if not holds]


def main() -> int:
    parser = argparse.ArgumentParser(description="checks the layers of the tree")
    parser.add_argument("--build", type=Path, help="a configured build directory")
    parser.add_argument("--self-test", action="store_true")
    options = parser.parse_args()
    if options.self_test:
        problems = self_test()
    else:
        top = Path(__file__).resolve().parent.parent
        files = sorted(
            str(f.relative_to(top)) for room in ROOMS for f in (top / room).rglob("*.*")
            if f.suffix in (".h", ".cc")
        )
        problems = [p for f in files for p in check_file(top, f)]
        if options.build:
            problems += check_headers(top, options.build, [f for f in files if f.endswith(".h")])
    for problem in problems:
        print(problem)
    print(f"{len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
