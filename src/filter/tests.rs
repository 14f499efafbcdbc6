use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::model::{AgentId, TenantId};

fn headers() -> Headers {
    Headers(BTreeMap::from([("x-github-event".to_owned(), "issues".to_owned())]))
}

fn asked(filter: &Filter, payload: &Value) -> Result<bool, EvalFault> {
    let tenant_id: TenantId = "acme".parse().expect("an id");
    let facts = AgentFacts { id: AgentId::new(), tenant_id: &tenant_id, name: "Triage", version: 3 };
    filter.matches(payload, &headers(), facts)
}

fn quick(filter: &Filter, payload: &Value) -> Option<Result<bool, EvalFault>> {
    let tenant_id: TenantId = "acme".parse().expect("an id");
    let facts = AgentFacts { id: AgentId::new(), tenant_id: &tenant_id, name: "Triage", version: 3 };
    filter.quick_matches(payload, &headers(), facts)
}

fn compiled(text: &str) -> Filter {
    Filter::compile(text, Names::Hook).unwrap_or_else(|fault| panic!("{text}: {fault}"))
}

fn fault(text: &str) -> String {
    Filter::compile(text, Names::Hook).err().unwrap_or_else(|| panic!("{text:.100} is taken")).to_string()
}

#[test]
fn what_matches_and_what_does_not() {
    let payload = json!({
        "action": "opened", "n": 5, "big": u64::MAX, "huge": 123456789012345678901234567890_f64, "f": 1.0, "no": null,
        "nul": "a\u{0}b", "on": true, "labels": ["bug", "ui"], "odd key": 1, "empty": [], "nested": {"a": {"b": [1, 2]}},
        "items": [{"price": 3, "sku": "a"}, {"price": 12, "sku": "b"}], "text": "Straße — offen", "same": {"b": [1, 2]},
    });
    for (filter, expected) in [
        ("payload.action == 'opened'", true),
        ("payload.action in ['closed', 'reopened']", false),
        ("payload.action in ['closed', 'opened']", true),
        ("'bug' in payload.labels", true),
        ("'x' in payload.labels", false),
        ("'n' in payload", true),
        ("has(payload.n) && !has(payload.m)", true),
        ("has(payload.no)", true),
        ("payload.no == null", true),
        ("payload.n == null", false),
        ("payload.n > 4 && payload.n < 5.5", true),
        ("payload.n == 5.0 && payload.f == 1", true),
        ("payload.big > 9223372036854775807", true),
        ("payload.big == 18446744073709551615u", true),
        ("payload.huge > payload.big", true),
        ("payload.nul == 'a\\u0000b'", true),
        ("payload.on", true),
        ("!payload.on", false),
        ("payload['odd key'] == 1", true),
        ("payload.labels[1] == 'ui'", true),
        ("size(payload.labels) == 2 && payload.labels.size() == 2", true),
        ("size(payload.text) == 14", true),
        (
            "payload.text.contains('ß') && payload.text.startsWith('Str') && payload.text.endsWith('offen')",
            true,
        ),
        ("payload.action.upperAscii() == 'OPENED'", true),
        ("payload.items.exists(i, i.price > 10)", true),
        ("payload.items.all(i, i.price > 10)", false),
        ("payload.items.exists_one(i, i.sku == 'a')", true),
        ("size(payload.items.filter(i, i.price > 1)) == 2", true),
        ("payload.items.map(i, i.sku) == ['a', 'b']", true),
        ("['a', 'b'] == payload.items.map(i, i.sku)", true),
        ("payload.labels == ['bug', 'ui'] && ['bug', 'ui'] == payload.labels", true),
        ("['bug'] == payload.labels", false),
        ("['bug'] != payload.labels", true),
        ("payload.nested.a == payload.same && payload.same == payload.nested.a", true),
        ("payload.nested == payload.same", false),
        ("payload.empty.all(x, x == 1) && !payload.empty.exists(x, x == 1)", true),
        ("payload.same.all(key, key == 'b')", true),
        ("payload.same.b.all(x, x in payload.nested.a.b)", true),
        ("headers['x-github-event'] == 'issues' && has(headers.missing) == false", true),
        ("agent.name == 'Triage' && agent.version == 3 && agent.tenant_id == 'acme'", true),
        ("type(payload.n) == int && type(payload.labels) == list && type(payload.same) == map", true),
        ("string(payload.n) == '5' && int('7') == 7 && double(payload.n) * 2.0 == 10.0", true),
        ("payload.n % 2 == 1 ? payload.on : false", true),
        ("payload.missing == 1 || payload.on", true),
        ("payload.missing == 1 && !payload.on", false),
        ("true", true),
    ] {
        assert_eq!(asked(&compiled(filter), &payload), Ok(expected), "{filter}");
        assert_eq!(quick(&compiled(filter), &payload), Some(Ok(expected)), "{filter}");
    }
}

#[test]
fn a_filter_over_events_names_the_event_and_nothing_else() {
    let event = Event::new(
        "custom.order.paid".parse().expect("a type"),
        "acme".parse().ok(),
        crate::model::Time::UNIX_EPOCH,
        &json!({"amount": 1200, "lines": [{"sku": "a"}]}),
    );
    let facts = event_facts(&event);
    for (text, expected) in [
        ("event.type == 'custom.order.paid'", true),
        ("event.data.amount > 1000 && event.tenant_id == 'acme'", true),
        ("event.data.lines.exists(line, line.sku == 'b')", false),
        ("event.execution_id == null", true),
        ("event.data['amount'] < 5", false),
    ] {
        let filter = Filter::compile(text, Names::Event).unwrap_or_else(|fault| panic!("{text}: {fault}"));
        assert_eq!(filter.matches_event(&facts), Ok(expected), "{text}");
        assert_eq!(filter.quick_matches_event(&facts), Some(Ok(expected)), "{text}");
    }
    let missing = Filter::compile("event.data.currency == 'EUR'", Names::Event).expect("compiles");
    assert!(missing.matches_event(&facts).is_err());
    for (text, names, part) in [
        ("payload.a == 1", Names::Event, "there is no `payload`: the name is event: write event.data"),
        ("headers['a'] == ''", Names::Event, "there is no `headers`: the name is event, with type"),
        ("event.at == ''", Names::Event, "there is no `event.at`: it has type, data, tenant_id"),
        ("event", Names::Event, "no question"),
        ("event.data.all(event, true)", Names::Event, "a name of its own"),
        ("", Names::Event, "null takes every event"),
        ("event.type == ''", Names::Hook, "there is no `event`: the names are payload, headers and agent"),
    ] {
        let fault =
            Filter::compile(text, names).err().unwrap_or_else(|| panic!("{text} is taken")).to_string();
        assert!(fault.contains(part), "{text}: {fault}");
    }
}

#[test]
fn what_cannot_be_said_is_told_without_values() {
    let payload = json!({"s": "planted", "n": 1, "no": null, "list": ["planted"], "big": i64::MAX, "map": {}, "ma": "ma"});
    for (filter, expected) in [
        ("payload.action == 'opened'", "there is no `action`: has(…) asks whether there is one"),
        ("payload.s.t == 1", "found no matching overload for '_._' applied to '(string, string)'"),
        ("payload.no.t == 1", "found no matching overload for '_._' applied to '(null_type, string)'"),
        ("payload.s", "it says neither true nor false, but a string"),
        ("payload.s > payload.n", "found no matching overload for '_>_' applied to '(string, int)'"),
        ("payload.n.contains('x')", "found no matching overload for 'contains' applied to 'int.(string)'"),
        ("payload.s + 1 == payload.s", "`add` takes two numbers or two texts of one type"),
        ("payload.list[1] == 'x'", "a list has no element of that number"),
        ("payload.list['x'] == 'x'", "found no matching overload for '_[_]' applied to '(list, string)'"),
        ("payload[1] == 'x'", "found no matching overload for '_[_]' applied to '(map, int)'"),
        ("payload.n / 0 == 1", "it divides by zero"),
        ("payload.big + 1 > 1", "a number is too large"),
        ("payload.n.all(x, x == 1)", "there is a int where iterable is needed"),
        ("payload.list.all(x, x > 1)", "found no matching overload for '_>_' applied to '(string, int)'"),
        ("int(payload.s) == 1", "int(…) cannot take this value"),
        ("payload.map[payload.s] == 1", "the object has no such member"),
        ("payload.map[payload.ma + payload.s] == 1", "the object has no such member"),
        ("payload['ma' + 'p'][payload.map.s] == 1", "there is no `s`: has(…) asks whether there is one"),
        ("payload['odd key'] == 1", "there is no `odd key`: has(…) asks whether there is one"),
        ("payload && true", "found no matching overload for '_&&_' applied to '(map, bool)'"),
    ] {
        let fault = asked(&compiled(filter), &payload).expect_err(filter).to_string();
        assert_eq!(fault, expected, "{filter}");
        assert!(!fault.contains("planted"), "{filter}: {fault}");
    }
}

#[test]
fn a_fault_says_where_and_what_to_do() {
    for (filter, expected) in [
        ("", "must not be empty: null takes every payload"),
        (" \n", "must not be empty: null takes every payload"),
        ("payload.a ==", "line 1, column 13: is no CEL expression: "),
        (
            "payload.a == 'ä' &&\n  body.b",
            "line 2, column 3: there is no `body`: the names are payload, headers and agent",
        ),
        ("'ä' == foo", "line 1, column 8: there is no `foo`"),
        ("payload.a.matches('x')", "regular expressions are not taken"),
        ("frob(payload.a)", "line 1, column 5: there is no function `frob`"),
        ("payload.a.replace('a', 'b') == ''", "there is no function `replace`"),
        ("headers['X-GitHub-Event'] == 'issues'", "write headers['x-github-event']"),
        ("headers.Host == 'x'", "write headers['host']"),
        ("agent.secret == 'x'", "there is no `agent.secret`: it has id, tenant_id, name, version"),
        ("payload.a.all(x, payload.b.all(y, x == y))", "may not stand inside one another"),
        ("payload.a.map(x, x.b).exists(y, y)", "go over a part of the payload, or a list"),
        ("([1] + [2]).all(x, x > 0)", "go over a part of the payload, or a list"),
        ("payload.a.all(payload, true)", "a name of its own"),
        ("{'a': 1} == payload", "{…} is not taken in a filter"),
        ("[[1]] == payload.a", "a list may hold no other list"),
        ("size(payload.a.map(x, [x, x])) == 1", "a list may hold no other list"),
        ("payload.?a == 1", "is no CEL expression"),
        ("'text'", "must say true or false, and this is a text"),
        ("1", "must say true or false"),
        ("payload", "must say true or false"),
        ("size(payload.a)", "must say true or false, and this is a number"),
        ("payload.a.filter(x, x)", "use exists"),
        ("payload.a ? 'x' : true", "must say true or false, and this is a text"),
        ("payload.a = 1", "is no CEL expression"),
        ("payload.a; drop", "is no CEL expression"),
        ("\u{0}", "is no CEL expression"),
    ] {
        let fault = fault(filter);
        assert!(fault.contains(expected), "{filter}: {fault}");
        assert!(fault.len() < 400, "{filter}: {fault}");
    }
}

#[test]
fn each_limit_of_a_filter_at_its_edge() {
    let long = |bytes: usize| format!("payload.a == '{}'", "x".repeat(bytes - "payload.a == ''".len()));
    for bytes in [MAX_FILTER_BYTES - 1, MAX_FILTER_BYTES] {
        assert_eq!(long(bytes).len(), bytes);
        compiled(&long(bytes));
    }
    assert!(fault(&long(MAX_FILTER_BYTES + 1)).contains("must be at most 1024 bytes"));

    let list = |elements: usize| format!("payload.a in [{}]", vec!["1"; elements].join(","));
    compiled(&list(MAX_LIST - 1));
    compiled(&list(MAX_LIST));
    assert!(fault(&list(MAX_LIST + 1)).contains("at most 100 elements"));

    // `==` is one level, and the last number another
    let sum = |levels: usize| format!("{}1 == 1", "1+".repeat(levels - 1));
    for levels in [MAX_DEPTH - 1, MAX_DEPTH] {
        assert_eq!(asked(&compiled(&sum(levels)), &json!(null)), Ok(levels == 1));
    }
    assert!(fault(&sum(MAX_DEPTH + 1)).contains("nests deeper than 48 levels"));
}

#[test]
fn hostile_filters_are_refused_and_end_nobody() {
    let full = |part: &str| part.repeat(MAX_FILTER_BYTES / part.len());
    for filter in [
        format!("{}1", &full("1+")[..1022]),
        format!("payload{}", &full(".b")[..1016]),
        format!("payload{}", &full("[0]")[..999]),
        format!("payload{} == 1", &full(".b()")[..1000]),
        format!("{}1{} == 1", "(".repeat(500), ")".repeat(500)),
        format!("{}1{} == 1", "[".repeat(500), "]".repeat(500)),
        full("("),
        full("["),
        full("{"),
        full("a?"),
        format!("{}1", &full("a?b:")[..1020]),
        full("\\"),
        full("'"),
        full("\"\"\""),
        full("payload.a.all(x,"),
        format!("{}x{}", "payload.a.map(x,".repeat(50), ")".repeat(50)),
        full("has("),
    ] {
        assert!(filter.len() <= MAX_FILTER_BYTES, "{filter}");
        assert!(Filter::compile(&filter, Names::Hook).is_err(), "{filter}");
    }
    // These are wide, not deep: they are balanced, and taken.
    compiled(&format!("{}true", &full("true && ")[..1016]));
    compiled(&format!("{}true", &full("true || ")[..1016]));
    // and these are nothing to the parser: a pair is none
    assert_eq!(asked(&compiled(&format!("{}true", &full("!")[..1018])), &json!(1)), Ok(true));
}

#[test]
fn hostile_payloads_cost_no_more_than_they_may() {
    let many = json!({"list": vec![json!({"a": "x", "n": 1}); 33_000], "s": "x".repeat(1 << 20), "n": vec![1; 100_000],
        "wide": vec!["x".repeat(100); 10_000]});
    let too_much = Err(EvalFault("it takes too many steps on this payload: simplify the filter".into()));
    for filter in [
        "payload.n.all(x, !(x in payload.wide))",
        "payload.n.all(x, payload.n == payload.n)",
        "payload.n.exists(x, payload.s.contains('y'))",
        "payload.n.exists(x, payload.s.upperAscii() == 'y')",
        "size(payload.n.map(x, payload.s + payload.s)) == 0",
        "size([payload.s].map(x, x+x+x+x+x+x+x+x+x+x+x+x+x+x+x+x+x+x+x+x+x+x+x+x+x+x+x+x+x+x)) == 0",
        "size(payload.s+payload.s+payload.s+payload.s+payload.s+payload.s+payload.s+payload.s+payload.s+payload.s) == 0",
    ] {
        let filter = compiled(filter);
        assert_eq!(asked(&filter, &many), too_much, "{:?}", filter.costs);
        assert_eq!(quick(&filter, &many), None);
    }
    // a text in the filter is copied in each step
    let copies = format!("size(payload.n.map(x, string(x) + '{}')) == 0", "x".repeat(900));
    assert_eq!(asked(&compiled(&copies), &many), too_much);
    // What a person would ask is answered, off the server's threads.
    for (filter, expected) in [
        ("payload.n.exists(x, x == 2)", false),
        ("payload.list.all(x, x.a == 'x')", true),
        ("payload.list.exists(x, x.n > 1)", false),
        ("payload.s.contains('y') || payload.s.lowerAscii().contains('y')", false),
        ("payload.wide.exists(x, x.contains('y'))", false),
        ("2 in payload.n", false),
        ("payload.n == payload.n", true),
        ("payload == payload", true),
    ] {
        assert_eq!(asked(&compiled(filter), &many), Ok(expected), "{filter}");
        assert_eq!(quick(&compiled(filter), &many), None, "{filter}");
    }
    assert_eq!(
        quick(&compiled("payload.n[99999] == 1 && size(payload.list) == 33000"), &many),
        Some(Ok(true))
    );
}

#[test]
fn the_budget_counts_each_step() {
    let filter = compiled("payload.all(x, x == 1)");
    let sized = |elements: usize| json!(vec![1; elements]);
    // found by trying, and the same everywhere: nothing depends on the clock
    let (mut fits, mut over) = (1, 1_000_000);
    while fits + 1 < over {
        let middle = (fits + over) / 2;
        if quick(&filter, &sized(middle)).is_some() { fits = middle } else { over = middle }
    }
    let price = filter.costs.step + 1;
    assert!((QUICK_UNITS / price - 2..=QUICK_UNITS / price).contains(&fits), "{fits} of {price}");
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-c]{0,3}".prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map("[a-c]", inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Expressions, most of which are taken.
fn filters() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("payload".to_owned()),
        Just("payload.a".to_owned()),
        Just("payload.b[0]".to_owned()),
        Just("headers.a".to_owned()),
        Just("null".to_owned()),
        Just("[1, 'a']".to_owned()),
        any::<i32>().prop_map(|n| n.to_string()),
        "'[a-c]{0,3}'",
    ];
    leaf.prop_recursive(3, 16, 3, |inner| {
        let operators = ["==", "!=", "<", ">=", "&&", "||", "+", "-", "*", "/", "%", "in"];
        prop_oneof![
            (inner.clone(), prop::sample::select(operators.to_vec()), inner.clone())
                .prop_map(|(a, operator, b)| format!("({a} {operator} {b})")),
            inner.clone().prop_map(|a| format!("size({a})")),
            inner.clone().prop_map(|a| format!("!({a})")),
            (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
            inner.clone().prop_map(|a| format!("payload.a.exists(x, x == {a})")),
            inner.prop_map(|a| format!("has(payload.a) && {a} == payload.a")),
        ]
    })
}

proptest! {
    #[test]
    fn no_payload_and_no_filter_ends_the_process(text in filters(), payload in json()) {
        if let Ok(filter) = Filter::compile(&text, Names::Hook) {
            let whole = asked(&filter, &payload);
            if let Some(quick) = quick(&filter, &payload) {
                prop_assert_eq!(whole, quick);
            }
        }
    }

    #[test]
    fn no_text_ends_the_process(text in ".{0,200}") {
        let _ = Filter::compile(&text, Names::Hook);
    }

    #[test]
    fn a_value_equals_itself_and_no_other(a in json(), b in json()) {
        let payload = json!({"a": a, "b": b, "again": a});
        prop_assert_eq!(asked(&compiled("payload.a == payload.again"), &payload), Ok(true));
        let forth = asked(&compiled("payload.a == payload.b"), &payload);
        prop_assert_eq!(forth, asked(&compiled("payload.b == payload.a"), &payload));
    }
}
