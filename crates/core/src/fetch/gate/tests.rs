//! Shares and bounds of fetches of URLs that strangers chose.

use gatewright_domain::{clock::FixedClock, entropy::SeededEntropy, id::ProjectId};

use super::*;
use crate::fetch::Asker;

fn asker(address: &str) -> Asker {
    Asker::of(address.parse().unwrap())
}

const fn unknown(asker: &Asker) -> Standing<'_> {
    Standing::Unknown(asker)
}

#[tokio::test(start_paused = true)]
async fn a_host_is_limited_for_a_minute_and_others_are_not() {
    let gate = Gate::default();
    for _ in 0..PER_MINUTE {
        drop(gate.enter("a.example", None).await.unwrap());
    }
    assert_eq!(
        gate.enter("A.example", None).await.unwrap_err(),
        FetchError::Limited("A.example".into())
    );
    assert!(gate.enter("b.example", None).await.is_ok());
    tokio::time::advance(WINDOW).await;
    assert!(gate.enter("a.example", None).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_network_uses_no_more_than_its_share_of_a_host() {
    let gate = Gate::default();
    let enter = async |address: &str| {
        gate.enter("a.example", Some(unknown(&asker(address))))
            .await
            .is_ok()
    };
    for _ in 0..OF_NETWORK.of_host {
        assert!(enter("203.0.113.7").await);
    }
    assert!(!enter("203.0.113.8").await, "the same network");
    // Networks side by side share a half.
    let mut more = 0;
    for third in 0..100 {
        more += u32::from(enter(&format!("203.0.{third}.1")).await);
    }
    assert_eq!(more, OF_WIDE.of_host - OF_NETWORK.of_host);
    assert!(enter("198.51.100.7").await);
    assert!(enter("2001:db8:1:100::1").await);
    assert!(
        gate.enter("b.example", Some(unknown(&asker("203.0.113.7"))))
            .await
            .is_ok()
    );
    tokio::time::advance(WINDOW).await;
    assert!(enter("203.0.113.7").await);
}

#[tokio::test(start_paused = true)]
async fn hosts_that_hang_hold_the_places_of_one_network_only() {
    let gate = Gate::default();
    let (bad, good) = (asker("203.0.113.7"), asker("198.51.100.7"));
    let mut hanging = Vec::new();
    for number in 0..OF_NETWORK.at_once {
        let host = format!("h{number}.example");
        hanging.push(gate.enter(&host, Some(unknown(&bad))).await.unwrap());
    }
    assert!(gate.enter("one-more.example", Some(unknown(&bad))).await.is_err());
    assert!(gate.enter("good.example", Some(unknown(&good))).await.is_ok());
    hanging.pop();
    assert!(gate.enter("one-more.example", Some(unknown(&bad))).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn networks_of_one_provider_leave_room_for_others() {
    let gate = Gate::default();
    for number in 0..20_000_u32 {
        let address = format!("2001:db8:{:x}:{:x}::1", number >> 8, (number & 0xff) << 8);
        let host = format!("h{}.example", number % 1_000);
        drop(gate.enter(&host, Some(unknown(&asker(&address)))).await);
    }
    assert!(gate.counts.lock().unwrap().networks.len() < 1_000);
    assert!(
        gate.enter("good.example", Some(unknown(&asker("198.51.100.7"))))
            .await
            .is_ok()
    );
}

#[tokio::test(start_paused = true)]
async fn one_fetch_at_a_time_per_host() {
    let gate = Gate::default();
    let first = gate.enter("a.example", None).await.unwrap();
    let second = gate.enter("a.example", None);
    tokio::pin!(second);
    assert!(
        tokio::time::timeout(Duration::from_secs(1), &mut second)
            .await
            .is_err()
    );
    assert!(gate.enter("b.example", None).await.is_ok());
    drop(first);
    assert!(second.await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn hosts_that_hang_hold_the_places_of_one_project_only() {
    let gate = Gate::default();
    let [bad, good] = [1, 2].map(|seed| {
        let id = ProjectId::generate(&FixedClock::at_seconds(1), &SeededEntropy::new(seed));
        Some(Standing::Listed(id))
    });
    let mut hanging = Vec::new();
    for number in 0..OF_PROJECT.at_once {
        hanging.push(gate.enter(&format!("h{number}"), bad).await.unwrap());
    }
    assert!(gate.enter("one-more", bad).await.is_err());
    assert!(gate.enter("good", good).await.is_ok());
    hanging.pop();
    assert!(gate.enter("one-more", bad).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn made_up_names_below_a_domain_push_out_their_own_and_no_newcomer_is_refused() {
    let gate = Gate::default();
    for _ in 0..PER_MINUTE {
        drop(gate.enter("used-up.example", None).await.unwrap());
    }
    for number in 0..MAX_HOSTS * 2 {
        let host = format!("h{number}.evil.example");
        assert!(gate.enter(&host, None).await.is_ok(), "{host}");
    }
    assert!(gate.enter("good.example", None).await.is_ok());
    assert!(
        gate.enter("used-up.example", None).await.is_err(),
        "it is remembered"
    );
    assert!(gate.counts.lock().unwrap().hosts.len() <= MAX_HOSTS);
}

#[tokio::test(start_paused = true)]
async fn urls_without_end_of_one_project_push_out_its_own() {
    let gate = Gate::default();
    let usual = |number| format!("prj_good https://app{number}.example/client.json");
    for number in 0..MAX_HOSTS / FORGOTTEN {
        drop(gate.enter(&usual(number), None).await.unwrap());
    }
    for number in 0..MAX_HOSTS {
        // Each ends otherwise, as if it were its own domain.
        let url = format!("prj_evil https://h.example/client.x{number}");
        assert!(gate.enter(&url, None).await.is_ok(), "{url}");
    }
    let counts = gate.counts.lock().unwrap();
    assert!(counts.hosts.len() <= MAX_HOSTS);
    assert!((0..MAX_HOSTS / FORGOTTEN).all(|number| counts.hosts.contains_key(&usual(number))));
}

#[tokio::test(start_paused = true)]
async fn networks_without_end_are_forgotten_and_those_that_ask_much_are_not() {
    let gate = Gate::default();
    let busy = asker("198.51.100.7");
    for _ in 0..OF_NETWORK.of_host {
        drop(gate.enter("a.example", Some(unknown(&busy))).await.unwrap());
    }
    for number in 0..MAX_NETWORKS {
        let far = asker(&format!("2001:{:x}::1", number + 1));
        let host = format!("h{number}.example");
        assert!(gate.enter(&host, Some(unknown(&far))).await.is_ok(), "{host}");
    }
    let counts = gate.counts.lock().unwrap();
    assert!(counts.networks.len() <= MAX_NETWORKS);
    assert_eq!(counts.networks[&busy.network].begun, OF_NETWORK.of_host);
}
