"""A cache backend that talks to the server as Django's own RedisCache (Django 4.0 and later) does.

Debian 12 ships Django 3.2, which has none. What matters to a server is the commands on the wire, so
this backend is written to send those: pickled values and bare integers; SET with EX; DEL for a
timeout of 0; EXISTS before INCRBY; MSET and EXPIREs in one MULTI; FLUSHDB. settings.py takes
Django's own backend wherever there is one.
"""

import pickle

import redis
from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache


def encoded(value):
    # A bool is an int to Python, but must come back as a bool.
    return value if type(value) is int else pickle.dumps(value, pickle.HIGHEST_PROTOCOL)


def decoded(data):
    try:
        return int(data)
    except ValueError:
        return pickle.loads(data)


class RedisCache(BaseCache):
    def __init__(self, server, params):
        super().__init__(params)
        self.wire = redis.Redis(connection_pool=redis.ConnectionPool.from_url(server))

    def get_backend_timeout(self, timeout=DEFAULT_TIMEOUT):
        if timeout is DEFAULT_TIMEOUT:
            timeout = self.default_timeout
        # A timeout that is past already means: do not keep.
        return None if timeout is None else max(0, int(timeout))

    def full_key(self, key, version):
        key = self.make_key(key, version=version)
        self.validate_key(key)
        return key

    def get(self, key, default=None, version=None):
        data = self.wire.get(self.full_key(key, version))
        return default if data is None else decoded(data)

    def set(self, key, value, timeout=DEFAULT_TIMEOUT, version=None):
        seconds = self.get_backend_timeout(timeout)
        key = self.full_key(key, version)
        if seconds == 0:
            self.wire.delete(key)
        else:
            self.wire.set(key, encoded(value), ex=seconds)

    def add(self, key, value, timeout=DEFAULT_TIMEOUT, version=None):
        seconds = self.get_backend_timeout(timeout)
        key = self.full_key(key, version)
        if seconds != 0:
            return bool(self.wire.set(key, encoded(value), ex=seconds, nx=True))
        added = bool(self.wire.set(key, encoded(value), nx=True))
        if added:
            self.wire.delete(key)
        return added

    def touch(self, key, timeout=DEFAULT_TIMEOUT, version=None):
        seconds = self.get_backend_timeout(timeout)
        key = self.full_key(key, version)
        if seconds is None:
            return bool(self.wire.persist(key))
        return bool(self.wire.expire(key, seconds))

    def delete(self, key, version=None):
        return bool(self.wire.delete(self.full_key(key, version)))

    def get_many(self, keys, version=None):
        wanted = {self.full_key(key, version): key for key in keys}
        if not wanted:
            return {}
        values = self.wire.mget(wanted)
        return {
            key: decoded(data) for key, data in zip(wanted.values(), values) if data is not None
        }

    def has_key(self, key, version=None):
        return bool(self.wire.exists(self.full_key(key, version)))

    def incr(self, key, delta=1, version=None):
        full_key = self.full_key(key, version)
        if not self.wire.exists(full_key):
            raise ValueError(f"Key '{key}' not found.")
        return self.wire.incr(full_key, delta)

    def set_many(self, data, timeout=DEFAULT_TIMEOUT, version=None):
        seconds = self.get_backend_timeout(timeout)
        values = {self.full_key(key, version): encoded(value) for key, value in data.items()}
        if not values:
            return []
        with self.wire.pipeline() as pipeline:
            pipeline.mset(values)
            if seconds is not None:
                for key in values:
                    pipeline.expire(key, seconds)
            pipeline.execute()
        return []

    def delete_many(self, keys, version=None):
        keys = [self.full_key(key, version) for key in keys]
        if keys:
            self.wire.delete(*keys)

    def clear(self):
        return bool(self.wire.flushdb())
