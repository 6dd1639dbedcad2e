# Stands for the image `postgres`: the variables and the data directory of that image, as far as the project uses them.
ARG BASE=debian:bookworm
FROM ${BASE}
RUN apt-get update \
    && mkdir -p /etc/postgresql-common && echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf \
    && apt-get install -y --no-install-recommends postgresql \
    && rm -rf /var/lib/apt/lists/* \
    && ln -s /usr/lib/postgresql/*/bin /opt/postgresql \
    && install -d -o postgres -g postgres -m 700 /var/lib/postgresql/data
ENV PATH=/opt/postgresql:$PATH PGDATA=/var/lib/postgresql/data
COPY postgres-entrypoint /usr/local/bin/
USER postgres
STOPSIGNAL SIGINT
EXPOSE 5432
CMD ["postgres-entrypoint"]
