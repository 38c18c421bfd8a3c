"""redigo of Debian, from its suite in redigo.go.

Debian's Go libraries are found as sources below GOPATH, without modules and without the network.
"""

import pathlib

from scripted import Script

HERE = pathlib.Path(__file__).resolve().parent
DEBIAN_SOURCES = ("GO111MODULE=off", "GOPATH=/usr/share/gocode", "GOFLAGS=")
REDIGO = Script("/usr/bin/env", *DEBIAN_SOURCES, "/usr/bin/go", "run", HERE / "redigo.go")

redigo_outcome = REDIGO.fixture()
test_redigo = REDIGO.test("redigo_outcome")
