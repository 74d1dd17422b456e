//! Notifications on the stream of a call.

use proptest::prelude::*;

use super::{Client, Kind, PAIRS, config, contains, json::json, run, server, usual_lists};
use crate::wire::version::Era;

/// A client of the stateless era says with each request which log messages it wants.
const LEVEL: &str = r#","io.modelcontextprotocol/logLevel":"info""#;

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_a_server_reports_reaches_the_client(any in json()) {
        run(async {
            for (client_era, server_era) in PAIRS {
                let message = format!(
                    r#"{{"jsonrpc":"2.0", "x-top":{any},"method":"notifications/message","params":{{ "level":"info","data":{any},"x-m": {any}}}}}"#
                );
                let unknown = format!(r#"{{"method":"notifications/x-own","params":{{"x":{any} }},"jsonrpc":"2.0"}}"#);
                let progress = |token: &str| {
                    format!(
                        r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"x-p":{any}, "progressToken":{token},"progress":1.50e+0,"message":"\u00e9"}}}}"#
                    )
                };
                let (told, also, progresses) = (message.clone(), unknown.clone(), progress("TOKEN"));
                let server = server(server_era, usual_lists(), move |received| {
                    let id = &received.json["id"];
                    let token = received.json["params"]["_meta"]["progressToken"].to_string();
                    let result = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"resultType":"complete","content":[]}}}}"#);
                    Kind::Events.answer(&[told.clone(), also.clone(), progresses.replace("TOKEN", &token), result])
                });
                let client = Client::new(&server, client_era).await;
                let level = if client_era == Era::Modern { LEVEL } else { "" };
                let call = client.request("tools/call", r#""name":"t""#, level, "");
                let messages = client.ask(&call, "tools/call", Some("t")).await;
                assert_eq!(messages[..3], [message, unknown, progress(r#""p""#)], "{client_era:?} {server_era:?}");
                contains(&messages[3], r#""content":[]"#);
            }
        });
    }
}
