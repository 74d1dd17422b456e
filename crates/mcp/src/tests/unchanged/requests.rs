//! Requests and their results.

use proptest::prelude::*;

use super::{
    Client, Era, KINDS, PAIRS, Received, config, contains,
    json::{json, object},
    run, server, usual_lists,
};

/// A method, what its header names, and the members of its parameters: `OBJECT` and `ANY` are what a case has there.
const METHODS: [(&str, Option<&str>, &str); 5] = [
    ("tools/call", Some("t"), r#""name":"t", "arguments" : OBJECT"#),
    ("prompts/get", Some("p"), r#""name":"p","arguments":OBJECT"#),
    ("resources/read", Some("a://r"), r#""uri":"a://r""#),
    (
        "completion/complete",
        None,
        r#""ref":{"type":"ref/prompt","name":"p","x-r":ANY},"argument":{"name":"a","value":"v", "x-a":ANY},"context":{"arguments":OBJECT,"x-c":ANY}"#,
    ),
    (
        "completion/complete",
        None,
        r#""ref":{"type":"ref/resource","uri":"b://{x}"},"argument":{"name":"x","value":"\u00e9"}"#,
    ),
];

/// The text without the members that results have in one era only, which the gateway puts first.
fn without_own(text: &str) -> String {
    text.replace(r#""resultType":"complete","#, "")
        .replace(r#""ttlMs":0,"cacheScope":"private","#, "")
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_a_request_carries_reaches_its_server_and_the_result_its_client(
        given in object(), any in json(), result in json(), kind in proptest::sample::select(KINDS.to_vec()),
    ) {
        run(async {
            for (client_era, server_era) in PAIRS {
                for (method, named, members) in METHODS {
                    let first = if server_era == Era::Modern { r#""resultType":"complete","# } else { "" };
                    let returned = format!(r#"{first}"content":[{result}],"x-result": {result} ,"structuredContent":{given}"#);
                    let of_result = returned.clone();
                    let server = server(server_era, usual_lists(), move |received: &Received| {
                        let id = &received.json["id"];
                        kind.answer(&[format!(r#"{{"jsonrpc":"2.0", "x-top":[], "result":{{{of_result}}},"id":{id}}}"#)])
                    });
                    let client = Client::new(&server, client_era).await;
                    let members = members.replace("OBJECT", &given).replace("ANY", &any);
                    let params = format!(r#"{members},"x-param": {any}"#);
                    let body = client.request(method, &params, &format!(r#","x.example/m":{any}"#), &format!(r#""x-first":{any} ,"#));
                    let messages = client.ask(&body, method, named).await;
                    let received = server.received(method).pop().unwrap();
                    let sent = std::str::from_utf8(&received.body).unwrap();
                    if (client_era, server_era) == (Era::Modern, Era::Modern) {
                        assert_eq!(sent, body);
                    }
                    contains(sent, &format!(r#""params":{{{params},"_meta":{{"#));
                    contains(sent, &format!(r#""x.example/m":{any}"#));
                    contains(sent, &format!(r#"{{"x-first":{any} ,"jsonrpc":"2.0","#));
                    assert_eq!(messages.len(), 1);
                    contains(&without_own(&messages[0]), &format!("{{{}}}", without_own(&returned)));
                    contains(&messages[0], r#""id":"i""#);
                    contains(&messages[0], r#"{"jsonrpc":"2.0", "x-top":[], "result":{"#);
                }
            }
        });
    }

    #[test]
    fn what_an_error_says_reaches_the_client(data in json(), code in -32_000_i64..-1) {
        run(async {
            for (client_era, server_era) in PAIRS {
                for (method, named, members) in METHODS {
                    let error = format!(r#"{{ "code":{code},"message":"\u00e9","data":{data}, "x-e":{data}}}"#);
                    let returned = error.clone();
                    let server = server(server_era, usual_lists(), move |received: &Received| {
                        let id = &received.json["id"];
                        KINDS[0].answer(&[format!(r#"{{"id":{id},"error":{returned},"jsonrpc":"2.0"}}"#)])
                    });
                    let client = Client::new(&server, client_era).await;
                    let params = members.replace("OBJECT", "{}").replace("ANY", "1");
                    let messages = client.ask(&client.request(method, &params, "", ""), method, named).await;
                    contains(&messages[0], &format!(r#""error":{error}"#));
                }
            }
        });
    }
}
