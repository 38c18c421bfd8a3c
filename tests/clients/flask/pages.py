"""A small Flask site whose pages are kept in the server, as Flask-Caching's guide teaches."""

import itertools

from flask import Flask, request
from flask_caching import Cache


class Site:
    """The application, its cache, and how often each thing was really made."""

    def __init__(self, url, **settings):
        self.made = {}
        self.app = Flask("pages")
        self.app.config.from_mapping(
            CACHE_TYPE="RedisCache", CACHE_REDIS_URL=url, CACHE_DEFAULT_TIMEOUT=300, **settings
        )
        self.cache = Cache(self.app)
        self._route()

    def make(self, name):
        counter = self.made.setdefault(name, itertools.count(1))
        return next(counter)

    def _route(self):
        app, cache = self.app, self.cache

        @app.route("/front")
        @cache.cached(timeout=50)
        def front():
            return f"front {self.make('front')}"

        @app.route("/search")
        @cache.cached(query_string=True)
        def search():
            return f"{sorted(request.args.items())} {self.make('search')}"

        @app.route("/account")
        @cache.cached(unless=lambda: "fresh" in request.args)
        def account():
            return f"account {self.make('account')}"

        @app.route("/orders", methods=["POST"])
        @cache.cached(make_cache_key=lambda *_, **__: f"orders/{request.form['customer']}")
        def orders():
            return f"orders of {request.form['customer']} {self.make('orders')}"

        @cache.memoize(timeout=60)
        def price(article, currency="EUR"):
            return f"{article} in {currency}: {self.make('price')}"

        self.price = price

        class Shelf:
            def __init__(shelf, number):
                shelf.number = number

            def __repr__(shelf):
                return f"Shelf({shelf.number})"

            @cache.memoize()
            def books(shelf):
                return [shelf.number, self.make("shelf")]

        self.Shelf = Shelf
