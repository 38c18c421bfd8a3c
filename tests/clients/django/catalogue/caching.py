"""The patterns that Django projects write over and over around a cache."""

import functools
import hashlib

from django.core.cache import cache
from django.db import transaction
from django_redis import get_redis_connection
from rest_framework.response import Response


def request_digest(request):
    """One key for each path, query (in any order) and user."""
    query = "&".join(f"{name}={value}" for name, value in sorted(request.GET.items()))
    user = request.user.pk if request.user.is_authenticated else "anonymous"
    return hashlib.md5(f"{request.path}?{query}#{user}".encode()).hexdigest()


def cache_response(timeout=300, prefix="response"):
    """Caches what a view function answers to GET, under a hashed key; X-Cache says hit or miss."""

    def decorate(view):
        @functools.wraps(view)
        def cached(request, *args, **kwargs):
            if request.method != "GET":
                return view(request, *args, **kwargs)
            key = f"{prefix}:{request_digest(request)}"
            kept = cache.get(key)
            if kept is not None:
                return Response(kept, headers={"X-Cache": "hit"})
            response = view(request, *args, **kwargs)
            if response.status_code == 200:
                cache.set(key, response.data, timeout)
            response["X-Cache"] = "miss"
            return response

        return cached

    return decorate


class CacheMixin:
    """For class-based views: `get` is answered from a key made of path, query and user."""

    cache_timeout = 60
    cache_prefix = "view"

    def cache_key(self, request):
        return f"{self.cache_prefix}:{type(self).__name__}:{request_digest(request)}"

    def dispatch(self, request, *args, **kwargs):
        if request.method != "GET":
            return super().dispatch(request, *args, **kwargs)
        key = self.cache_key(request)
        response = cache.get(key)
        if response is None:
            response = super().dispatch(request, *args, **kwargs)
            if hasattr(response, "render"):
                # A template response can only be pickled once it is rendered.
                response.add_post_render_callback(lambda rendered: self.keep(key, rendered))
            else:
                self.keep(key, response)
        return response

    def keep(self, key, response):
        cache.set(key, response, self.cache_timeout)


def invalidate_cache_pattern(pattern):
    """Drops what matches by KEYS on the raw connection, as guides show; answers how many went."""
    wire = get_redis_connection("default")
    keys = wire.keys(f"*{pattern}*")
    return wire.delete(*keys) if keys else 0


def cache_aside(key, load, timeout=300):
    """Read: the cache, else the source, which is then kept. An absent answer is not kept."""
    value = cache.get(key)
    if value is None:
        value = load()
        if value is not None:
            cache.set(key, value, timeout)
    return value


def write_through(instance, key, timeout=300):
    """Write: the database and, once that has been committed, the cache."""
    instance.save()
    transaction.on_commit(lambda: cache.set(key, instance, timeout))


def hit_rate(alias="default"):
    """What part of all reads found their key, in percent, from the server's own counters."""
    stats = get_redis_connection(alias).info("stats")
    hits, misses = stats["keyspace_hits"], stats["keyspace_misses"]
    reads = hits + misses
    return {"hits": hits, "misses": misses, "rate": round(100 * hits / reads, 2) if reads else 0.0}
