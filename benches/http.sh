#!/usr/bin/env bash
# Measures over real HTTP: see http.rs. It needs wrk and nginx (Debian: apt-get install wrk nginx), and
# two processors.
#
#     benches/http.sh           five interleaved rounds, a minute and a half
#     benches/http.sh --quick   one short round, to see that it runs
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

for tool in wrk nginx; do
    if ! command -v "$tool" >/dev/null; then
        echo "http: $tool is not installed" >&2
        exit 1
    fi
done
cargo build --profile bench --all-features --example resource_server
cargo bench --all-features --bench http -- "$@"
