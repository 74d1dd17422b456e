//! The proof that a database and a keyring belong together.

use gatewright_domain::{
    Entropy,
    sealed::{Keyring, Purpose},
    stored_secret::SealedText,
};

use crate::{Store, StoreError, Tx, value::values};

/// The context under which the proof is sealed: table, column and row.
pub(crate) const CONTEXT: &str = "meta/value/key_check";

/// The sealed text. The proof is that it can be opened.
const PROOF: &[u8] = b"gatewright";

impl Store {
    /// First start: writes a sealed proof of the keyring. Later: opens it, and refuses another key without touching
    /// data. Any key of the keyring works, so a start during a rotation succeeds.
    pub async fn check_keyring(&self, keyring: &Keyring, entropy: &dyn Entropy) -> Result<(), StoreError> {
        // It reads first: a start with another key must not write anything.
        let mut tx = self.read().await?;
        let mut proof = find(&mut tx).await?;
        drop(tx);
        if proof.is_none() {
            let mut tx = self.write().await?;
            let sealed = keyring.seal(entropy, Purpose::KeyCheck, CONTEXT, PROOF);
            let sql = "INSERT INTO meta (name, value) VALUES ('key_check', $1) ON CONFLICT (name) DO NOTHING";
            tx.execute(sql, values![&sealed]).await?;
            // Another replica may have been first; then its proof counts.
            proof = find(&mut tx).await?;
            tx.commit().await?;
        }
        if proof.is_some_and(|sealed| is_proof_of(&sealed, keyring)) {
            return Ok(());
        }
        Err(StoreError::Refused(
            "This database was created with another master key, so its secrets cannot be decrypted. Nothing was changed. \
             Configure the master key that this database was created with (or restore it next to the database from the same \
             backup); to replace a key, keep the old one in keys.master beside the new one until `gatewright keys rotate` has run."
                .to_owned(),
        ))
    }
}

impl Store {
    /// The sealed proof of the keyring; `None` before the first start. `keys rotate` seals it last, so its key
    /// is the one that the last rotation ended with.
    pub async fn keyring_proof(&self) -> Result<Option<SealedText>, StoreError> {
        let mut tx = self.read().await?;
        find(&mut tx).await
    }
}

/// Whether a sealed proof is one of this keyring.
pub fn is_proof_of(proof: &SealedText, keyring: &Keyring) -> bool {
    keyring
        .open(Purpose::KeyCheck, CONTEXT, proof)
        .is_ok_and(|opened| opened == PROOF)
}

async fn find(tx: &mut Tx) -> Result<Option<SealedText>, StoreError> {
    let row = tx
        .fetch_optional("SELECT value FROM meta WHERE name = 'key_check'", &[])
        .await?;
    row.map(|row| row.sealed("value")).transpose()
}
