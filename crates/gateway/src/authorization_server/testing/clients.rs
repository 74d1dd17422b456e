//! Clients that administrators registered or blocked.

use gatewright_domain::{
    client_use::ClientBlock,
    entropy::SystemEntropy,
    id::{ClientBlockId, ClientId},
    preregistered_client::{ClientProof, PreregisteredClient},
};
use gatewright_oauth::redirect_uri::RedirectUri;
use gatewright_store::{client_block, preregistered_client, revision};

use super::world::{Answer, REDIRECT, World};

impl World {
    /// A client that an administrator registered at the first gateway; its id.
    pub async fn preregister(&self, proof: ClientProof) -> String {
        let client = PreregisteredClient {
            id: ClientId::generate(self.clock.as_ref(), &SystemEntropy),
            project_id: self.project,
            gateway_id: self.entry("acme").gateway.id,
            name: "Ticket desk".to_owned(),
            redirect_uris: vec![RedirectUri::parse(REDIRECT).unwrap()],
            proof,
            created_at: self.app.now(),
            updated_at: self.app.now(),
        };
        let mut tx = self.app.store.write().await.unwrap();
        preregistered_client::insert(&mut tx, &client).await.unwrap();
        tx.commit().await.unwrap();
        client.id.to_string()
    }

    /// Keeps a client out of the first gateway.
    pub async fn block(&self, short_id: &str) {
        let block = ClientBlock {
            id: ClientBlockId::generate(self.clock.as_ref(), &SystemEntropy),
            project_id: self.project,
            gateway_id: self.entry("acme").gateway.id,
            client_id: short_id.to_owned(),
            client_name: String::new(),
            created_at: self.app.now(),
        };
        let mut tx = self.app.store.write().await.unwrap();
        assert!(client_block::insert(&mut tx, &block).await.unwrap());
        revision::bump(&mut tx).await.unwrap();
        tx.commit().await.unwrap();
        self.app.refresh_directory().await.unwrap();
    }
}

/// Where the link *Go back to* of a page leads.
pub fn way_back(page: &Answer) -> url::Url {
    assert!(page.is_page(400), "{page:?}");
    let (_, rest) = page
        .body
        .split_once("<a class=\"button primary\" href=\"")
        .unwrap();
    let (href, _) = rest.split_once('"').unwrap();
    url::Url::parse(&href.replace("&#38;", "&")).unwrap()
}
