from django.db import models

from catalogue.managers import CachedManager


class Category(models.Model):
    name = models.CharField(max_length=80)


class Product(models.Model):
    name = models.CharField(max_length=120)
    price = models.DecimalField(max_digits=10, decimal_places=2)
    stock = models.IntegerField(default=0)
    category = models.ForeignKey(Category, on_delete=models.CASCADE, related_name="products")
    updated_at = models.DateTimeField(auto_now=True)

    objects = CachedManager()


class Article(models.Model):
    title = models.CharField(max_length=120)
    body = models.TextField()
    edition = models.IntegerField(default=1)
