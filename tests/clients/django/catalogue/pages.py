"""The shop's pages: Django's own page, fragment and session caching.

Each page carries a serial number that only a rendered page advances: two equal answers came from
one rendering.
"""

import itertools

from django.http import HttpResponse
from django.shortcuts import render
from django.template.response import TemplateResponse
from django.views.decorators.cache import cache_page, never_cache
from django.views.decorators.vary import vary_on_cookie, vary_on_headers
from django.views.generic import View

from catalogue.caching import CacheMixin
from catalogue.models import Product

serial = itertools.count(1)


@cache_page(60 * 15)
def clock(request):
    return HttpResponse(f"rendering {next(serial)}")


@cache_page(60, key_prefix="language")
@vary_on_headers("Accept-Language", "User-Agent")
def by_language(request):
    return HttpResponse(f"rendering {next(serial)} in {request.headers.get('Accept-Language')}")


@cache_page(60)
@vary_on_cookie
def by_cookie(request):
    return HttpResponse(f"rendering {next(serial)} for {request.COOKIES.get('basket')}")


@cache_page(60)
@never_cache
def never_kept(request):
    return HttpResponse(f"rendering {next(serial)}")


def fragment(request, category):
    products = Product.objects.filter(category=category).order_by("pk")
    return render(request, "catalogue/fragment.html", {"category": category, "products": products})


class Shelf(CacheMixin, View):
    """A template response in the mixin: it is rendered, then kept."""

    def get(self, request, category):
        return TemplateResponse(
            request, "catalogue/shelf.html", {"number": next(serial), "category": category}
        )


def visits(request):
    """Counts the visits in the session; `?peek` only reads how many there were."""
    number = request.session.get("visits", 0)
    if "peek" not in request.GET:
        number = request.session["visits"] = number + 1
    return HttpResponse(str(number))


def plain(request):
    """Cached by nobody but the per-site middleware, where a test switches it on."""
    return HttpResponse(f"rendering {next(serial)}")
