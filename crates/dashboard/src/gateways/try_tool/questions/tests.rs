use super::*;

fn raw(value: &Value) -> Box<RawValue> {
    RawValue::from_string(value.to_string()).unwrap()
}

/// The questions in `inputRequests` with one form, whose schema is this text.
fn one(schema: &str) -> Question {
    let text = format!(
        r#"{{"k":{{"method":"elicitation/create","params":{{"message":"?","requestedSchema":{schema}}}}}}}"#
    );
    let requests = RawValue::from_string(text).unwrap();
    read(Some(&requests)).unwrap().remove(0)
}

fn rows_of(question: &Question) -> &[Row] {
    match &question.input {
        Input::Form { rows, .. } => rows,
        other => panic!("no form: {other:?}"),
    }
}

fn fields_of(question: &Question) -> Vec<&Field> {
    let fields = rows_of(question).iter().filter_map(|row| match row {
        Row::Field(field) => Some(&**field),
        Row::Open { .. } | Row::Close => None,
    });
    fields.collect()
}

#[test]
fn fields_keep_the_order_of_the_server_and_help_with_what_is_entered() {
    let question = one(r#"{"type":"object","required":["z"],"properties":{
            "z":{"type":"string","format":"date-time","description":"When?"},
            "mail":{"type":"string","format":"email","title":"E-mail"},
            "page":{"type":"string","format":"uri"},
            "day":{"type":"string","format":"date"},
            "long":{"type":"string","maxLength":5000},
            "lines":{"type":"string","default":"a\nb"},
            "a":{"type":"string","enum":["x","y"],"enumNames":["Ex","Why"]}}}"#);
    let shown: Vec<_> = fields_of(&question)
        .into_iter()
        .map(|field| {
            let kind = match &field.kind {
                Kind::One(Scalar::Text {
                    is_short: true,
                    input,
                    ..
                }) => (*input).to_owned(),
                Kind::One(Scalar::Text { .. }) => "area".to_owned(),
                Kind::Choice(choices) => choices.iter().map(|choice| choice.label.as_str()).collect(),
                other => panic!("{other:?}"),
            };
            (field.label.as_str(), kind)
        })
        .collect();
    let expected = [
        ("z", "text"),
        ("E-mail", "email"),
        ("page", "url"),
        ("day", "date"),
        ("long", "area"),
        ("lines", "area"),
        ("a", "ExWhy"),
    ];
    assert_eq!(shown, expected.map(|(label, kind)| (label, kind.to_owned())));
    let first = fields_of(&question)[0];
    assert_eq!(
        first.description,
        "When? A date and a time with its zone, like 2026-07-28T09:30:00Z."
    );
    assert_eq!(
        (first.posted_as().as_str(), first.is_required),
        ("argument:/1/z", true)
    );
    assert_eq!(first.id, "answer-1-argument-1");
}

#[test]
fn what_does_not_fit_into_a_form_is_entered_as_json() {
    let mut question = one(r#"{"anyOf":[{"type":"object"},{"type":"array"}],"required":["a"]}"#);
    assert!(matches!(fields_of(&question)[0].kind, Kind::Json));
    for (typed, error) in [
        ("[1]", "The answer must be a JSON object"),
        ("{", "This is not JSON"),
        ("{}", "a: This is required."),
    ] {
        question
            .fields()
            .for_each(|field| field.values = vec![typed.to_owned()]);
        assert_eq!(question.answer(), None, "{typed}");
        let said = fields_of(&question)[0].error.clone().unwrap_or_default();
        assert!(said.starts_with(error), "{said}");
    }
    question
        .fields()
        .for_each(|field| field.values = vec![r#"{"a":[1]}"#.to_owned()]);
    assert_eq!(
        question.answer(),
        Some(json!({"action": "accept", "content": {"a": [1]}}))
    );
    // One that asks for nothing is accepted with nothing.
    for nothing in ["{}", "null", r#"{"type":"object","properties":{}}"#] {
        let answer = one(nothing).answer();
        assert_eq!(
            answer,
            Some(json!({"action": "accept", "content": {}})),
            "{nothing}"
        );
    }
}

#[test]
fn what_is_not_as_mcp_has_it_is_not_a_question() {
    for requests in [json!([]), json!(1), json!({"k": 1}), json!({"k": {"params": {}}})] {
        assert!(read(Some(&raw(&requests))).is_none(), "{requests}");
    }
    assert!(read(None).unwrap().is_empty());
    for (method, params) in [
        ("roots/list", json!({})),
        ("elicitation/create", json!({"mode": "voice"})),
        ("elicitation/create", json!({"mode": 1})),
    ] {
        let requests = json!({"k": {"method": method, "params": params}});
        let questions = read(Some(&raw(&requests))).unwrap();
        assert!(matches!(&questions[0].input, Input::Other(said) if said.starts_with(method)));
    }
    // A message that is not a text is none.
    let requests = json!({"k": {"method": "elicitation/create", "params": {"message": {"a": 1}}}});
    assert_eq!(read(Some(&raw(&requests))).unwrap()[0].message, "");
    for (result, is_asking) in [
        (json!({"resultType": "input_required"}), true),
        (json!({"resultType": "complete"}), false),
        (json!({"content": []}), false),
        (json!([1]), false),
    ] {
        assert_eq!(InputRequired::of(&raw(&result)).is_some(), is_asking, "{result}");
    }
}

#[test]
fn only_complete_addresses_of_pages_are_opened_and_their_host_is_what_a_browser_reads() {
    for (url, host) in [
        ("https://login.example.com/a", "login.example.com"),
        ("http://127.0.0.1:8080/", "127.0.0.1"),
        ("https://bücher.example/", "xn--bcher-kva.example"),
        ("HTTPS://EXAMPLE.com", "example.com"),
    ] {
        assert_eq!(openable(url).as_deref(), Some(host), "{url}");
    }
    let long = format!("https://a.example/{}", "a".repeat(URL_MAX));
    for url in [
        "javascript:alert(1)",
        "file:///etc/passwd",
        "https://bank.example@evil.example/",
        "https://:x@evil.example/",
        "https://a.example/ b",
        "https://a.example/\tb",
        "/settings",
        long.as_str(),
    ] {
        assert_eq!(openable(url), None, "{url}");
    }
}
