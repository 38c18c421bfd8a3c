"""redis-py of Debian (4.3: RESP2) as an application would use it; with its own parser and with
hiredis.

Its newer self speaks RESP3 from its first word: that opening is in ../handshakes.
"""

import pytest
import redis
from redis.connection import HiredisParser, PythonParser


@pytest.fixture(params=[PythonParser, HiredisParser], ids=["python parser", "hiredis"])
def client(server, request):
    pool = redis.ConnectionPool(
        host=server.host, port=server.port, parser_class=request.param, socket_timeout=60
    )
    with redis.Redis(connection_pool=pool) as connected:
        connected.flushall()
        yield connected
    pool.disconnect()
