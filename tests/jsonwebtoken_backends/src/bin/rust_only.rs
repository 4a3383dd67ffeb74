//! A program with one backend: jsonwebtoken picks it by itself as long as no other crate turns a
//! second one on.

#[tokio::main(flavor = "current_thread")]
async fn main() {
    backends::sign_and_verify();
    backends::authenticate().await;
    backends::sign_and_verify();
    println!("ok");
}
