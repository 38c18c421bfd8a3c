"""Django's own caching of pages: cache_page, Vary, fragments, the per-site middleware, sessions."""

from decimal import Decimal

from django.core.cache import cache, caches
from django.core.cache.utils import make_template_fragment_key
from django.test import Client, modify_settings, override_settings

from catalogue.models import Category, Product
from catalogue.tests.base import CacheTestCase


class CachePageTest(CacheTestCase):
    def body(self, path, client=None, **headers):
        return (client or self.client).get(path, **headers).content

    def test_a_page_is_rendered_once(self):
        first = self.body("/pages/clock/")
        self.assertEqual(self.body("/pages/clock/"), first)
        self.assertNotEqual(self.body("/pages/clock/?other=1"), first)

    def test_it_tells_browsers_how_long(self):
        self.assertEqual(self.client.get("/pages/clock/")["Cache-Control"], "max-age=900")
        self.assertIn("Expires", self.client.get("/pages/clock/"))

    def test_head_and_get_are_kept_apart(self):
        self.assertEqual(self.client.head("/pages/clock/").content, b"")
        self.assertTrue(self.body("/pages/clock/").startswith(b"rendering"))

    def test_post_is_not_kept(self):
        self.assertNotEqual(
            self.client.post("/pages/clock/").content, self.client.post("/pages/clock/").content
        )
        self.assertEqual(cache.keys("*"), [])

    def test_the_keys_it_leaves(self):
        self.body("/pages/clock/")
        self.assertEqual(len(cache.keys("views.decorators.cache.cache_header.*")), 1)
        (page,) = cache.keys("views.decorators.cache.cache_page..GET.*")
        self.assertTrue(800 < cache.ttl(page) <= 900)

    def test_vary_on_headers(self):
        english = self.body("/pages/language/", HTTP_ACCEPT_LANGUAGE="en")
        german = self.body("/pages/language/", HTTP_ACCEPT_LANGUAGE="de")
        self.assertNotEqual(english, german)
        self.assertEqual(self.body("/pages/language/", HTTP_ACCEPT_LANGUAGE="en"), english)
        self.assertEqual(self.body("/pages/language/", HTTP_ACCEPT_LANGUAGE="de"), german)
        phone = self.body("/pages/language/", HTTP_ACCEPT_LANGUAGE="en", HTTP_USER_AGENT="phone")
        self.assertNotEqual(phone, english)
        # With translations on, the language is part of every page's key and needs no header of its
        # own.
        self.assertEqual(cache.get(cache.keys("*cache_header.language*")[0]), ["HTTP_USER_AGENT"])

    def test_vary_on_cookie(self):
        ada, bob = Client(), Client()
        ada.cookies["basket"], bob.cookies["basket"] = "tea", "milk"
        first = self.body("/pages/mine/", ada)
        self.assertNotEqual(self.body("/pages/mine/", bob), first)
        self.assertEqual(self.body("/pages/mine/", ada), first)

    def test_what_is_private_is_not_kept(self):
        self.assertNotEqual(self.body("/pages/private/"), self.body("/pages/private/"))

    def test_a_rendered_template_response_in_the_mixin(self):
        first = self.body("/pages/shelf/1/")
        self.assertIn(b"shelf 1, rendering", first)
        self.assertEqual(self.body("/pages/shelf/1/"), first)
        self.assertNotEqual(self.body("/pages/shelf/2/"), first)


class FragmentTest(CacheTestCase):
    def setUp(self):
        super().setUp()
        self.tea = Category.objects.create(name="Tea")
        Product.objects.create(name="Green", price=Decimal("1"), category=self.tea)

    def test_a_fragment_is_rendered_once_for_what_it_varies_on(self):
        with self.assertNumQueries(2):
            for path in [
                f"/pages/fragment/{self.tea.pk}/",
                f"/pages/fragment/{self.tea.pk}/?sort=name",
            ] * 2:
                self.assertContains(self.client.get(path), "<li>Green</li>")
        self.assertEqual(len(cache.keys("template.cache.shelf.*")), 2)

    def test_a_fragment_is_dropped_by_its_key(self):
        path = f"/pages/fragment/{self.tea.pk}/?sort=name"
        self.client.get(path)
        key = make_template_fragment_key("shelf", [self.tea.pk, "name"])
        self.assertTrue(490 < cache.ttl(key) <= 500)
        self.assertTrue(cache.delete(key))
        Product.objects.create(name="Black", price=Decimal("1"), category=self.tea)
        self.assertContains(self.client.get(path), "<li>Black</li>")


@modify_settings(
    MIDDLEWARE={
        "prepend": "django.middleware.cache.UpdateCacheMiddleware",
        "append": "django.middleware.cache.FetchFromCacheMiddleware",
    }
)
class PerSiteTest(CacheTestCase):
    def test_the_whole_site_is_kept(self):
        first = self.client.get("/pages/plain/")
        self.assertEqual(self.client.get("/pages/plain/").content, first.content)
        self.assertEqual(first["Cache-Control"], "max-age=120")
        self.assertEqual(len(cache.keys("*cache_page.site*")), 1)

    def test_a_page_that_reads_the_session_is_kept_for_each_visitor(self):
        ada, bob = Client(), Client()
        self.assertEqual([ada.get("/pages/visits/").content for _ in range(2)], [b"1", b"2"])
        self.assertEqual(ada.get("/pages/visits/?peek=1").content, b"2")
        self.assertEqual(bob.get("/pages/visits/?peek=1").content, b"0")
        self.assertEqual(ada.get("/pages/visits/").content, b"3")  # it sets a cookie: never kept
        self.assertEqual(ada.get("/pages/visits/?peek=1").content, b"2")

    def test_an_error_is_not_kept(self):
        self.assertEqual(self.client.get("/nowhere/").status_code, 404)
        self.assertEqual(cache.keys("*cache_page*"), [])


class SessionTest(CacheTestCase):
    def visits(self, client):
        return int(client.get("/pages/visits/").content)

    def test_each_visitor_has_a_session(self):
        ada, bob = Client(), Client()
        self.assertEqual([self.visits(ada) for _ in range(3)], [1, 2, 3])
        self.assertEqual(self.visits(bob), 1)
        self.assertEqual(len(caches["sessions"].keys("*")), 2)

    def test_it_lives_two_weeks_from_its_last_change(self):
        self.visits(self.client)
        (key,) = caches["sessions"].keys("*")
        self.assertTrue(1_209_000 < caches["sessions"].ttl(key) <= 1_209_600)

    def test_flush_and_a_new_key(self):
        self.visits(self.client)
        session = self.client.session
        old = session.session_key
        session.cycle_key()
        self.assertFalse(session.exists(old))
        self.assertEqual(session["visits"], 1)
        session.flush()
        self.assertEqual(caches["sessions"].keys("*"), [])

    def test_a_session_the_cache_has_lost_begins_anew(self):
        self.assertEqual([self.visits(self.client) for _ in range(2)], [1, 2])
        caches["sessions"].clear()
        self.assertEqual(self.visits(self.client), 1)

    @override_settings(SESSION_ENGINE="django.contrib.sessions.backends.cached_db")
    def test_a_session_kept_in_the_database_as_well_is_not_lost(self):
        client = Client()
        self.assertEqual([self.visits(client) for _ in range(2)], [1, 2])
        caches["sessions"].clear()
        self.assertEqual(self.visits(client), 3)
