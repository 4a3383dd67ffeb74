//! A program with two backends: jsonwebtoken panics where one is needed before the program has
//! chosen, and the choice can be made once, before the first use.

use jsonwebtoken::crypto::{CryptoProvider, aws_lc, rust_crypto};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    backends::authenticate().await;

    // Refused if anything has used the process-wide backend before.
    CryptoProvider::install_default(&rust_crypto::DEFAULT_PROVIDER)
        .expect("axum-authgear leaves the choice of a backend to the program");
    backends::sign_and_verify();
    backends::authenticate().await;

    // The second backend is really there.
    assert!(CryptoProvider::install_default(&aws_lc::DEFAULT_PROVIDER).is_err());
    println!("ok");
}
