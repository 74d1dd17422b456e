//! The entries of lists.

use proptest::prelude::*;

use super::{Client, PAIRS, config, contains, json::json, run, server, usual_lists};

/// A list, its member, and an entry; `ANY` is what a case has there.
const LISTS: [(&str, &str, &str); 4] = [
    (
        "tools/list",
        "tools",
        r#"{ "x-first":ANY,"name":"t","description":"\u00e9","inputSchema":{"type":"object", "x-s":ANY},"annotations":{"x-a": ANY},"_meta":{"x.example/m":ANY} }"#,
    ),
    (
        "prompts/list",
        "prompts",
        r#"{"arguments":[ {"name":"a","x-a":ANY}],"x-p":ANY, "name":"p"}"#,
    ),
    (
        "resources/list",
        "resources",
        r#"{"uri":"a://r","size":1.0e+2,"x-r":ANY ,"name":"\u00e9"}"#,
    ),
    (
        "resources/templates/list",
        "resourceTemplates",
        r#"{"x-t":ANY, "uriTemplate":"b://{x}","name":"b","annotations":{"priority":0.50,"x":ANY}}"#,
    ),
];

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_entries_of_a_list_reach_the_client(any in json()) {
        run(async {
            for (client_era, server_era) in PAIRS {
                for (method, member, entry) in LISTS {
                    let entry = entry.replace("ANY", &any);
                    let mut lists = usual_lists();
                    lists.insert(method, (member, format!("[ {entry} ]")));
                    let server = server(server_era, lists, |_| unreachable!("only lists are asked for"));
                    let client = Client::new(&server, client_era).await;
                    // From the server, and from memory.
                    for _ in 0..2 {
                        let messages = client.ask(&client.request(method, "", "", ""), method, None).await;
                        contains(&messages[0], &format!(r#""{member}":[{entry}]"#));
                    }
                }
            }
        });
    }
}
