# progan-style on a CPU. This file was written without a builder at hand: its build has not been tried.
#   docker build --tag progan-style .
#   docker run --rm --network none --user "$(id -u):$(id -g)" --volume "$PWD:/work" progan-style example
# For a GPU: an image with CUDA's driver libraries, `--gpus all`, and the build of torch that suits your driver.
FROM python:3.12-slim

ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 MPLCONFIGDIR=/tmp NUMBA_CACHE_DIR=/tmp
WORKDIR /src
COPY . .
RUN pip install --constraint constraints.txt . && rm -rf /src/*

WORKDIR /work
ENTRYPOINT ["progan-style"]
CMD ["--help"]
