use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// Names with fixed addresses; `rebinds` has another one from the second look on.
struct Fixed(AtomicUsize);

impl Names for Fixed {
    fn look_up(&self, name: &str) -> BoxFuture<'static, std::io::Result<Vec<IpAddr>>> {
        let found: &[&str] = match name.trim_end_matches('.') {
            "hangs.test" => return Box::pin(std::future::pending()),
            "public.test" => &["8.8.8.8", "2606:4700:4700::1111"],
            "mixed.test" => &["8.8.8.8", "10.0.0.1"],
            "private.test" => &["::ffff:169.254.169.254"],
            "rebinds.test" if self.0.fetch_add(1, Ordering::SeqCst) == 0 => &["8.8.8.8"],
            "rebinds.test" | "localhost" => &["127.0.0.1"],
            _ => &[],
        };
        let found = found.iter().map(|text| text.parse().expect("an address")).collect();
        Box::pin(async move { Ok(found) })
    }
}

fn guard(allow: &[&str]) -> Guard {
    let allow = allow.iter().map(|text| text.parse().expect("a network")).collect();
    Guard::with_names(allow, Fixed(AtomicUsize::new(0)))
}

#[test]
fn every_spelling_of_a_private_address_is_refused() {
    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "0x7f.1",
        "127.0.0.1.",
        "１２７.０.０.１",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[0:0:0:0:0:ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[64:ff9b:1:7f00:0:100:808:808]",
        "[2002:7f00:1::]",
        "169.254.169.254",
        "0",
        "[::]",
        "10.0.0.1",
        "192.168.0.1",
        "[fd00:ec2::254]",
        "[fe80::1]",
        "224.0.0.1",
        "①②⑦.⓪.⓪.①",
    ] {
        let url = format!("http://{host}/hook");
        assert_eq!(guard(&[]).parse(&url).expect_err(&url), TargetFault::Private, "{url}");
    }
}

#[test]
fn forms_that_nothing_is_sent_to() {
    for url in [
        "",
        "example.com",
        "ftp://example.com",
        "file:///etc/passwd",
        "https://",
        "http://user@example.com/",
        "http://8.8.8.8@127.0.0.1/",
        "https://example.com/#a",
        "http://example.com:0/",
        "http://256.1.1.1/",
        " https://example.com/",
        "https://example.com/a b",
        "https://example.com/\r\nx",
        "https://example.com/\u{1b}[31m",
        "http:example.com/",
        "http:///example.com/",
        "http://example.com\\@10.0.0.1/",
    ] {
        assert!(matches!(guard(&[]).parse(url), Err(TargetFault::Form(_))), "{url}");
    }
    let long = |bytes: usize| format!("https://example.com/{}", "x".repeat(bytes - 20));
    assert!(guard(&[]).parse(&long(2047)).is_ok() && guard(&[]).parse(&long(2048)).is_ok());
    assert!(guard(&[]).parse(&long(2049)).is_err());
    assert!(guard(&[]).parse("https://example.com:8443/a?b=c").is_ok());
}

#[test]
fn what_is_allowed_is_reached_and_nothing_beside_it() {
    let guard = guard(&["127.0.0.0/8", "fd00::/8"]);
    for url in ["http://127.0.0.1:8080/", "http://[::ffff:127.0.0.1]/", "http://[fd00::1]/"] {
        assert!(guard.parse(url).is_ok(), "{url}");
    }
    assert_eq!(guard.parse("http://10.0.0.1/"), Err(TargetFault::Private));
}

#[tokio::test]
async fn names_are_judged_by_all_their_addresses() {
    let guard = guard(&[]);
    for (name, wanted) in [
        ("public.test", Ok(Resolution::Fine)),
        ("mixed.test", Err(TargetFault::Private)),
        ("private.test", Err(TargetFault::Private)),
        ("localhost", Err(TargetFault::Private)),
        ("localhost.", Err(TargetFault::Private)),
        ("nowhere.test", Ok(Resolution::Unknown)),
    ] {
        assert_eq!(guard.check(&format!("https://{name}/")).await, wanted, "{name}");
    }
}

#[tokio::test]
async fn a_name_is_looked_up_again_when_it_is_connected_to() {
    let guard = guard(&[]);
    assert_eq!(guard.check("https://rebinds.test/").await, Ok(Resolution::Fine));
    let again = guard.resolve("rebinds.test".parse().expect("a name")).await;
    assert!(again.err().expect("refused").is::<Refused>());
    let Ok(public) = guard.resolve("public.test".parse().expect("a name")).await else { panic!("public") };
    assert_eq!(public.count(), 2, "exactly what was checked");
}

#[tokio::test]
async fn names_that_hang_take_no_more_than_their_turns() {
    let guard = guard(&[]);
    let hanging = (0..LOOK_UPS).map(|_| guard.look_up("hangs.test"));
    let hanging = futures_util::future::join_all(hanging.map(|one| async {
        // Who asked has gone, and the resolver is still at it.
        tokio::time::timeout(Duration::from_millis(1), one).await.expect_err("it hangs");
    }));
    hanging.await;
    assert_eq!(guard.turns.available_permits(), 0);
    assert_eq!(guard.check("https://public.test/").await, Ok(Resolution::Unknown), "none is free");
    let found = guard.resolve("public.test".parse().expect("a name")).await;
    assert!(found.err().expect("none is free").is::<Unresolved>());
}
