use axum_authgear::testkit::{auth_client, auth_user};

#[test]
fn a_user_says_what_it_was_told() {
    let user = auth_user("alice")
        .role("admin")
        .role("editor")
        .scope("read:orders")
        .scope("write:orders openid")
        .verified(true)
        .amr(["otp"])
        .auth_time(1_700_000_000)
        .client_id("mobile")
        .issued_at(1_700_000_100)
        .expires_at(None)
        .claims(7_u8)
        .build();
    assert_eq!(user.id(), "alice");
    assert_eq!(user.roles().collect::<Vec<_>>(), ["admin", "editor"]);
    assert_eq!(
        user.scopes().collect::<Vec<_>>(),
        ["read:orders", "write:orders", "openid"]
    );
    assert_eq!(user.amr().collect::<Vec<_>>(), ["otp"]);
    assert_eq!(user.audiences().collect::<Vec<_>>(), [user.issuer()]);
    assert!(user.is_verified() && !user.is_anonymous() && user.can_reauthenticate());
    assert_eq!(user.auth_time(), Some(1_700_000_000));
    assert_eq!(user.client_id(), Some("mobile"));
    assert_eq!(user.issued_at(), Some(1_700_000_100));
    assert_eq!(user.expires_at(), None);
    assert_eq!(user.token_id(), None);
    assert_eq!(*user.claims(), 7);
}

#[test]
fn the_defaults_grant_nothing() {
    let bob = auth_user("bob").build();
    assert_eq!(bob.roles().len(), 0);
    assert_eq!(bob.scopes().count(), 0);
    assert!(!bob.is_verified());
    let anonymous = auth_user("carol").anonymous(true).build();
    assert!(anonymous.is_anonymous() && !anonymous.can_reauthenticate());
    assert_eq!(anonymous.amr().len(), 0);
}

#[test]
fn a_machine_says_what_it_was_told() {
    let client = auth_client("worker")
        .scope("read:orders")
        .audience("https://stock.example")
        .expires_at(1_700_000_000)
        .build();
    assert_eq!(client.client_id(), "worker");
    assert_eq!(client.scopes().collect::<Vec<_>>(), ["read:orders"]);
    assert_eq!(
        client.audiences().collect::<Vec<_>>(),
        ["https://stock.example"]
    );
    assert_eq!(client.expires_at(), Some(1_700_000_000));
}

#[test]
fn any_text_and_nothing_can_be_said() {
    let odd = "\"\\\u{0}\u{1f980},";
    let user = auth_user(odd)
        .role(odd)
        .client_id(None)
        .auth_time(None)
        .issued_at(u64::MAX)
        .anonymous(true)
        .amr([odd])
        .build();
    assert_eq!(user.id(), odd);
    assert_eq!(user.roles().collect::<Vec<_>>(), [odd]);
    assert_eq!(user.amr().collect::<Vec<_>>(), [odd]);
    assert_eq!((user.client_id(), user.auth_time()), (None, None));
    assert_eq!(user.issued_at(), Some(u64::MAX));
    assert!(user.is_anonymous());
}
