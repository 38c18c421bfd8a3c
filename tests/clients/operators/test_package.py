"""The Debian package, made from the tree of the binary under test: what is in it, what lintian and
systemd say of it, and its life from installation to purge.

Its life needs root: it is lived in a copy of this system that is thrown away, an overlay in a mount
namespace of its own, so that nothing happens to this one. What the machine lacks (cpack, lintian,
systemd, rights) is skipped, and says so.
"""

import os
import pathlib
import re
import shutil
import socket
import subprocess

import pytest

from servers import REPOSITORY, free_port, larder_binary, wait_until

WITHIN_SECONDS = 240


def need(*programs):
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")


def run(*words, **options):
    done = subprocess.run(
        [str(word) for word in words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=WITHIN_SECONDS,
        **options,
    )
    assert done.returncode == 0, f"{words}:\n{done.stdout}"
    return done.stdout


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    need("cpack", "dpkg-deb", "dpkg-shlibdeps")
    made = tmp_path_factory.mktemp("package")
    config = larder_binary().parent / "CPackConfig.cmake"
    run("cpack", "--config", config, "-B", made, "-D", f"CPACK_OUTPUT_FILE_PREFIX={made}")
    (found,) = made.glob("larder_*.deb")
    return found


@pytest.fixture(scope="module")
def unpacked(package, tmp_path_factory):
    root = tmp_path_factory.mktemp("unpacked")
    run("dpkg-deb", "-x", package, root)
    return root


def test_what_is_in_it(package, unpacked):
    said = run("dpkg-deb", "-c", package)
    entries = [line.split(None, 5) for line in said.splitlines()]
    files = {words[5]: words[0] for words in entries if words[0].startswith("-")}
    assert set(files) == {
        "./usr/bin/larder",
        "./etc/larder/larder.conf",
        "./lib/systemd/system/larder.service",
        "./usr/lib/sysusers.d/larder.conf",
        "./usr/share/bash-completion/completions/larder",
        "./usr/share/doc/larder/changelog.Debian.gz",
        "./usr/share/doc/larder/changelog.gz",
        "./usr/share/doc/larder/copyright",
        "./usr/share/man/man1/larder.1.gz",
    }
    assert files["./usr/bin/larder"] == "-rwxr-xr-x"
    assert files["./etc/larder/larder.conf"] == "-rw-r--r--"
    assert all(words[1] == "root/root" for words in entries)
    control = run("dpkg-deb", "-f", package)
    assert re.search(r"^Depends: .*libc6.*libssl3", control, re.M)
    assert run("dpkg-deb", "-I", package, "conffiles") == "/etc/larder/larder.conf\n"
    conf = unpacked / "etc/larder/larder.conf"
    assert conf.read_bytes() == (REPOSITORY / "packaging/larder.conf").read_bytes()
    assert "is not stripped" not in run("file", unpacked / "usr/bin/larder")


def test_the_manual_page_is_read_without_a_complaint(unpacked):
    need("man")
    page = unpacked / "usr/share/man/man1/larder.1.gz"
    said = run("man", "--warnings", "-l", page, env={**os.environ, "MANPAGER": "cat", "LC_ALL": "C"})
    assert "--maxmemory-policy" in said
    assert "warning" not in said.splitlines()[0]


def test_the_unit_is_hardened(unpacked):
    need("systemd-analyze")
    unit = unpacked / "lib/systemd/system/larder.service"
    said = run("systemd-analyze", "security", "--offline=true", "--threshold=30", unit)
    assert float(re.search(r"exposure level for larder.service: ([\d.]+)", said).group(1)) <= 3.0
    text = unit.read_text()
    assert "Type=notify\n" in text and "WatchdogSec=" in text
    assert "\nExecStart=/usr/bin/larder /etc/larder/larder.conf" in text


def test_lintian_finds_no_error(package):
    need("lintian")
    as_user = ["--allow-root"] if os.geteuid() == 0 else []
    run("lintian", "--no-cfg", *as_user, "--fail-on", "error", package)


def test_completion_knows_the_flags(unpacked):
    script = """
      source "$1"; PATH="$2:$PATH"
      COMP_WORDS=(larder --maxmemory-p); COMP_CWORD=1; _larder; echo "${COMPREPLY[@]}"
      COMP_WORDS=(larder --daemonize ""); COMP_CWORD=2; _larder; echo "${COMPREPLY[@]}"
    """
    completion = unpacked / "usr/share/bash-completion/completions/larder"
    said = run("bash", "-c", script, "bash", completion, larder_binary().parent)
    assert said == "--maxmemory-policy\nyes no\n"


def test_installing_without_a_package_keeps_a_configuration(tmp_path):
    need("cmake")
    tree = larder_binary().parent
    conf = tmp_path / "etc/larder/larder.conf"
    run("cmake", "--install", tree, "--prefix", tmp_path)
    assert "version" not in run(tmp_path / "bin/larder", "--check-config", conf)
    assert f"ExecStart={tmp_path}/bin/larder {conf}" in (
        tmp_path / "lib/systemd/system/larder.service"
    ).read_text()
    conf.write_text("port 7000\n")
    run("cmake", "--install", tree, "--prefix", tmp_path)
    assert conf.read_text() == "port 7000\n"


class ScratchSystem:
    """This system with a layer over it that takes every change, and goes with the namespace."""

    def __init__(self, place):
        self.root = place / "root"
        mounts = f"""
          set -e
          mount -t tmpfs scratch {place}
          mkdir {place}/changes {place}/work {self.root}
          mount -t overlay scratch {self.root} \
            -o lowerdir=/,upperdir={place}/changes,workdir={place}/work
          mount -t proc proc {self.root}/proc
          mount --rbind /dev {self.root}/dev
          echo mounted
          exec cat
        """
        self.holder = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "bash", "-c", mounts],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.said = self.holder.stdout.readline().strip()

    def __enter__(self):
        if self.said != "mounted":
            pytest.skip(f"this machine lets nobody make a scratch system: {self.said}")
        return self

    def __exit__(self, *_):
        self.holder.stdin.close()
        self.holder.wait(WITHIN_SECONDS)

    def command(self, *words):
        inside = ["nsenter", "-t", self.holder.pid, "-m", "chroot", self.root, *words]
        return [str(word) for word in inside]

    def run(self, *words):
        env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        return run(*self.command(*words), env=env, cwd="/", stdin=subprocess.DEVNULL)

    def copy_in(self, file):
        text = pathlib.Path(file).read_bytes()
        name = f"/tmp/{pathlib.Path(file).name}"
        put = self.command("dd", f"of={name}", "status=none")
        subprocess.run(put, input=text, check=True, timeout=WITHIN_SECONDS)
        return name

    def traces(self):
        return self.run(
            "find", "/etc", "/usr", "/lib/systemd", "/var/lib", "/var/log", "-name", "*larder*"
        )


def newer(package, folder):
    """The package, one version on, with another configuration."""
    tree = folder / "newer"
    run("dpkg-deb", "-R", package, tree)
    control = tree / "DEBIAN/control"
    control.write_text(re.sub(r"(?m)^Version: .*", "Version: 9.9.9-1", control.read_text()))
    conf = tree / "etc/larder/larder.conf"
    conf.write_text(conf.read_text() + "# new in 9.9.9\n")
    made = folder / "larder_9.9.9-1.deb"
    run("dpkg-deb", "--root-owner-group", "-b", tree, made)
    return made


def ask(port, *words):
    return run("redis-cli", "-p", port, *words).strip()


def answers(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def serve_a_while(system, port):
    """As the unit starts it; sets an option and has it written."""
    words = ("/usr/bin/larder", "/etc/larder/larder.conf", "--port", port, "--logfile", "")
    as_user = ("setpriv", "--reuid=larder", "--regid=larder", "--clear-groups")
    server = subprocess.Popen(system.command(*as_user, *words), cwd="/")
    try:
        wait_until(lambda: answers(port), WITHIN_SECONDS, "the installed server")
        assert ask(port, "set", "tea", "green") == "OK"
        assert ask(port, "get", "tea") == "green"
        assert ask(port, "config", "set", "timeout", "123") == "OK"
        assert ask(port, "config", "rewrite") == "OK"
    finally:
        server.terminate()
        assert server.wait(WITHIN_SECONDS) == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="installing needs root")
def test_it_is_installed_serves_is_upgraded_and_purged(package, tmp_path):
    need("unshare", "nsenter", "setpriv", "dpkg")
    with ScratchSystem(tmp_path) as system:
        first, second = system.copy_in(package), system.copy_in(newer(package, package.parent))
        before = system.traces()
        system.run("dpkg", "-i", first)
        assert system.run("stat", "-c", "%U %G %a", "/etc/larder/larder.conf") == (
            "larder larder 640\n"
        )
        assert "nologin" in system.run("getent", "passwd", "larder")
        if shutil.which("systemd-analyze"):
            said = system.run("systemd-analyze", "verify", "/lib/systemd/system/larder.service")
            assert "larder" not in said, said
        serve_a_while(system, free_port())

        system.run("dpkg", "--force-confold", "-i", second)
        assert system.run("dpkg-query", "-W", "-f", "${Version}", "larder") == "9.9.9-1"
        conf = system.run("cat", "/etc/larder/larder.conf")
        assert "\ntimeout 123\n" in conf and "new in 9.9.9" not in conf
        assert system.run("stat", "-c", "%U", "/etc/larder/larder.conf") == "larder\n"

        system.run("dpkg", "--remove", "larder")
        assert "\ntimeout 123\n" in system.run("cat", "/etc/larder/larder.conf")
        system.run("dpkg", "--purge", "larder")
        assert system.traces() == before
        assert "larder" not in system.run("getent", "passwd")
        assert "larder" not in system.run("getent", "group")
