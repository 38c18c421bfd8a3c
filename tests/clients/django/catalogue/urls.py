from django.urls import include, path
from rest_framework.routers import SimpleRouter

from catalogue import pages, views

router = SimpleRouter()
router.register("products", views.ProductViewSet)

urlpatterns = [
    path("api/", include(router.urls)),
    path("api/catalogue/", views.product_list),
    path("api/catalogue/<int:pk>/", views.product_detail),
    path("api/summary/", views.summary),
    path("api/search/", views.Search.as_view()),
    path("api/pages/", views.product_page),
    path("api/articles/<int:pk>/", views.article),
    path("api/orders/", views.Orders.as_view()),
    path("api/health/", views.cache_health),
    path("pages/clock/", pages.clock),
    path("pages/language/", pages.by_language),
    path("pages/mine/", pages.by_cookie),
    path("pages/private/", pages.never_kept),
    path("pages/fragment/<int:category>/", pages.fragment),
    path("pages/shelf/<int:category>/", pages.Shelf.as_view()),
    path("pages/visits/", pages.visits),
    path("pages/plain/", pages.plain),
]
