"""Tenants, users with roles, items, sales."""

from django.db import models


class Tenant(models.Model):
    """A shop."""

    name = models.CharField(max_length=200)


class User(models.Model):
    """Somebody with a role: admin (of the platform), owner, seller or viewer (of a tenant)."""

    name = models.CharField(max_length=100, unique=True)
    password = models.CharField(max_length=200)
    role = models.CharField(max_length=20)
    tenant = models.ForeignKey(Tenant, null=True, on_delete=models.CASCADE)


class Item(models.Model):
    """Something in stock. `initial` is what there was before the first sale."""

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE)
    sku = models.CharField(max_length=100)
    name = models.CharField(max_length=200)
    price_cents = models.IntegerField()
    initial = models.IntegerField()
    quantity = models.IntegerField()


class Sale(models.Model):
    """A sale; the key makes it idempotent. `nonce` is always empty: the store itself refuses a second sale of a key."""

    item = models.ForeignKey(Item, on_delete=models.CASCADE)
    seller = models.ForeignKey(User, on_delete=models.CASCADE)
    key = models.CharField(max_length=100)
    nonce = models.CharField(max_length=40, default="", blank=True)
    quantity = models.IntegerField()
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        """One sale a key and item."""

        constraints = (models.UniqueConstraint(fields=["item", "key", "nonce"], name="one_sale_a_key"),)
