"""Paths."""

from django.urls import path

from shop import views

urlpatterns = [
    path("livez", views.livez),
    path("readyz", views.readyz),
    path("api/schema", views.schema),
    path("api/login", views.login),
    path("api/me", views.me),
    path("api/tenants", views.tenants),
    path("api/tenants/<int:tenant_id>", views.tenant),
    path("api/tenants/<int:tenant_id>/users", views.users),
    path("api/items", views.items),
    path("api/items/<int:item_id>", views.item),
    path("api/sales", views.sales),
    path("api/sales/keys", views.sale_keys),
    path("api/books", views.books),
    path("api/redis/marks", views.marks),
    path("api/ping-task", views.ping_task),
    path("api/tasks/<str:task_id>", views.task),
]

handler404 = views.no_such_path
