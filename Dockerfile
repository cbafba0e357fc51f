# The program alone, in an otherwise empty image:
#
#     docker build -t pipeline .
#     docker run --rm -v "$PWD:/work" pipeline run experiments/tiny.toml
FROM rust:1.95-alpine AS build
RUN apk add --no-cache musl-dev gcc
COPY . /source
WORKDIR /source
RUN cargo build --release --locked --features serve,parquet --bin pipeline && mkdir /empty

FROM scratch
COPY --from=build /source/target/release/pipeline /pipeline
COPY --from=build /empty /tmp
WORKDIR /work
ENTRYPOINT ["/pipeline"]
