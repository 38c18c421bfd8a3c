"""A manager that asks the cache before the database."""

import hashlib

from django.core.cache import cache
from django.db import models


class CachedManager(models.Manager):
    timeout = 300

    def kind(self):
        return self.model._meta.model_name

    def detail_key(self, pk):
        return f"{self.kind()}:detail:{pk}"

    def list_key(self, filters):
        digest = hashlib.sha256(repr(sorted(filters.items())).encode()).hexdigest()[:16]
        return f"{self.kind()}:list:{digest}"

    def get_cached(self, pk):
        """The row with this pk, from the cache when it is there. Raises DoesNotExist like get()."""
        return cache.get_or_set(self.detail_key(pk), lambda: self.get(pk=pk), self.timeout)

    def list_cached(self, **filters):
        """The rows that match, as a list: a QuerySet is evaluated before it is pickled."""
        key = self.list_key(filters)
        rows = cache.get(key)
        if rows is None:
            rows = list(self.filter(**filters).order_by("pk"))
            cache.set(key, rows, self.timeout)
        return rows

    def many_cached(self, pks):
        """{pk: row} by one MGET, one query for the absent, and one pipeline to put those back."""
        keys = {self.detail_key(pk): pk for pk in pks}
        found = {keys[key]: row for key, row in cache.get_many(keys).items()}
        absent = [pk for pk in pks if pk not in found]
        if absent:
            loaded = self.in_bulk(absent)
            cache.set_many({self.detail_key(pk): row for pk, row in loaded.items()}, self.timeout)
            found.update(loaded)
        return found

    def forget(self, pk):
        """Drops a row's own entry and every list it might be in."""
        cache.delete(self.detail_key(pk))
        cache.delete_pattern(f"{self.kind()}:list:*")
