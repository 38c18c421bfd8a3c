"""Settings of the shop: an ordinary Django project whose caches all live on the one server
CACHE_URL names.

`default` is set up as the guides do; every other alias shows one more option that projects use, in
a database of its own, so that a test sees which alias a key came from.
"""

import os
import pathlib

import django

BASE_DIR = pathlib.Path(__file__).resolve().parent.parent
CACHE_URL = os.environ.get("CACHE_URL", "redis://127.0.0.1:6379")

SECRET_KEY = "of no worth: this shop sells nothing"
DEBUG = False
ALLOWED_HOSTS = ["*"]
USE_TZ = True
TIME_ZONE = "UTC"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
ROOT_URLCONF = "shop.urls"
TEST_RUNNER = "shop.runner.RecordingRunner"

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "rest_framework",
    "catalogue",
]

MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
    }
]

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("SHOP_DATABASE", ":memory:"),
    },
}

# Quick to compute: these tests sign users in, they do not guard them.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

SESSION_ENGINE = "django.contrib.sessions.backends.cache"
SESSION_CACHE_ALIAS = "sessions"

# A server that has stopped answering must fail a test, not hang the run.
PATIENCE = {"SOCKET_CONNECT_TIMEOUT": 20, "SOCKET_TIMEOUT": 20}


def django_redis(database, options=None, **more):
    return {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": f"{CACHE_URL}/{database}",
        "TIMEOUT": 300,
        "OPTIONS": {
            "CLIENT_CLASS": "django_redis.client.DefaultClient",
            **PATIENCE,
            **(options or {}),
        },
        **more,
    }


# Django has its own backend for this protocol since 4.0; before, ours sends the commands that one
# sends.
BUILT_IN = (
    "django.core.cache.backends.redis.RedisCache"
    if django.VERSION >= (4, 0)
    else "shop.built_in_cache.RedisCache"
)

CACHES = {
    "default": django_redis(1),
    "plain": {
        "BACKEND": BUILT_IN,
        "LOCATION": f"{CACHE_URL}/2",
        "TIMEOUT": 300,
    },
    "zlib": django_redis(3, {"COMPRESSOR": "django_redis.compressors.zlib.ZlibCompressor"}),
    "json": django_redis(4, {"SERIALIZER": "django_redis.serializers.json.JSONSerializer"}),
    "herd": django_redis(5, {"CLIENT_CLASS": "django_redis.client.HerdClient"}),
    "sessions": django_redis(6),
    "prefixed": django_redis(7, KEY_PREFIX="shop[1]", VERSION=2),
    "pooled": django_redis(
        8,
        {
            "CONNECTION_POOL_CLASS": "redis.BlockingConnectionPool",
            "CONNECTION_POOL_KWARGS": {"max_connections": 4, "timeout": 20},
        },
    ),
    "pure_python": django_redis(9, {"PARSER_CLASS": "redis.connection.PythonParser"}),
    # Nobody listens on port 1: how a project lives through a cache that is away.
    "away": {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": "redis://127.0.0.1:1/0",
        "OPTIONS": {"IGNORE_EXCEPTIONS": True, "SOCKET_CONNECT_TIMEOUT": 5},
    },
}

CACHE_MIDDLEWARE_ALIAS = "default"
CACHE_MIDDLEWARE_SECONDS = 120
CACHE_MIDDLEWARE_KEY_PREFIX = "site"

REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.SessionAuthentication"],
    "DEFAULT_THROTTLE_RATES": {"orders": "3/hour"},
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
