"""The shop's API: each view caches in one of the ways that the guides teach."""

from django.core.cache import cache
from django.core.paginator import Paginator
from django.http import HttpResponse, JsonResponse
from django.views.decorators.http import condition
from rest_framework import viewsets
from rest_framework.decorators import api_view
from rest_framework.response import Response
from rest_framework.throttling import SimpleRateThrottle
from rest_framework.views import APIView

from catalogue.caching import CacheMixin, cache_response, hit_rate, invalidate_cache_pattern
from catalogue.models import Article, Product
from catalogue.serializers import ProductSerializer


@api_view(["GET"])
def product_list(request):
    """Cached by hand, but only what everybody sees: not for signed-in users, not with a query."""
    shared = not request.user.is_authenticated and not request.GET
    data = cache.get("product_list") if shared else None
    if data is None:
        rows = Product.objects.order_by("pk")
        if "category" in request.GET:
            rows = rows.filter(category=request.GET["category"])
        data = ProductSerializer(rows, many=True).data
        if shared:
            cache.set("product_list", data, timeout=60)
    return Response(data)


@api_view(["GET"])
def product_detail(request, pk):
    """Cached by hand; that there is no such product is remembered too, but not as long."""
    key = f"product_detail_{pk}"
    data = cache.get(key)
    if data is None:
        row = Product.objects.filter(pk=pk).first()
        data = ProductSerializer(row).data if row else {"absent": True}
        cache.set(key, data, timeout=600 if row else 60)
    return Response(data, status=404 if "absent" in data else 200)


class ProductViewSet(viewsets.ModelViewSet):
    """Create, update and destroy drop what they make stale."""

    queryset = Product.objects.order_by("pk")
    serializer_class = ProductSerializer

    def list(self, request, *args, **kwargs):
        data = cache.get("products:all")
        if data is None:
            data = super().list(request, *args, **kwargs).data
            cache.set("products:all", data)
        return Response(data)

    def retrieve(self, request, *args, **kwargs):
        key = f"products:one:{kwargs['pk']}"
        data = cache.get(key)
        if data is None:
            data = super().retrieve(request, *args, **kwargs).data
            cache.set(key, data)
        return Response(data)

    def perform_create(self, serializer):
        serializer.save()
        cache.delete_many(["products:all", "product_list"])

    def perform_update(self, serializer):
        row = serializer.save()
        cache.delete_many(
            ["products:all", "product_list", f"products:one:{row.pk}", f"product_detail_{row.pk}"]
        )

    def perform_destroy(self, instance):
        pk = instance.pk
        instance.delete()
        invalidate_cache_pattern("products:")
        cache.delete_many(["product_list", f"product_detail_{pk}"])


@api_view(["GET", "POST"])
@cache_response(timeout=120, prefix="summary")
def summary(request):
    return Response({"products": Product.objects.count(), "asked": request.GET.get("q", "")})


class Search(CacheMixin, APIView):
    cache_timeout = 60

    def get(self, request):
        rows = Product.objects.filter(name__icontains=request.GET.get("q", "")).order_by("pk")
        return Response({"user": request.user.username, "found": [row.name for row in rows]})


@api_view(["GET"])
def product_page(request):
    """Pagination: one key for each page and size."""
    number, size = int(request.GET.get("page", 1)), int(request.GET.get("size", 10))
    key = f"products:page:{number}:size:{size}"
    data = cache.get(key)
    if data is None:
        page = Paginator(Product.objects.order_by("pk"), size).get_page(number)
        data = {
            "page": page.number,
            "pages": page.paginator.num_pages,
            "names": [row.name for row in page],
        }
        cache.set(key, data, 120)
    return Response(data)


def article_etag(request, pk):
    def load():
        row = Article.objects.only("edition").get(pk=pk)
        return f'"article-{pk}-{row.edition}"'

    return cache.get_or_set(f"article:{pk}:etag", load, 600)


@condition(etag_func=article_etag)
def article(request, pk):
    """A client with the right ETag gets 304 for one GET; another gets the cached body."""
    row = cache.get_or_set(f"article:{pk}", lambda: Article.objects.get(pk=pk), 600)
    return HttpResponse(f"<h1>{row.title}</h1>{row.body}")


class OrderThrottle(SimpleRateThrottle):
    """Counts in the cache who ordered when, as REST framework's throttles all do."""

    scope = "orders"

    def get_cache_key(self, request, view):
        return f"throttle:{self.scope}:{self.get_ident(request)}"


class Orders(APIView):
    throttle_classes = [OrderThrottle]

    def post(self, request):
        return Response({"ordered": True}, status=201)


def cache_health(request):
    return JsonResponse(hit_rate())
