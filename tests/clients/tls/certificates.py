"""Certificates for tests, made by the openssl program: an authority, and what it signs.

    authority = Authority(folder, "ca")
    server = authority.sign("server")   # .certificate and .key are paths
"""

import pathlib
import subprocess

DAYS = "2"
# The fastest kind to make and to sign with.
KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]


def openssl(*words):
    done = subprocess.run(["openssl", *words], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


class Pair:
    def __init__(self, folder, name):
        self.certificate = str(pathlib.Path(folder) / f"{name}.crt")
        self.key = str(pathlib.Path(folder) / f"{name}.key")


class Authority(Pair):
    def __init__(self, folder, name):
        super().__init__(folder, name)
        self.folder = pathlib.Path(folder)
        openssl(
            *("req", "-x509", *KEY, "-keyout", self.key, "-out", self.certificate),
            *("-days", DAYS, "-subj", f"/CN={name}"),
        )

    def sign(self, name):
        """A certificate for 127.0.0.1 under that name, which a client may show as well."""
        pair = Pair(self.folder, name)
        request = str(self.folder / f"{name}.csr")
        extras = self.folder / f"{name}.ext"
        extras.write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
        openssl("req", *KEY, "-keyout", pair.key, "-out", request, "-subj", f"/CN={name}")
        openssl(
            *("x509", "-req", "-in", request, "-out", pair.certificate, "-days", DAYS),
            *("-CA", self.certificate, "-CAkey", self.key, "-extfile", str(extras)),
        )
        return pair
