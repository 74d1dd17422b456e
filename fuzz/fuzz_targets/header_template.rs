//! Custom headers: the first line is a name, the rest a value with references to secrets.

#![no_main]

use gatewright_domain::{
    header_template::{Part, check_header_name, parse},
    header_text::is_header_text,
    stored_secret::check_secret_name,
};
use gatewright_fuzz::first_line;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((name, value)) = first_line(data) else {
        return;
    };
    if check_header_name(name).is_ok() {
        let header =
            http::HeaderName::from_bytes(name.as_bytes()).expect("an accepted name is a header's name");
        let folded = header.as_str().replace('_', "-");
        assert!(
            !folded.starts_with("gatewright-") && !folded.starts_with("mcp-"),
            "{name}"
        );
        assert!(
            ![
                "host",
                "content-length",
                "transfer-encoding",
                "connection",
                "arcade-user-id"
            ]
            .contains(&&*folded)
        );
    }
    let Ok(value) = std::str::from_utf8(value) else {
        return;
    };
    if is_header_text(value) {
        http::HeaderValue::from_str(value).expect("an accepted text is a header's value");
    }
    let Ok(parts) = parse(value) else {
        return;
    };
    let mut again = String::new();
    for part in parts {
        match part {
            Part::Text(text) => {
                assert!(
                    !text.is_empty() && !text.contains("${"),
                    "a reference is never sent as it stands"
                );
                again.push_str(text);
            }
            Part::Secret(name) => {
                assert!(check_secret_name(name));
                again.push_str(&format!("${{secret:{name}}}"));
            }
        }
    }
    assert_eq!(again, value, "nothing is lost and nothing added");
});
