# nunbit serve in a container. On a processor:    docker build -t nunbit --build-arg TORCH_INDEX=URL .
#   URL is the index of processor-only wheels that pytorch.org names; without it the image holds CUDA's libraries, too.
# On an NVIDIA card (nvidia-container-toolkit):   docker build -t nunbit:cuda --build-arg VARIANT=cuda .
# The container listens to the whole network: give it a key (NUNBIT_API_KEYS), or publish the port to this machine only.
ARG VARIANT=cpu
FROM python:3.11-slim AS base
RUN apt-get update -qq \
 && apt-get install -y -qq --no-install-recommends tesseract-ocr tesseract-ocr-eng tesseract-ocr-kor libgomp1 \
 && rm -rf /var/lib/apt/lists/*

FROM base AS cpu
ARG TORCH_INDEX=""
RUN pip install --no-cache-dir ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} torch==2.13.0

FROM base AS cuda
RUN pip install --no-cache-dir torch==2.13.0
ENV NUNBIT_SERVE_DEVICE=cuda

FROM ${VARIANT}
WORKDIR /srv/nunbit
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY src ./src
RUN pip install --no-cache-dir -c constraints.txt '.[serve,ocr,parts]'
RUN useradd --create-home --uid 1000 nunbit && mkdir -p /cache && chown nunbit /cache
USER nunbit
ENV OMP_WAIT_POLICY=passive NUNBIT_CACHE=/cache NUNBIT_SERVE_HOST=0.0.0.0
VOLUME /cache
EXPOSE 8000
HEALTHCHECK --interval=10s --start-period=60s CMD \
  ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/ready', timeout=5)"]
ENTRYPOINT ["nunbit"]
CMD ["serve"]
