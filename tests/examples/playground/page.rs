//! The page itself, and who may ask for it.

use std::ffi::OsString;

use axum_authgear::testkit::{FakeAuthgear, User};

use super::start;
use super::timelines::Timelines;
use crate::process::{Example, ask, client, command, get, run};

#[tokio::test]
async fn one_page_with_a_strict_policy_and_nothing_from_other_hosts() {
    let (_example, url) = start(&[]).await;
    assert!(url.starts_with("http://127.0.0.1:"), "{url}");
    let page = get(&url, None).await;
    assert_eq!(page.status, 200);

    let policy = page.header("content-security-policy").unwrap();
    assert!(
        policy.starts_with("default-src 'none'; script-src 'sha256-"),
        "{policy}"
    );
    for part in [
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(
        !policy.contains("unsafe") && !policy.contains('*'),
        "{policy}"
    );
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(
        page.header("cross-origin-resource-policy"),
        Some("same-origin")
    );

    let html = page.text.replace("http://www.w3.org/2000/svg", "");
    for foreign in ["http:", "https:", "//cdn", "@import", "url(", "src="] {
        assert!(!html.contains(foreign), "{foreign}");
    }
    // The policy would stop these, too.
    let (markup, _) = html.split_once("<script>").unwrap();
    for inline in [" style=\"", " onclick", " onload", "javascript:"] {
        assert!(!markup.contains(inline), "{inline}");
    }
}

#[tokio::test]
async fn no_other_host_and_no_other_site_reaches_it() {
    let (_example, url) = start(&[]).await;
    let mut timelines = Timelines::open(&url).await;
    let own = url.strip_prefix("http://").unwrap();
    let port = own.rsplit(':').next().unwrap();
    let local = format!("localhost:{port}");
    let rotate = format!("{url}/controls/rotate");

    // A name that leads here by DNS rebinding, in each way to write it.
    let foreign = [
        "evil.example",
        &format!("evil.example:{port}"),
        "127.0.0.1",
        "127.0.0.1:1",
        &format!("127.0.0.1.evil.example:{port}"),
    ];
    for host in foreign {
        for (method, path) in [
            ("GET", "/"),
            ("GET", "/events"),
            ("GET", "/rows/0"),
            ("POST", "/controls/rotate"),
            ("POST", "/explain/jwt"),
            ("GET", "/sign-in"),
        ] {
            let request = client().request(method.parse().unwrap(), format!("{url}{path}"));
            let answer = request.header("host", host).send().await.unwrap();
            assert_eq!(answer.status(), 421, "{host} {method} {path}");
        }
    }
    // Another site, and the same host on another port.
    for (origin, site) in [
        ("https://evil.example", "cross-site"),
        ("http://127.0.0.1:1", "same-site"),
        ("null", "cross-site"),
    ] {
        for path in ["/controls/rotate", "/explain/jwt", "/sign-out"] {
            let headers = [("origin", origin), ("sec-fetch-site", site)];
            let answer = ask("POST", &format!("{url}{path}"), &headers).await;
            assert_eq!(answer.status, 403, "{origin} {path}");
            // A browser that does not send the second one.
            let answer = ask("POST", &format!("{url}{path}"), &headers[..1]).await;
            assert_eq!(answer.status, 403, "{origin} {path}");
        }
    }
    // Nor does another site read or begin anything; a link may lead to the page, and back from Authgear.
    for (path, status) in [
        ("/events", 403),
        ("/rows/0", 403),
        ("/sign-in", 403),
        ("/", 200),
        ("/callback", 404),
    ] {
        for site in ["cross-site", "same-site"] {
            // The stream has no end that could be waited for.
            let request = client()
                .get(format!("{url}{path}"))
                .header("sec-fetch-site", site);
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status().as_u16(), status, "{site} {path}");
        }
    }
    for site in ["same-origin", "none"] {
        let headers = [("sec-fetch-site", site)];
        let answer = ask("GET", &format!("{url}/rows/0"), &headers).await;
        assert_eq!(answer.status, 200, "{site}");
    }
    let preflight = ask("OPTIONS", &rotate, &[("origin", "https://evil.example")]).await;
    assert_eq!(preflight.header("access-control-allow-origin"), None);
    // A GET presses nothing.
    assert_eq!(get(&rotate, None).await.status, 405);
    timelines
        .until("a second", |seen| seen.marks[0].len() >= 5)
        .await;
    assert!(timelines.stories.is_empty(), "{:?}", timelines.stories);

    // The page itself, by both names.
    for host in [own, &local] {
        let origin = format!("http://{host}");
        let headers = [
            ("host", host),
            ("origin", origin.as_str()),
            ("sec-fetch-site", "same-origin"),
        ];
        assert_eq!(ask("POST", &rotate, &headers).await.status, 204, "{host}");
        assert_eq!(
            ask("GET", &url, &[("host", host)]).await.status,
            200,
            "{host}"
        );
    }
    timelines
        .until("two presses", |seen| seen.stories.len() == 2)
        .await;
}

#[tokio::test]
async fn an_unknown_button_or_person_is_404_and_too_many_presses_are_429() {
    let (_example, url) = start(&[]).await;
    for path in [
        "/controls/format-disk",
        "/controls/disable",
        "/controls/disable?who=Robot",
        "/controls/disable?who=alice",
        "/rows/1000",
        "/sign-in",
        "/callback",
    ] {
        let method = if path.starts_with("/controls") {
            "POST"
        } else {
            "GET"
        };
        assert_eq!(
            ask(method, &format!("{url}{path}"), &[]).await.status,
            404,
            "{path}"
        );
    }
    for path in ["/rows/-1", "/rows/99999999999999999999", "/rows/%FF"] {
        assert_eq!(
            get(&format!("{url}{path}"), None).await.status,
            400,
            "{path}"
        );
    }
    let mut statuses = Vec::new();
    for _ in 0..30 {
        statuses.push(
            ask("POST", &format!("{url}/controls/flood"), &[])
                .await
                .status,
        );
    }
    assert_eq!(statuses[0], 204);
    assert!(statuses.contains(&429), "{statuses:?}");
}

#[tokio::test]
async fn a_pasted_token_is_explained_and_written_nowhere() {
    let mut own = command("playground", &[("RUST_LOG", "trace")]);
    own.stderr(std::process::Stdio::piped());
    let mut example = Example::spawn(own);
    let mut errors = example.errors();
    let line = example.line().await;
    let url = line.strip_prefix("listening on ").unwrap();
    let mut timelines = Timelines::open(url).await;
    let other = FakeAuthgear::start().await;
    let token = other.token(&other.add_user(User::new("mallory"))).sign();
    let explain = async |api: &str, token: &str| {
        let request = client()
            .post(format!("{url}/explain/{api}"))
            .body(token.to_owned());
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    for api in ["jwt", "webhook", "live", "projects"] {
        let (status, text) = explain(api, &format!(" Bearer {token}\n")).await;
        assert_eq!(status, 200);
        assert!(text.contains("verdict: refused"), "{text}");
        assert!(text.contains(other.endpoint()), "{text}");
        assert!(!text.contains(token.rsplit('.').next().unwrap()), "{text}");
    }
    // Where no token is read there is nothing to explain.
    for api in ["resolver", "gateway", "nothing"] {
        assert_eq!(explain(api, &token).await.0, 404, "{api}");
    }
    assert_eq!(explain("jwt", &"x".repeat(20_000)).await.0, 413);
    for odd in [
        "",
        "Bearer",
        "Bearer Bearer",
        "\0",
        "a.b.c",
        "....",
        "\u{1f600}.\u{1f600}.",
    ] {
        let (status, text) = explain("jwt", odd).await;
        assert!(
            status == 200 && text.contains("verdict: refused"),
            "{odd:?}: {text}"
        );
    }
    timelines
        .until("a second", |seen| seen.marks[0].len() >= 5)
        .await;
    assert!(!timelines.text.contains(&token[..40]));
    example.end_by("KILL").await;
    while let Some(line) = errors.next_line().await.unwrap() {
        assert!(!line.contains(&token[..40]), "{line}");
    }
}

#[tokio::test]
async fn bad_variables_are_named() {
    for (variables, named) in [
        (&[("LISTEN", "0.0.0.0:0")][..], "LISTEN"),
        (&[("LISTEN", "[::]:0")], "LISTEN"),
        (&[("LISTEN", "127.0.0.1")], "LISTEN"),
        (
            &[("AUTHGEAR_ENDPOINT", "https://a.example")],
            "AUTHGEAR_CLIENT_ID",
        ),
        (
            &[
                ("AUTHGEAR_ENDPOINT", "http://authgear:3000"),
                ("AUTHGEAR_CLIENT_ID", "spa"),
            ],
            "AUTHGEAR_ENDPOINT",
        ),
    ] {
        let environment: Vec<_> = variables
            .iter()
            .map(|(name, value)| (*name, OsString::from(value)))
            .collect();
        let output = run("playground", &environment).await;
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.starts_with(&format!("{named}: ")), "{said}");
        assert!(output.stdout.is_empty());
    }
}
