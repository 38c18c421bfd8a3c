"""Rows in the cache: the manager, the signals, cache-aside and write-through."""

from decimal import Decimal

from django.core.cache import cache

from catalogue.caching import cache_aside, write_through
from catalogue.models import Article, Category, Product
from catalogue.tests.base import CacheTestCase, CacheTransactionTestCase


class ManagerTest(CacheTestCase):
    def setUp(self):
        super().setUp()
        self.category = Category.objects.create(name="Tea")
        self.green = Product.objects.create(
            name="Green", price=Decimal("4.50"), stock=3, category=self.category
        )
        self.black = Product.objects.create(
            name="Black", price=Decimal("3.90"), stock=0, category=self.category
        )

    def test_get_cached_asks_the_database_once(self):
        with self.assertNumQueries(1):
            first = Product.objects.get_cached(self.green.pk)
            again = Product.objects.get_cached(self.green.pk)
        self.assertEqual(
            (first, first.price, first.updated_at), (again, again.price, again.updated_at)
        )
        with self.assertRaises(Product.DoesNotExist):
            Product.objects.get_cached(10**6)

    def test_list_cached_asks_once_for_each_filter(self):
        with self.assertNumQueries(2):
            for _ in range(3):
                self.assertEqual(Product.objects.list_cached(stock=0), [self.black])
                self.assertEqual(
                    Product.objects.list_cached(category=self.category.pk), [self.green, self.black]
                )

    def test_an_empty_list_is_kept_as_well(self):
        with self.assertNumQueries(1):
            self.assertEqual(Product.objects.list_cached(stock=99), [])
            self.assertEqual(Product.objects.list_cached(stock=99), [])

    def test_many_cached_loads_what_is_absent(self):
        Product.objects.get_cached(self.green.pk)
        with self.assertNumQueries(1):
            found = Product.objects.many_cached([self.green.pk, self.black.pk])
            self.assertEqual(Product.objects.many_cached([self.black.pk, self.green.pk]), found)
        self.assertEqual(found, {self.green.pk: self.green, self.black.pk: self.black})

    def test_a_pickled_queryset(self):
        cache.set("queryset", Product.objects.order_by("pk"))
        with self.assertNumQueries(0):
            self.assertEqual(list(cache.get("queryset")), [self.green, self.black])

    def test_relations_come_along(self):
        cache.set("joined", Product.objects.select_related("category").get(pk=self.green.pk))
        with self.assertNumQueries(0):
            self.assertEqual(cache.get("joined").category.name, "Tea")

    def test_save_drops_row_and_lists(self):
        Product.objects.get_cached(self.green.pk)
        Product.objects.get_cached(self.black.pk)
        Product.objects.list_cached(stock=0)
        self.green.name = "Sencha"
        self.green.save()
        self.assertEqual(cache.keys("*"), [f"product:detail:{self.black.pk}"])
        self.assertEqual(Product.objects.get_cached(self.green.pk).name, "Sencha")

    def test_delete_drops_row_and_lists(self):
        pk = self.green.pk
        Product.objects.get_cached(pk)
        Product.objects.list_cached()
        self.green.delete()
        self.assertEqual(cache.keys("*"), [])
        self.assertEqual(Product.objects.list_cached(), [self.black])
        with self.assertRaises(Product.DoesNotExist):
            Product.objects.get_cached(pk)

    def test_a_cascade_drops_each_row(self):
        Product.objects.many_cached([self.green.pk, self.black.pk])
        self.category.delete()
        self.assertEqual(cache.keys("*"), [])

    def test_update_in_bulk_sends_no_signal(self):
        # The known trap: QuerySet.update() goes past the signals, so the cached copy stays stale.
        Product.objects.get_cached(self.green.pk)
        Product.objects.filter(pk=self.green.pk).update(name="Sencha")
        self.assertEqual(Product.objects.get_cached(self.green.pk).name, "Green")
        Product.objects.forget(self.green.pk)
        self.assertEqual(Product.objects.get_cached(self.green.pk).name, "Sencha")

    def test_cache_aside(self):
        asked = []

        def load(answer):
            asked.append(answer)
            return answer

        self.assertEqual(cache_aside("report", lambda: load("long computed")), "long computed")
        self.assertEqual(cache_aside("report", lambda: load("not asked")), "long computed")
        self.assertIsNone(cache_aside("none", lambda: load(None)))
        self.assertIsNone(cache_aside("none", lambda: load(None)))
        self.assertEqual(asked, ["long computed", None, None])


class WriteThroughTest(CacheTransactionTestCase):
    def test_the_cache_has_it_when_the_database_has(self):
        article = Article(title="Tea", body="Leaves.")
        write_through(article, "article:front")
        with self.assertNumQueries(0):
            self.assertEqual(cache.get("article:front").title, "Tea")

    def test_what_was_rolled_back_is_not_cached(self):
        from django.db import transaction

        class Undone(Exception):
            pass

        with self.assertRaises(Undone), transaction.atomic():
            write_through(Article(title="Tea", body="Leaves."), "article:front")
            raise Undone
        self.assertIsNone(cache.get("article:front"))
        self.assertEqual(Article.objects.count(), 0)
