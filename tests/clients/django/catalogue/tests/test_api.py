"""The API: caching by hand, invalidation, conditions, ETags, pages, decorator, mixin, throttles."""

from decimal import Decimal

from django.contrib.auth.models import User
from django.core.cache import cache
from django.urls import reverse

from catalogue.models import Article, Category, Product
from catalogue.tests.base import CacheTestCase


class ApiTest(CacheTestCase):
    def setUp(self):
        super().setUp()
        self.tea = Category.objects.create(name="Tea")
        self.rows = [
            Product.objects.create(name=name, price=Decimal("4.50"), stock=3, category=self.tea)
            for name in ["Green", "Black", "White"]
        ]

    def names(self, response):
        return [row["name"] for row in response.json()]

    def sign_in(self, name="ada"):
        user = User.objects.create_user(name, password="leaves")
        self.client.force_login(user)
        return user

    # The list and the detail by hand, and when not.

    def test_the_list_is_read_from_the_database_once(self):
        with self.assertNumQueries(1):
            first = self.client.get("/api/catalogue/")
            self.assertEqual(self.client.get("/api/catalogue/").json(), first.json())
        self.assertEqual(self.names(first), ["Green", "Black", "White"])
        self.assertTrue(50 < cache.ttl("product_list") <= 60)

    def test_a_query_is_neither_kept_nor_answered_from_the_cache(self):
        self.client.get("/api/catalogue/")
        self.assertEqual(
            self.names(self.client.get(f"/api/catalogue/?category={self.tea.pk + 1}")), []
        )
        self.assertEqual(cache.keys("*"), ["product_list"])

    def test_a_signed_in_user_is_not_answered_from_the_cache(self):
        self.sign_in()
        self.client.get("/api/catalogue/")
        self.assertEqual(cache.keys("*"), [])
        cache.set("product_list", [{"name": "somebody else's"}])
        self.assertEqual(
            self.names(self.client.get("/api/catalogue/")), ["Green", "Black", "White"]
        )
        self.client.logout()
        self.assertEqual(self.names(self.client.get("/api/catalogue/")), ["somebody else's"])

    def test_the_detail_is_kept_longer_than_the_absence(self):
        there, absent = self.rows[0].pk, self.rows[-1].pk + 1
        with self.assertNumQueries(2):
            for _ in range(2):
                self.assertEqual(
                    self.client.get(f"/api/catalogue/{there}/").json()["name"], "Green"
                )
                self.assertEqual(self.client.get(f"/api/catalogue/{absent}/").status_code, 404)
        self.assertTrue(550 < cache.ttl(f"product_detail_{there}") <= 600)
        self.assertTrue(50 < cache.ttl(f"product_detail_{absent}") <= 60)

    # Create, update and destroy.

    def fill(self):
        for path in [
            "/api/products/",
            f"/api/products/{self.rows[0].pk}/",
            "/api/catalogue/",
            f"/api/catalogue/{self.rows[0].pk}/",
        ]:
            self.assertEqual(self.client.get(path).status_code, 200)

    def test_create_drops_the_lists(self):
        self.fill()
        created = self.client.post(
            reverse("product-list"),
            {"name": "Red", "price": "2.00", "stock": 1, "category": self.tea.pk},
        )
        self.assertEqual(created.status_code, 201)
        self.assertEqual(
            self.names(self.client.get("/api/products/")), ["Green", "Black", "White", "Red"]
        )
        self.assertEqual(
            self.names(self.client.get("/api/catalogue/")), ["Green", "Black", "White", "Red"]
        )

    def test_update_drops_the_lists_and_the_detail(self):
        self.fill()
        path = f"/api/products/{self.rows[0].pk}/"
        changed = self.client.patch(path, {"price": "9.99"}, content_type="application/json")
        self.assertEqual(changed.status_code, 200)
        self.assertEqual(self.client.get(path).json()["price"], "9.99")
        self.assertEqual(
            self.client.get(f"/api/catalogue/{self.rows[0].pk}/").json()["price"], "9.99"
        )
        self.assertEqual(self.client.get("/api/products/").json()[0]["price"], "9.99")

    def test_a_refused_update_drops_nothing(self):
        self.fill()
        refused = self.client.patch(
            f"/api/products/{self.rows[0].pk}/", {"price": "dear"}, content_type="application/json"
        )
        self.assertEqual(refused.status_code, 400)
        with self.assertNumQueries(0):
            self.fill()

    def test_destroy_drops_by_pattern(self):
        self.fill()
        self.client.get(f"/api/products/{self.rows[1].pk}/")
        self.assertEqual(self.client.delete(f"/api/products/{self.rows[0].pk}/").status_code, 204)
        self.assertEqual(cache.keys("*"), [])
        self.assertEqual(self.names(self.client.get("/api/products/")), ["Black", "White"])

    # The decorator and the mixin.

    def test_the_decorator_keeps_under_a_hashed_key(self):
        answers = [self.client.get("/api/summary/?q=1") for _ in range(2)]
        self.assertEqual([answer["X-Cache"] for answer in answers], ["miss", "hit"])
        self.assertEqual(answers[0].json(), answers[1].json())
        (key,) = cache.keys("summary:*")
        self.assertRegex(key, r"^summary:[0-9a-f]{32}$")
        self.assertTrue(110 < cache.ttl(key) <= 120)

    def test_the_decorator_tells_queries_and_users_apart(self):
        def x_cache(path):
            return self.client.get(path)["X-Cache"]

        self.assertEqual(x_cache("/api/summary/?a=1&b=2"), "miss")
        self.assertEqual(x_cache("/api/summary/?b=2&a=1"), "hit")
        self.assertEqual(x_cache("/api/summary/?b=2"), "miss")
        self.sign_in()
        self.assertEqual(x_cache("/api/summary/?b=2"), "miss")
        self.assertNotIn("X-Cache", self.client.post("/api/summary/"))
        self.assertEqual(len(cache.keys("summary:*")), 3)

    def test_the_mixin_is_keyed_by_path_query_and_user(self):
        with self.assertNumQueries(1):
            for _ in range(2):
                self.assertEqual(
                    self.client.get("/api/search/?q=re").json(), {"user": "", "found": ["Green"]}
                )
        self.assertEqual(self.client.get("/api/search/?q=ack").json()["found"], ["Black"])
        self.sign_in()
        for _ in range(2):
            self.assertEqual(
                self.client.get("/api/search/?q=re").json(), {"user": "ada", "found": ["Green"]}
            )
        self.assertEqual(len(cache.keys("view:Search:*")), 3)

    # Pagination.

    def test_each_page_has_its_key(self):
        with self.assertNumQueries(4):  # a count and a slice for each of two pages
            for _ in range(2):
                self.assertEqual(
                    self.client.get("/api/pages/?page=1&size=2").json()["names"], ["Green", "Black"]
                )
                self.assertEqual(
                    self.client.get("/api/pages/?page=2&size=2").json()["names"], ["White"]
                )
        self.assertEqual(
            sorted(cache.keys("products:page:*")),
            ["products:page:1:size:2", "products:page:2:size:2"],
        )
        self.assertEqual(cache.delete_pattern("products:page:*"), 2)

    # ETag beside the cache.

    def test_the_right_etag_is_answered_304(self):
        row = Article.objects.create(title="Tea", body="Leaves.")
        first = self.client.get(f"/api/articles/{row.pk}/")
        self.assertEqual(first.content, b"<h1>Tea</h1>Leaves.")
        with self.assertNumQueries(0):
            again = self.client.get(f"/api/articles/{row.pk}/", HTTP_IF_NONE_MATCH=first["ETag"])
            self.assertEqual((again.status_code, again.content), (304, b""))
            other = self.client.get(
                f"/api/articles/{row.pk}/", HTTP_IF_NONE_MATCH='"something-else"'
            )
            self.assertEqual((other.status_code, other.content), (200, first.content))

    def test_a_saved_article_has_a_new_etag(self):
        row = Article.objects.create(title="Tea", body="Leaves.")
        first = self.client.get(f"/api/articles/{row.pk}/")
        row.body, row.edition = "Leaves and water.", 2
        row.save()
        again = self.client.get(f"/api/articles/{row.pk}/", HTTP_IF_NONE_MATCH=first["ETag"])
        self.assertEqual(
            (again.status_code, again.content), (200, b"<h1>Tea</h1>Leaves and water.")
        )
        self.assertNotEqual(again["ETag"], first["ETag"])

    # Throttling counts in the cache.

    def test_the_fourth_order_in_an_hour_is_refused(self):
        statuses = [self.client.post("/api/orders/").status_code for _ in range(4)]
        self.assertEqual(statuses, [201, 201, 201, 429])
        self.assertEqual(len(cache.get("throttle:orders:127.0.0.1")), 3)
        elsewhere = self.client.post("/api/orders/", REMOTE_ADDR="10.0.0.1")
        self.assertEqual(elsewhere.status_code, 201)
