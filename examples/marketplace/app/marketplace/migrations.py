"""The tables of both databases. Run as `python -m marketplace.migrations monolith|listings`; a second time changes nothing."""

import os
import sys
import time

import psycopg

SEEDED = 200  # listings that are there from the start, with the same ids in both

COMMON = """
create table if not exists listings (
    id uuid primary key,
    owner text not null,
    title text not null check (title <> ''),
    price_cents integer not null check (price_cents >= 0),
    status text not null default 'active' check (status in ('active', 'sold', 'deleted')),
    created_at timestamptz not null,
    updated_at timestamptz not null
);
create index if not exists listings_by_owner on listings (owner, updated_at desc) where status <> 'deleted';
create index if not exists listings_by_time on listings (updated_at desc) where status <> 'deleted';
create table if not exists images (
    id uuid primary key,
    listing_id uuid not null references listings (id) on delete cascade,
    url text not null,
    width integer not null,
    height integer not null
);
create index if not exists images_by_listing on images (listing_id);
-- What changed here and is not yet there; a change that came from there is not written down.
create table if not exists outbox (
    seq bigint generated always as identity primary key,
    listing_id uuid not null,
    at timestamptz not null default clock_timestamp()
);
"""
MONOLITH = """
create table if not exists stock (
    listing_id uuid primary key,
    available integer not null
);
create table if not exists purchases (
    id uuid primary key default gen_random_uuid(),
    listing_id uuid not null references stock (listing_id),
    key text not null unique,
    buyer text not null,
    quantity integer not null check (quantity > 0),
    at timestamptz not null default clock_timestamp()
);
create index if not exists purchases_by_listing on purchases (listing_id);
create table if not exists rollbacks (
    key text primary key,
    listing_id uuid not null references stock (listing_id),
    quantity integer not null check (quantity > 0),
    at timestamptz not null default clock_timestamp()
);
"""
# Where there is an index: what it does not know yet, wherever that was written. A second change takes the place of the first.
INDEXED = """
create sequence if not exists changes;
create table if not exists to_index (
    listing_id uuid primary key,
    version bigint not null
);
create or replace function note_to_index() returns trigger language plpgsql as $$
begin
    insert into to_index values (new.id, nextval('changes')) on conflict (listing_id) do update set version = excluded.version;
    return null;
end $$;
create or replace trigger to_index after insert or update on listings for each row execute function note_to_index();
"""
SEED = """
insert into listings (id, owner, title, price_cents, created_at, updated_at)
select ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, 'seed', 'seeded ' || n, n * 100,
       timestamptz '2026-01-01', timestamptz '2026-01-01'
from generate_series(1, %s) n on conflict do nothing
"""
SEED_IMAGES = """
insert into images (id, listing_id, url, width, height)
select ('00000000-0000-4000-9000-' || lpad(n::text, 12, '0'))::uuid, ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid,
       '/images/' || n || '.jpg', 800, 600
from generate_series(1, %s) n on conflict do nothing
"""


def migrate(dsn: str, which: str) -> None:
    """All tables, and the listings that both know."""
    with psycopg.connect(dsn) as connection:
        connection.execute("select pg_advisory_xact_lock(20260101)")
        connection.execute(COMMON)
        if which == "monolith":
            connection.execute(MONOLITH)
            if os.environ.get("SEARCH_URL"):
                connection.execute(INDEXED)
        connection.execute(SEED, [SEEDED])
        connection.execute(SEED_IMAGES, [SEEDED])


if __name__ == "__main__":
    for patience in (0.5, 1.0, 2.0, 0):
        try:
            migrate(os.environ["DATABASE_DSN"], sys.argv[1])
            break
        except psycopg.OperationalError:
            if not patience:
                raise
            time.sleep(patience)
