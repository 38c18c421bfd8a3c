"""Client suites written in the client's own language, shown to pytest sentence by sentence.

A script says `check('a sentence', proof)` for each of its tests, runs them all in one go, and
prints one line of JSON for each: {"sentence": ..., "problem": null or why it failed}. It finds its
servers in the environment:

    OPEN_PORT                       a server without a password, on 127.0.0.1
    LOCKED_PORT, LOCKED_PASSWORD    one with

    RUN = Script("/usr/bin/ruby", HERE / "ruby_redis.rb")
    outcome = RUN.fixture()
    test_ruby_redis = RUN.test("outcome")

Must hold: a sentence in the source that was not reported is a failure, never a test that is not
there.
"""

import json
import os
import re
import subprocess

import pytest

from servers import Server

PASSWORD = "lapsang souchong"
RUN_WITHIN_SECONDS = 240
SENTENCE = re.compile(r"""\bcheck\(\s*(?:'([^']+)'|"([^"]+)")""")


class Script:
    def __init__(self, *command, prepare=None):
        self.command = [str(word) for word in command]
        self.prepare = prepare
        with open(self.command[-1]) as source:
            self.sentences = [one or other for one, other in SENTENCE.findall(source.read())]

    def fixture(self):
        """A fixture: the script's outcome on one kind of server, by sentence."""

        # Kept here as well: pytest sets a fixture up again whenever the kinds of server alternate.
        outcomes = {}

        @pytest.fixture(scope="module")
        def outcome(server_kind):
            if server_kind not in outcomes:
                outcomes[server_kind] = self._on(server_kind)
            return outcomes[server_kind]

        return outcome

    def test(self, fixture):
        """A test function: one case for each sentence of the script."""

        @pytest.mark.parametrize("sentence", self.sentences)
        def test_script(request, sentence):
            reported, said = request.getfixturevalue(fixture)
            assert sentence in reported, f"never reported; the script ended with:\n{said}"
            assert reported[sentence] is None, reported[sentence]

        # What is wanted is the fixture itself, for pytest to run it once for each kind of server.
        return pytest.mark.usefixtures(fixture)(test_script)

    def _on(self, server_kind):
        if self.prepare:
            self.prepare()
        with Server(server_kind) as opened, Server(
            server_kind, "--requirepass", PASSWORD, password=PASSWORD
        ) as locked:
            return self._run(opened, locked)

    def _run(self, opened, locked):
        environment = dict(
            os.environ,
            OPEN_PORT=str(opened.port),
            LOCKED_PORT=str(locked.port),
            LOCKED_PASSWORD=PASSWORD,
        )
        done = subprocess.run(
            self.command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=RUN_WITHIN_SECONDS,
        )
        reported, rest = {}, []
        for line in done.stdout.splitlines():
            try:
                report = json.loads(line)
                reported[report["sentence"]] = report["problem"]
            except (ValueError, TypeError, KeyError):
                rest.append(line)
        return reported, "\n".join([*rest, done.stderr, f"status {done.returncode}"])
