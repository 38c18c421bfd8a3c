"""Whoever saves or deletes a row, by whatever way, its cached copies go."""

from django.core.cache import cache
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from catalogue.models import Article, Product


@receiver([post_save, post_delete], sender=Product)
def forget_product(sender, instance, **_):
    Product.objects.forget(instance.pk)


@receiver([post_save, post_delete], sender=Article)
def forget_article(sender, instance, **_):
    cache.delete_many([f"article:{instance.pk}", f"article:{instance.pk}:etag"])
