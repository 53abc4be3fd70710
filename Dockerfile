# A slim image that runs `gateway serve` as an ordinary user. Data and keys live in the volume, never in the image.
#
#   docker run -v records:/data IMAGE init live          once: a store stays what it was created as
#   docker run -v records:/data -p 8000:8000 --init IMAGE
#
# Every package is installed by hash from a lock file. The image holds its own SBOM: /opt/gateway/sbom.json (CycloneDX).
FROM python:3.13-slim AS build
WORKDIR /src
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY deploy deploy
RUN python -m venv /opt/build && /opt/build/bin/pip install --require-hashes -r deploy/build.lock
RUN python -m venv --without-pip /opt/gateway \
    && /opt/build/bin/pip --python /opt/gateway/bin/python install --require-hashes -r deploy/requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY gateway gateway
COPY mappings mappings
COPY terminology terminology
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation -w dist . \
    && /opt/build/bin/pip --python /opt/gateway/bin/python install --no-deps dist/*.whl
RUN /opt/build/bin/cyclonedx-py environment /opt/gateway/bin/python --pyproject pyproject.toml -o /opt/gateway/sbom.json

FROM python:3.13-slim
# gpg reads the deliveries that suppliers encrypt.
RUN apt-get update && apt-get install -y --no-install-recommends gnupg && rm -rf /var/lib/apt/lists/*
RUN useradd --uid 10001 --create-home gateway && install -d -o gateway -g gateway -m 0700 /data
COPY --from=build /opt/gateway /opt/gateway
ENV PATH=/opt/gateway/bin:$PATH GATEWAY_DATA_DIR=/data PYTHONUNBUFFERED=1
USER gateway
WORKDIR /data
VOLUME /data
EXPOSE 8000
HEALTHCHECK CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/livez', timeout=2)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["gateway"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]
