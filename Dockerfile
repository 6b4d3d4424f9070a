# Builds an image that contains the program. The program runs as a user without privileges.
#
#     docker build -t paragon-testkit .
#     docker run --rm paragon-testkit demo
#     docker run --rm -p 8642:8642 paragon-testkit serve --host 0.0.0.0 --webhook http://host.docker.internal:3000/webhook
#
# `check --spawn` runs the receiver in the same container. For this, copy /usr/local/bin/paragon-testkit into the image
# of the receiver, and start the container with --init.

FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
# .dockerignore says which files are copied.
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --release --locked --package paragon-testkit-cli \
    && cp target/release/paragon-testkit /usr/local/bin/paragon-testkit

# A distroless image would not do, because --state-cmd and --spawn need sh. The certificates are for https receivers.
FROM debian:bookworm-slim
RUN apt-get update -q \
    && apt-get install -qy --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home testkit
COPY --from=build /usr/local/bin/paragon-testkit /usr/local/bin/paragon-testkit
COPY LICENSE-MIT LICENSE-APACHE /usr/share/doc/paragon-testkit/
USER 10001
WORKDIR /home/testkit
EXPOSE 8642
ENTRYPOINT ["paragon-testkit"]
CMD ["help"]
