# The image of every role: `agenthook serve` by default, `agenthook api`, `agenthook worker` and the rest by command.
#   docker build -t agenthook .

FROM rust:1.95.0-slim-trixie AS build
WORKDIR /build
# Strips what a debugger would want; a backtrace keeps its function names.
ENV CARGO_PROFILE_RELEASE_STRIP=debuginfo
# The dependencies by themselves, under a program that does nothing: this layer is made again when they change, not
# when the sources do.
COPY Cargo.toml Cargo.lock ./
RUN mkdir -p src tests/it \
 && echo 'fn main() {}' > src/main.rs && touch src/lib.rs tests/it/main.rs \
 && cargo build --release --locked --bin agenthook \
 && rm -r src
COPY migrations migrations
COPY litellm litellm
COPY docs/errors docs/errors
COPY askama.toml ./
COPY src src
# Cargo goes by file times, and our sources may be older than what stood in for them.
RUN touch src/main.rs src/lib.rs && cargo build --release --locked --bin agenthook

FROM debian:trixie-slim
LABEL org.opencontainers.image.title="agenthook" \
      org.opencontainers.image.description="Signed webhooks in, AI-agent runs in the middle: durable, explained, one binary." \
      org.opencontainers.image.licenses="MIT OR Apache-2.0"
# For a LiteLLM behind https: the system's certificate authorities are the ones that are trusted.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /build/target/release/agenthook /usr/local/bin/agenthook
# Only SQLite needs it. With Postgres nothing is written, and the root file system may be read-only.
RUN install -d -o 65532 -g 65532 -m 700 /var/lib/agenthook
ENV AGENTHOOK_BIND=0.0.0.0:8000 AGENTHOOK_DATA_DIR=/var/lib/agenthook
WORKDIR /var/lib/agenthook
USER 65532:65532
EXPOSE 8000
STOPSIGNAL SIGTERM
ENTRYPOINT ["agenthook"]
CMD ["serve"]
