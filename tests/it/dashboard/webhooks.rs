//! Webhooks: how they are, what was sent, and the buttons that mend it.

use wiremock::ResponseTemplate;

use super::{Browser, failed_delivery};
use crate::harness::{ADMIN_KEY, Receiver, Server, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn one_is_read_and_mended() {
    let (server, receiver) = (Server::start().await, Receiver::start().await);
    server.agent().await;
    receiver.answers(ResponseTemplate::new(500).set_body_string("out of order"));
    let (webhook_id, delivery_id) = failed_delivery(&server, &receiver, serde_json::json!({})).await;
    let browser = Browser::signed_in(&server, ADMIN_KEY).await;
    let path = format!("/webhooks/{webhook_id}");
    let list = browser.sees("/webhooks").await;
    assert!(list.has(&format!("href=\"{path}\">{}</a>", receiver.url())), "{}", list.text);
    let page = browser.sees(&path).await;
    let delivery = format!("{path}/deliveries/{delivery_id}");
    for part in
        [format!("href=\"{delivery}\""), "1 altogether.".into(), ">failed</span>".into(), "0.0 %".into()]
    {
        assert!(page.has(&part), "{part}: {}", page.text);
    }
    let attempt = browser.sees(&delivery).await;
    for part in ["Attempt 1", "<dd>500</dd>", "<pre tabindex=\"0\">out of order</pre>", "webhook-signature"] {
        assert!(attempt.has(part), "{part}: {}", attempt.text);
    }
    receiver.answers(ResponseTemplate::new(204));
    let again = browser.press(&attempt, &format!("{delivery}/retry")).await;
    assert!(browser.sees(again.header("location")).await.has("The delivery is due"));
    eventually("it has succeeded", async || {
        let page = browser.sees(&format!("{path}?status=success")).await;
        page.has(&delivery_id).then_some(())
    })
    .await;
    assert!(browser.sees(&format!("{path}?status=exhausted")).await.has("There are none."));

    let page = browser.sees(&path).await;
    let tested = browser.press(&page, &format!("{path}/test")).await;
    assert!(browser.sees(tested.header("location")).await.has("A test is being sent"));
    receiver.got(3).await;
    let since = [("since", "2020-01-01T00:00"), ("until", "")];
    let recovered = browser.press_with(&page, &format!("{path}/recover"), &since).await;
    assert!(browser.sees(recovered.header("location")).await.has("is sent again"));
    let backwards = [("since", "2020-01-02T00:00"), ("until", "2020-01-01T00:00")];
    let refused = browser.press_with(&page, &format!("{path}/recover"), &backwards).await;
    assert_eq!(refused.status, 422);
    assert!(
        refused.has("must be later than since") && refused.has(&format!("href=\"{path}\"")),
        "{}",
        refused.text
    );

    let disabled = browser.press(&page, &format!("{path}/disable")).await;
    let page = browser.sees(disabled.header("location")).await;
    assert!(page.has(">disabled</span>: by hand"), "{}", page.text);
    let enabled = browser.press(&page, &format!("{path}/enable")).await;
    assert!(browser.sees(enabled.header("location")).await.has(">active</span>"));
    let log = server.get(&format!("/api/v1/audit?subject={webhook_id}")).await;
    let actions: Vec<_> = log["audit"].as_array().expect("a list").iter().map(|row| &row["action"]).collect();
    let all = ["enabled", "disabled", "recovered", "tested", "tested", "created"]
        .map(|word| format!("webhook.{word}"));
    assert_eq!(actions, all.each_ref());
}
