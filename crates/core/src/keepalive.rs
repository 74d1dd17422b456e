use std::time::Duration;

use socket2::TcpKeepalive;

/// Asks a silent peer whether it lives after a minute, and waits another minute for its answer.
pub fn keepalive() -> TcpKeepalive {
    TcpKeepalive::new()
        .with_time(Duration::from_mins(1))
        .with_interval(Duration::from_secs(15))
        .with_retries(4)
}
